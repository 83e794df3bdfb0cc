"""The model as a service: OpenAI's audio API over HTTP, and a page to hear and see it work. `asr serve` starts it.

A request's way: its body to a file (`uploads`), the file to segments of speech, by a thread of its own, and the segments of all requests
into one queue (`fair_queue`), from which one thread takes batches for the model (`service`). `app` and `page_routes` have the addresses.
"""

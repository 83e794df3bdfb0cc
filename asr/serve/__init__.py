"""The model as a service: OpenAI's audio API over HTTP, and a page to hear and see it work. `asr serve` starts it.

A request arrives at a connection with deadlines (`connections`) and is checked (`access`). Its body becomes a temporary file (`uploads`,
`recordings`) within limits per client (`places`). A thread per recording finds the segments of speech and puts them into one queue
(`fair_queue`), from which another takes batches for the model (`service`). `app` and `page_routes` have the addresses, `run` the process.
"""

"""HTTP server: OpenAI's audio API, and a page that shows the recognition. `asr serve` starts it.

A request passes connection deadlines (`connections`) and access control (`access`). Its body becomes a temporary file (`uploads`,
`recordings`) within limits per client (`admission`). One thread per recording finds the segments of speech and adds them to one queue
(`fair_queue`). Another thread takes batches from the queue and runs the model (`service`). `app` and `page_routes` have the routes, `run` the
process.
"""

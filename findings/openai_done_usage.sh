#!/bin/sh
# openai (Python): `usage` of a streamed transcript has no duration variant, and the client does not notice one.
#
# `Transcription.usage` is a union: tokens, or `{"type": "duration", "seconds": …}`. `TranscriptionTextDoneEvent.usage` is tokens only,
# with three required counts. The client does not validate events: a server that sends the duration there, as in the JSON answer, gets an
# object typed as tokens whose counts, typed as integers, are None. Strict readers of the same schema (pydantic's validation, typed clients of other
# languages) reject the whole event. So `asr serve` sends `usage` with JSON answers only.
#
# Seen on 2026-12-01 with openai 3.57.0 (Python 3.11). Output seen:
#
#   usage of a transcript: tokens, duration
#   usage of the last event: tokens
#   event received: type=duration seconds=4 input_tokens=None
#   the same event, validated: 4 errors
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --no-cache-dir openai==3.57.0

cat > "$tmp/usage.py" <<'PY'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import get_args

import openai
import pydantic
from openai.types.audio import TranscriptionTextDoneEvent, transcription, transcription_text_done_event

DONE = {"type": "transcript.text.done", "text": "A", "usage": {"type": "duration", "seconds": 4}}


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {json.dumps(DONE)}\n\n".encode())

    def log_message(self, *_):
        pass


def kinds(*models):
    return ", ".join(get_args(model.model_fields["type"].annotation)[0] for model in models)


print("usage of a transcript:", kinds(transcription.UsageTokens, transcription.UsageDuration))
print("usage of the last event:", kinds(transcription_text_done_event.Usage))

server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="any", max_retries=0)
[event] = client.audio.transcriptions.create(file=("a.wav", b"RIFF"), model="whisper-1", stream=True)
usage = event.usage
print(f"event received: type={usage.type} seconds={usage.seconds} input_tokens={usage.input_tokens}")
try:
    TranscriptionTextDoneEvent.model_validate(DONE)
    print("the same event, validated: no error")
except pydantic.ValidationError as error:
    print(f"the same event, validated: {error.error_count()} errors")
PY

cat > "$tmp/seen" <<'SEEN'
usage of a transcript: tokens, duration
usage of the last event: tokens
event received: type=duration seconds=4 input_tokens=None
the same event, validated: 4 errors
SEEN

"$tmp/venv/bin/python" "$tmp/usage.py" > "$tmp/got"

if ! diff "$tmp/seen" "$tmp/got"; then
    echo "openai_done_usage: changed (< seen on 2026-12-01, > now)" >&2
    exit 1
fi
cat "$tmp/got"

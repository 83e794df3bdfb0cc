"""The official OpenAI client for JavaScript against the server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from serve_support import EXAMPLES, Live, node_modules

from asr.transcribe import Transcriber

RIVER = EXAMPLES / "river.flac"

SCRIPT = """
const { createReadStream } = require("node:fs");
const { OpenAI } = require("openai");

const client = new OpenAI({ baseURL: process.env.SERVER + "/v1", apiKey: "any", maxRetries: 0 });
const transcribe = (options, ...more) =>
  client.audio.transcriptions.create({ file: createReadStream(process.env.RECORDING), model: "las-asr", ...options }, ...more);

(async () => {
  const result = {};
  const plain = await transcribe({ include: ["logprobs"], language: "en-US", prompt: "Riverton, boat house" });
  result.plain = { text: plain.text, usage: plain.usage, logprobs: plain.logprobs.length, id: plain._request_id };
  const verbose = await transcribe({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
  result.verbose = { words: verbose.words.length, segments: verbose.segments.length };
  result.srt = await transcribe({ response_format: "srt" });
  result.events = [];
  const strategy = { type: "server_vad", threshold: 0.4 };
  for await (const event of await transcribe({ stream: true, chunking_strategy: strategy })) result.events.push(event);
  result.models = [(await client.models.list()).data[0].id, (await client.models.retrieve("whisper-1")).object];
  result.errors = [];
  for (const options of [{ model: "gpt-4o-transcribe" }, { response_format: "diarized_json" }, { known_speaker_names: ["Anna"] }]) {
    await transcribe(options).catch((e) => result.errors.push([e.constructor.name, e.status, e.param, e.requestID.slice(0, 4)]));
  }
  const aborter = new AbortController();
  setTimeout(() => aborter.abort(), 20);
  await transcribe({ stream: true }, { signal: aborter.signal }).catch((e) => { result.aborted = e.constructor.name; });
  console.log(JSON.stringify(result));
})();
"""


@pytest.fixture(scope="module")
def result(server: Live) -> dict[str, Any]:
    modules, node = node_modules("openai"), shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    environment = os.environ | {"NODE_PATH": str(modules), "SERVER": server.url, "RECORDING": str(RIVER)}
    done = subprocess.run([node, "-e", SCRIPT], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_transcripts(result: dict[str, Any], transcriber: Transcriber) -> None:
    expected = transcriber.transcribe(RIVER)
    assert result["plain"]["text"] == expected.text
    assert result["plain"]["usage"] == {"type": "duration", "seconds": 4}
    assert result["plain"]["logprobs"] == result["verbose"]["words"] == len(expected.words)
    assert result["plain"]["id"].startswith("req_")
    assert result["verbose"]["segments"] == 1
    assert result["srt"].startswith("1\n00:00:00,")


def test_events(result: dict[str, Any], transcriber: Transcriber) -> None:
    text = transcriber.transcribe(RIVER).text
    assert result["events"] == [{"type": "transcript.text.delta", "delta": text}, {"type": "transcript.text.done", "text": text}]


def test_models(result: dict[str, Any]) -> None:
    assert result["models"] == ["las-asr", "model"]


def test_errors(result: dict[str, Any]) -> None:
    assert result["errors"] == [
        ["NotFoundError", 404, "model", "req_"],
        ["BadRequestError", 400, "response_format", "req_"],
        ["BadRequestError", 400, "known_speaker_names", "req_"],
    ]


def test_an_aborted_request_frees_its_place(result: dict[str, Any], server: Live) -> None:
    assert result["aborted"] == "APIUserAbortError"
    assert server.is_clean()

"""OpenAI's own client against the server: what their users expect is what they get."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
import srt
import webvtt
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.serve.settings import ServeSettings
from asr.transcribe import Transcriber

RIVER = EXAMPLES / "river.flac"


@pytest.fixture
def client(server: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)


@pytest.fixture(scope="module")
def alone(transcriber: Transcriber) -> str:
    """What the library itself makes of the clip."""
    return transcriber.transcribe(RIVER).text


def test_json_is_the_default(client: openai.OpenAI, alone: str) -> None:
    answer = client.audio.transcriptions.create(file=RIVER, model="las-asr")
    assert answer.text == alone
    assert answer.usage is not None
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 4)


def test_text(client: openai.OpenAI, alone: str) -> None:
    assert client.audio.transcriptions.create(file=RIVER, model="whisper-1", response_format="text") == alone + "\n"


def test_subtitles_can_be_read_by_others(client: openai.OpenAI, alone: str) -> None:
    cues = list(srt.parse(client.audio.transcriptions.create(file=RIVER, model="las-asr", response_format="srt")))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == alone
    captions = list(webvtt.from_string(client.audio.transcriptions.create(file=RIVER, model="las-asr", response_format="vtt")))
    assert " ".join(caption.text.replace("\n", " ") for caption in captions) == alone
    assert cues[0].start.total_seconds() == pytest.approx(captions[0].start_in_seconds, abs=1)


def test_verbose_json_has_segments(client: openai.OpenAI, alone: str) -> None:
    answer = client.audio.transcriptions.create(file=RIVER, model="las-asr", response_format="verbose_json")
    assert (answer.text, answer.language, answer.duration) == (alone, "english", pytest.approx(3.907, abs=1e-3))
    assert answer.words is None
    assert answer.segments is not None
    assert "".join(s.text for s in answer.segments).strip() == alone
    for segment in answer.segments:
        assert 0 <= segment.start < segment.end <= answer.duration
        assert segment.avg_logprob < 0 < segment.compression_ratio
        assert segment.no_speech_prob == 0


def test_words_have_their_times(client: openai.OpenAI, transcriber: Transcriber) -> None:
    answer = client.audio.transcriptions.create(
        file=RIVER, model="las-asr", response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert answer.segments is None
    expected = transcriber.transcribe(RIVER).words
    assert answer.words is not None
    assert [w.word for w in answer.words] == [w.text for w in expected]
    assert [(w.start, w.end) for w in answer.words] == [pytest.approx((w.start, w.end), abs=1e-3) for w in expected]
    both = client.audio.transcriptions.create(
        file=RIVER, model="las-asr", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert both.words
    assert both.segments


def test_what_only_nudges_whisper_is_taken_and_named(client: openai.OpenAI, alone: str) -> None:
    answer = client.audio.transcriptions.with_raw_response.create(
        file=RIVER, model="las-asr", prompt="boats", temperature=0.4, language="en"
    )
    assert answer.parse().text == alone
    assert answer.headers["x-ignored-fields"] == "prompt, temperature"


@pytest.mark.parametrize(
    ("asked", "error", "param", "says"),
    [
        ({"model": "gpt-4o-transcribe"}, openai.NotFoundError, "model", "does not exist"),
        ({"language": "de"}, openai.BadRequestError, "language", "English alone"),
        ({"response_format": "diarized_json"}, openai.BadRequestError, "response_format", "json, text, srt, verbose_json, vtt"),
        ({"timestamp_granularities": ["word"]}, openai.BadRequestError, "timestamp_granularities[]", "needs response_format=verbose_json"),
        ({"temperature": 7}, openai.BadRequestError, "temperature", "from 0 to 1"),
        ({"extra_body": {"temperature": "nan"}}, openai.BadRequestError, "temperature", "from 0 to 1"),
        ({"stream": True}, openai.BadRequestError, "stream", "leave it out"),
        ({"include": ["logprobs"]}, openai.BadRequestError, "include", "verbose_json"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    client: openai.OpenAI, asked: dict[str, object], error: type[openai.APIStatusError], param: str, says: str
) -> None:
    with pytest.raises(error) as caught:
        client.audio.transcriptions.create(**{"file": RIVER, "model": "las-asr", **asked})  # type: ignore[call-overload]
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert says in caught.value.message


@pytest.mark.parametrize(("code", "name", "asked"), [("de", "German", "german"), ("de", "German", "de-AT"), ("hsb", "hsb", "hsb")])
def test_a_model_of_another_language_is_asked_for_that(code: str, name: str, asked: str) -> None:
    """Upper Sorbian has no code of two letters, and goes by that of three."""
    parrot = Parrot(language=code)
    parrot.let.set()
    with serving(lambda: parrot) as live:  # type: ignore[arg-type, return-value]
        answer = live.post(RIVER, response_format="verbose_json", language=asked)
        assert answer.json()["language"] == name.lower()
        refused = live.post(RIVER, language="en").json()["error"]["message"]
        assert refused == f"language: 'en' is not understood: this model hears {name} alone; send {code}, or leave it out"


def test_a_file_that_is_no_recording(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot be decoded") as caught:
        client.audio.transcriptions.create(file=Path(__file__), model="las-asr")
    assert caught.value.code == "invalid_file"
    assert "/tmp" not in caught.value.message
    assert "upload-" not in caught.value.message


def test_models(client: openai.OpenAI) -> None:
    assert [m.id for m in client.models.list()] == ["las-asr"]
    assert client.models.retrieve("whisper-1").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


def test_another_address_is_an_error_in_the_same_form(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="/docs"):
        client.audio.translations.create(file=RIVER, model="las-asr")


def test_a_key_is_asked_for() -> None:
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot, ServeSettings(api_key="open-sesame")) as live:  # type: ignore[arg-type, return-value]
        for wrong in ("sesame", "open-sesame-2"):
            with pytest.raises(openai.AuthenticationError, match="not the one"):
                openai.OpenAI(base_url=f"{live.url}/v1", api_key=wrong, max_retries=0).models.list()
        assert live.post(RIVER).status_code == 401
        assert live.post(RIVER, "/page/transcription").json()["error"]["code"] == "invalid_api_key"
        right = openai.OpenAI(base_url=f"{live.url}/v1", api_key="open-sesame", max_retries=0)
        assert right.audio.transcriptions.create(file=RIVER, model="las-asr").text == "3.584"

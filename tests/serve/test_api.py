"""The official OpenAI client against the server."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import srt
import webvtt
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.config import SegmentConfig
from asr.decode.hotwords import load_hotwords
from asr.serve.errors import ApiError
from asr.serve.fields import read_fields
from asr.serve.settings import ServeSettings
from asr.transcribe import Transcriber

RIVER = EXAMPLES / "river.flac"


@pytest.fixture
def client(server: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)


@pytest.fixture(scope="module")
def offline(transcriber: Transcriber) -> str:
    """The transcript of the library without a server."""
    return transcriber.transcribe(RIVER).text


def words(answer: Any) -> list[dict[str, Any]]:
    """The words of all segments in the body of a raw response."""
    return list(answer.http_response.json()["words"])


def test_json_is_the_default(client: openai.OpenAI, offline: str) -> None:
    answer = client.audio.transcriptions.create(file=RIVER, model="las-asr")
    assert answer.text == offline
    assert answer.usage is not None
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 4)


def test_text(client: openai.OpenAI, offline: str) -> None:
    assert client.audio.transcriptions.create(file=RIVER, model="whisper-1", response_format="text") == offline + "\n"


def test_subtitles_can_be_read_by_others(client: openai.OpenAI, offline: str) -> None:
    cues = list(srt.parse(client.audio.transcriptions.create(file=RIVER, model="las-asr", response_format="srt")))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == offline
    captions = list(webvtt.from_string(client.audio.transcriptions.create(file=RIVER, model="las-asr", response_format="vtt")))
    assert " ".join(caption.text.replace("\n", " ") for caption in captions) == offline
    assert cues[0].start.total_seconds() == pytest.approx(captions[0].start_in_seconds, abs=1)


def test_verbose_json_has_segments(client: openai.OpenAI, offline: str) -> None:
    answer = client.audio.transcriptions.create(file=RIVER, model="las-asr", response_format="verbose_json")
    assert (answer.text, answer.language, answer.duration) == (offline, "english", pytest.approx(3.907, abs=1e-3))
    assert answer.words is None
    assert answer.segments is not None
    assert "".join(s.text for s in answer.segments).strip() == offline
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


def test_a_request_chooses_the_form_of_its_text(client: openai.OpenAI, transcriber: Transcriber) -> None:
    assert transcriber.readable
    expected = transcriber.transcribe(RIVER)
    create = client.audio.transcriptions.with_raw_response.create
    sent: dict[str, Any] = {
        "file": RIVER,
        "model": "las-asr",
        "response_format": "verbose_json",
        "timestamp_granularities": ["word", "segment"],
    }
    both = create(**sent).http_response.json()
    assert (both["text"], both["verbatim_text"]) == (expected.text, expected.verbatim_text)
    assert [s["verbatim_text"].strip() for s in both["segments"]] == [s.verbatim_text for s in expected.segments]
    assert " ".join(word["word"] for word in both["verbatim_words"]) == expected.verbatim_text
    verbatim = create(**sent, extra_body={"text": "verbatim"}).http_response.json()
    assert verbatim["text"] == expected.verbatim_text
    assert verbatim["words"] == both["verbatim_words"]
    assert "verbatim_text" not in verbatim
    with pytest.raises(openai.BadRequestError, match="text: is 'plain', expected readable or verbatim"):
        create(**sent, extra_body={"text": "plain"})


def test_fields_without_effect_are_named(client: openai.OpenAI, offline: str) -> None:
    answer = client.audio.transcriptions.with_raw_response.create(
        file=RIVER, model="las-asr", temperature=0.4, language="en", extra_body={"best_of": 5}
    )
    assert answer.parse().text == offline
    assert answer.headers["x-ignored-fields"] == "best_of, temperature"


def test_a_prompt_lists_hotwords(client: openai.OpenAI, transcriber: Transcriber) -> None:
    """Phrases that cannot be hotwords are left out, and named."""
    hotwords = load_hotwords(["Riverton", "boat house"], transcriber.model.tokenizer)
    expected = Transcriber(transcriber.model, transcriber.decode, hotwords=hotwords, readable=transcriber.readable).transcribe(RIVER)
    answer = client.audio.transcriptions.with_raw_response.create(
        file=RIVER,
        model="las-asr",
        prompt="Riverton, boat house, 2 boats, this is a whole sentence of prose\nRiverton",
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    parsed = answer.parse()
    assert parsed.text == expected.text
    assert [(w.text, w.probability) for w in expected.words] == [
        (w["word"], pytest.approx(w["probability"], abs=1e-3)) for w in words(answer)
    ]
    notes = answer.headers["x-notes"]
    assert "'2 boats' left out: '2 boats' has '2'" in notes
    assert "'this is a whole sentence of prose' left out: longer than 4 words" in notes


def test_logprobs_are_those_of_words(client: openai.OpenAI, transcriber: Transcriber, offline: str) -> None:
    answer = client.audio.transcriptions.create(file=RIVER, model="las-asr", include=["logprobs"])
    assert answer.logprobs is not None
    assert "".join(entry.token for entry in answer.logprobs) == offline
    expected = transcriber.transcribe(RIVER).words
    assert [entry.logprob for entry in answer.logprobs] == [pytest.approx(math.log(word.probability), abs=1e-3) for word in expected]
    assert all(bytes(map(int, entry.bytes)).decode() == entry.token for entry in answer.logprobs)


def test_chunking_strategies(client: openai.OpenAI, transcriber: Transcriber) -> None:
    strategies: list[tuple[Any, dict[str, float]]] = [
        ("auto", {}),
        ({"type": "server_vad"}, {}),
        ({"type": "server_vad", "prefix_padding_ms": 0}, {"edge_seconds": 0.0}),
    ]
    for strategy, changes in strategies:
        segment = transcriber.segment.model_copy(update=changes)
        expected = Transcriber(transcriber.model, transcriber.decode, segment).transcribe(RIVER).segments
        answer = client.audio.transcriptions.create(
            file=RIVER,
            model="las-asr",
            chunking_strategy=strategy,
            response_format="verbose_json",
            timestamp_granularities=["segment", "word"],
        )
        assert answer.words
        assert answer.segments is not None
        assert [(s.start, s.end) for s in answer.segments] == [pytest.approx((s.start, s.end), abs=1e-3) for s in expected]


@pytest.mark.parametrize(
    "sent",
    [
        {"chunking_strategy": ['{"type": "server_vad", "threshold": 0.2, "silence_duration_ms": "100", "prefix_padding_ms": 300}']},
        {
            "chunking_strategy[type]": ["server_vad"],
            "chunking_strategy[threshold]": ["0.2"],
            "chunking_strategy[silence_duration_ms]": ["100"],
            "chunking_strategy[prefix_padding_ms]": ["300"],
        },
    ],
)
def test_parameters_of_server_vad(sent: dict[str, list[str]]) -> None:
    default = SegmentConfig(longest_seconds=12.0)
    expected = SegmentConfig(
        longest_seconds=12.0, threshold=0.2, hysteresis=0.1, join_seconds=0.1, pause_seconds=0.1, pad_seconds=0.3, edge_seconds=0.3
    )
    assert read_fields(sent, "en", default).segmentation == expected


@pytest.mark.parametrize("value", ["auto", "null", "", None])
def test_no_chunking_strategy_is_that_of_the_server(value: str | None) -> None:
    """OpenAI's client for JavaScript sends null as text."""
    default = SegmentConfig(longest_seconds=12.0)
    assert read_fields({} if value is None else {"chunking_strategy": [value], "stream": ["null"]}, "en", default).segmentation == default


def test_indexed_names_are_lists() -> None:
    """As PHP and qs send them."""
    sent = {"timestamp_granularities[0]": ["word"], "timestamp_granularities[1]": ["segment"], "response_format": ["verbose_json"]}
    fields = read_fields(sent, "en", SegmentConfig())
    assert (fields.granularities, fields.ignored) == (("word", "segment"), ())
    with pytest.raises(ApiError, match=r"^known_speaker_names: "):
        read_fields({"known_speaker_names[0]": ["Anna"]}, "en", SegmentConfig())


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"chunking_strategy": ['{"type": "semantic_vad"}']}, "chunking_strategy[type]: is 'semantic_vad', expected server_vad"),
        ({"chunking_strategy": ['{"type": {"a": 1}}']}, "chunking_strategy[type]: is '{\"a\": 1}', expected server_vad"),
        ({"chunking_strategy": ['{"threshold": 0.5}']}, "chunking_strategy[type]: is missing, expected server_vad"),
        ({"chunking_strategy[threshold]": ["0.5"]}, "chunking_strategy[type]: is missing, expected server_vad"),
        (
            {"chunking_strategy": ['{"type": "server_vad", "threshold": null}']},
            "chunking_strategy[threshold]: is 'null', expected a number from 0 to 1",
        ),
        (
            {"chunking_strategy": ['{"type": "server_vad", "threshold": true}']},
            "chunking_strategy[threshold]: is 'true', expected a number from 0 to 1",
        ),
        (
            {"chunking_strategy": ["auto"], "chunking_strategy[type]": ["server_vad"]},
            "chunking_strategy: is given as a value and as chunking_strategy[type], expected one of them",
        ),
        (
            {"chunking_strategy[type]": ["server_vad"], "chunking_strategy[a][b]": ["1"]},
            "chunking_strategy: 'a][b' is unknown: server_vad takes threshold, prefix_padding_ms, silence_duration_ms",
        ),
    ],
)
def test_mistakes_in_a_chunking_strategy(sent: dict[str, list[str]], says: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_fields(sent, "en", SegmentConfig())
    assert caught.value.message == says


@pytest.mark.parametrize("threshold", ["0", "1"])
def test_the_greatest_and_the_least_threshold_are_valid(threshold: str) -> None:
    sent = {"chunking_strategy[type]": ["server_vad"], "chunking_strategy[threshold]": [threshold]}
    changed = read_fields(sent, "en", SegmentConfig()).segmentation
    assert SegmentConfig.model_validate(changed.model_dump()) == changed


@pytest.mark.parametrize(
    ("asked", "error", "param", "says"),
    [
        ({"model": "gpt-4o-transcribe"}, openai.NotFoundError, "model", "does not exist"),
        ({"language": "de"}, openai.BadRequestError, "language", "English only"),
        ({"response_format": "diarized_json"}, openai.BadRequestError, "response_format", "speakers"),
        ({"timestamp_granularities": ["word"]}, openai.BadRequestError, "timestamp_granularities[]", "needs response_format=verbose_json"),
        ({"temperature": 7}, openai.BadRequestError, "temperature", "from 0 to 1"),
        ({"extra_body": {"temperature": "nan"}}, openai.BadRequestError, "temperature", "from 0 to 1"),
        ({"response_format": "xml"}, openai.BadRequestError, "response_format", "json, text, srt, verbose_json, vtt"),
        ({"known_speaker_names": ["Anna"]}, openai.BadRequestError, "known_speaker_names", "leave it out"),
        ({"known_speaker_references": ["data:audio/wav;base64,AA"]}, openai.BadRequestError, "known_speaker_references", "leave it out"),
        ({"languages": ["de", "fr"]}, openai.BadRequestError, "languages[]", "English only"),
        ({"extra_body": {"stream": "perhaps"}}, openai.BadRequestError, "stream", "true or false"),
        ({"stream": True, "response_format": "srt"}, openai.BadRequestError, "response_format", "cannot be streamed"),
        ({"include": ["item"]}, openai.BadRequestError, "include[]", "only logprobs"),
        ({"include": ["logprobs"], "response_format": "verbose_json"}, openai.BadRequestError, "include[]", "response_format=json"),
        ({"chunking_strategy": "none"}, openai.BadRequestError, "chunking_strategy", "use auto"),
        ({"chunking_strategy": {"type": "client_vad"}}, openai.BadRequestError, "chunking_strategy[type]", "server_vad"),
        (
            {"chunking_strategy": {"type": "server_vad", "threshold": 2}},
            openai.BadRequestError,
            "chunking_strategy[threshold]",
            "from 0 to 1",
        ),
        ({"extra_body": {"chunking_strategy": "{"}}, openai.BadRequestError, "chunking_strategy", "not valid JSON"),
    ],
)
def test_unsupported_options_are_refused_by_name(
    client: openai.OpenAI, asked: dict[str, object], error: type[openai.APIStatusError], param: str, says: str
) -> None:
    with pytest.raises(error) as caught:
        client.audio.transcriptions.create(**{"file": RIVER, "model": "las-asr", **asked})  # type: ignore[call-overload]
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("code", "name", "asked"),
    [("de", "German", "german"), ("de", "German", "de-AT"), ("de", "German", "deu"), ("hsb", "Upper Sorbian", "hsb")],
)
def test_a_model_of_another_language(code: str, name: str, asked: str) -> None:
    """Upper Sorbian has a code of three letters only."""
    parrot = Parrot(language=code)
    parrot.let.set()
    with serving(lambda: parrot) as live:  # type: ignore[arg-type, return-value]
        answer = live.post(RIVER, response_format="verbose_json", language=asked)
        assert answer.json()["language"] == name.lower()
        refused = live.post(RIVER, language="en").json()["error"]["message"]
        assert refused == f"language: 'en' is not supported: the model recognises {name} only; send {code}, or leave it out"


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
    with pytest.raises(openai.NotFoundError, match="/docs") as caught:
        client.audio.speech.create(input="x", model="las-asr", voice="alloy")
    assert caught.value.code == "unknown_url"
    long = httpx.delete(f"{client.base_url}{'a' * 1000}").json()["error"]
    assert len(long["message"]) < 200
    wrong = httpx.get(f"{client.base_url}audio/transcriptions")
    assert (wrong.status_code, wrong.headers["allow"], wrong.json()["error"]["code"]) == (405, "POST", "method_not_supported")


def test_a_key_is_required() -> None:
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot, ServeSettings(api_key="open-sesame")) as live:  # type: ignore[arg-type, return-value]
        for wrong in ("sesame", "open-sesame-2"):
            with pytest.raises(openai.AuthenticationError, match="is wrong"):
                openai.OpenAI(base_url=f"{live.url}/v1", api_key=wrong, max_retries=0).models.list()
        assert live.post(RIVER).status_code == 401
        assert live.post(RIVER, "/page/transcription").json()["error"]["code"] == "invalid_api_key"
        right = openai.OpenAI(base_url=f"{live.url}/v1", api_key="open-sesame", max_retries=0)
        assert right.audio.transcriptions.create(file=RIVER, model="las-asr").text == "3.907"

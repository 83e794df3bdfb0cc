"""Lhotse's cuts in JSON lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from sources_support import read, record, write

from asr.errors import UsageError
from asr.prepare.lhotse import read_cuts
from asr.speech.manifest import Utterance


def supervision(name: str = "s1", **more: Any) -> dict[str, Any]:
    return {"id": name, "recording_id": "r1", "start": 0.5, "duration": 1.5, "channel": 0, "text": "hello world"} | more


def cut(path: Path | str, *supervisions: dict[str, Any], recording: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"id": "r1", "sources": [{"type": "file", "channels": [0], "source": str(path)}], "channel_ids": [0]}
    whole |= {"sampling_rate": 8000, "num_samples": 40000, "duration": 5.0} | (recording or {})
    return {
        "id": "c1", "start": 1.0, "duration": 4.0, "channel": 0, "supervisions": list(supervisions), "recording": whole, "type": "MonoCut"
    } | more  # fmt: skip


def cuts(path: Path, *records: Any) -> Path:
    lines = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records).encode()
    return write(path, gzip.compress(lines) if path.suffix == ".gz" else lines)


@pytest.mark.parametrize("name", ["cuts.jsonl", "cuts.jsonl.gz"])
def test_each_supervision_is_an_utterance(tmp_path: Path, name: str) -> None:
    audio = record(tmp_path / "a.wav", 5.0)
    detailed = supervision(speaker="ann", language="en", gender="F", custom={"book": "b1", "score": 0.5, "text": "no", "emb": [1, 2]})
    path = cuts(
        tmp_path / name,
        cut(audio, detailed, supervision("s2", start=2.25, duration=1, text="and so on")),
        "",
        cut(audio, supervision("s3")),
    )
    listing = read_cuts(path)
    assert read(listing) == (
        [
            Utterance("s1", audio, "hello world", 1.5, 1.5, "ann", "en", {"book": "b1", "score": 0.5, "gender": "F"}, f"{path}:1"),
            Utterance("s2", audio, "and so on", 1.0, 3.25, source=f"{path}:1"),
            Utterance("s3", audio, "hello world", 1.5, 1.5, source=f"{path}:3"),
        ],
        [],
    )
    assert listing.total == 3


def test_a_supervision_over_the_edge_of_its_cut_is_whole_in_the_recording(tmp_path: Path) -> None:
    path = cuts(tmp_path / "c.jsonl", cut(record(tmp_path / "a.wav"), supervision(start=-0.75, duration=2.0)))
    ((found,), _) = read(read_cuts(path))
    assert (found.offset, found.duration) == (0.25, 2.0)


def test_settings_without_effect_are_accepted(tmp_path: Path) -> None:
    audio = record(tmp_path / "a.wav")
    second = record(tmp_path / "b.wav")
    two_files = {"sources": [{"type": "file", "channels": [i], "source": str(p)} for i, p in enumerate((audio, second))]}
    resampled = {"transforms": [{"name": "Resample", "kwargs": {}}]}
    path = cuts(
        tmp_path / "c.jsonl",
        cut(audio, supervision("resampled"), recording=resampled),
        cut(audio, supervision("a file a channel"), recording=two_files, channel=1),
        cut(audio, supervision("one channel of a MultiCut"), channel=[0], type="MultiCut"),
        cut(audio, supervision(None), id="named by its cut"),  # type: ignore[arg-type]
    )
    utterances, problems = read(read_cuts(path))
    assert problems == []
    assert [u.id for u in utterances] == ["resampled", "a file a channel", "one channel of a MultiCut", "named by its cut"]
    assert [u.audio_filepath for u in utterances] == [audio, second, audio, audio]


def test_relative_paths_are_of_here_then_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "here/a.wav")
    path = cuts(tmp_path / "data/c.jsonl", cut("a.wav", supervision()), cut("b.wav", supervision()))
    record(tmp_path / "data/a.wav")
    beside = record(tmp_path / "data/b.wav")
    monkeypatch.chdir(tmp_path / "here")
    assert [u.audio_filepath for u in read(read_cuts(path))[0]] == [Path("a.wav"), beside]


def source(kind: str, content: str = "x") -> dict[str, Any]:
    return {"sources": [{"type": kind, "channels": [0], "source": content}]}


STEREO = {"sources": [{"type": "file", "channels": [0, 1], "source": "a.wav"}], "channel_ids": [0, 1]}


@pytest.mark.parametrize(
    ("record_", "reason"),
    [
        (cut("a.wav", supervision(), type="MixedCut"), "cut c1: is a MixedCut, of several recordings or with padding: export its audio first"),
        ({"id": "m", "tracks": [], "type": "MixedCut"}, "cut m: is a MixedCut, of several recordings or with padding: export its audio first"),
        ({"id": "p", "duration": 4, "type": "PaddingCut"}, "cut p: is padding, not speech"),
        (cut("a.wav", supervision(), channel=[0, 1], type="MultiCut"), "cut c1: is of 2 channels: export each to a file of its own"),
        (cut("a.wav", supervision(), recording=STEREO, channel=1), "cut c1: is channel 1 of 2 in one file: export each to a file of its own"),
        (cut("a.wav", supervision(), channel=3), "cut c1: its recording has no source for channel 3"),
        (
            cut("a.wav", supervision(), recording=source("command", "touch trace")),
            'cut c1: its recording is not in a file (but of the type "command"): export its audio first',
        ),
        (
            cut("a.wav", supervision(), recording=source("url")),
            'cut c1: its recording is not in a file (but of the type "url"): export its audio first',
        ),
        (
            cut("a.wav", supervision(), recording={"transforms": [{"name": "Speed", "kwargs": {"factor": 0.9}}, {"name": "Resample"}]}),
            "cut c1: its recording is changed while it is loaded (Speed): export its audio first",
        ),
        (cut("a.wav", supervision(), recording=source("file", "")), 'cut c1: the source of its recording is "", expected a path'),
        (cut("/gone.wav", supervision()), "cut c1: /gone.wav: no such recording"),
        (cut("a.wav", supervision(), recording=None) | {"recording": None}, "cut c1: has no recording (features alone?)"),
        (cut("a.wav"), "cut c1: has no supervision, so no text"),
        (cut("a.wav", "words"), 'cut c1: a supervision is "words", expected an object'),  # type: ignore[arg-type]
        (cut("a.wav", supervision(start="1")), 'cut c1: start at supervision s1 is "1", expected seconds'),
        (cut("a.wav", supervision(start=-2)), "cut c1: supervision s1 begins at -1 s and is 1.5 s long"),
        (cut("a.wav", supervision(duration=0)), "cut c1: supervision s1 begins at 1.5 s and is 0 s long"),
        (cut("a.wav", supervision(text=["a"])), 'cut c1: text of supervision s1 is ["a"], expected a string'),
        (cut("a.wav", supervision([1])), "cut c1: the id of a supervision is [1], expected a string"),  # type: ignore[arg-type]
        (cut("a.wav", supervisions={"a": 1}), 'cut c1: supervisions is {"a": 1}, expected a list'),
        ("{broken", "not JSON: Expecting property name enclosed in double quotes"),
        ("[" * 100_000, "not JSON: cannot be read"),
        ("17", "not a JSON object"),
    ],
)  # fmt: skip
def test_entries_a_manifest_cannot_hold_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_: Any, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "a.wav")
    path = cuts(tmp_path / "c.jsonl", cut("a.wav", supervision("first")), record_, cut("a.wav", supervision("last")))
    utterances, problems = read(read_cuts(path))
    assert [u.id for u in utterances] == ["first", "last"]
    assert [p.removeprefix(f"{path}:2: ") for p in problems] == [reason]
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("record_", "said"),
    [
        ({"id": "r1", "sources": [], "sampling_rate": 16000}, "holds recordings, not cuts: join both with `lhotse cut simple"),
        (supervision(), "holds supervisions, not cuts"),
        ({"audio_filepath": "a.wav", "text": "x"}, "is a manifest already: asr manifest check"),
        ({"wav": "a.wav", "txt": "x"}, ":1: not a cut of Lhotse's: its keys are wav, txt"),
        ("id,text", ":1: not JSON: Expecting value: expected one cut a line, in JSON"),
        ("[", ":1: not JSON: .*: expected one cut a line, in JSON"),
        ("", "is empty, expected one cut a line"),
    ],
)
def test_files_of_other_things(tmp_path: Path, record_: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_cuts(cuts(tmp_path / "c.jsonl", record_))


def test_a_file_that_was_cut_short(tmp_path: Path) -> None:
    path = cuts(tmp_path / "c.jsonl.gz", *(cut(f"{i}.wav", supervision(str(i))) for i in range(2000)))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UsageError, match="the gzip file is damaged or cut short"):
        read(read_cuts(path))

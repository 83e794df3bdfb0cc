"""Manifests: what is written is read back, and every bad line is named."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings_support import film, lag, noise

from asr.errors import ManifestError, UsageError
from asr.speech.batches import BatchDataset, Example
from asr.speech.checking import check_manifest
from asr.speech.manifest import OWN_KEYS, Utterance, iter_manifest, manifest_stats, read_manifest, write_manifest

RATE = 16_000
REPOSITORY = Path(__file__).resolve().parents[2]


def manifest(folder: Path, content: str | bytes | list[Any], name: str = "m.json") -> Path:
    path = folder / name
    if isinstance(content, list):
        content = "".join(json.dumps(line) + "\n" for line in content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems(path: Path, need_text: bool = False) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, need_text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [p.removeprefix(f"{path}:") for p in caught.value.problems]


# ---------------------------------------------------------------- what is read


def test_the_keys_of_nemo_are_read(tmp_path: Path) -> None:
    path = manifest(tmp_path, [{"audio_filepath": "wav/talk.wav", "offset": 1.5, "duration": 2, "text": "HI", "label": [1], "speaker": 7}])
    assert read_manifest(path) == [
        Utterance("talk-1.50", tmp_path / "wav/talk.wav", "HI", 2.0, 1.5, "7", None, {"label": [1]}, f"{path}:1")
    ]


def test_optional_keys_may_be_left_out(tmp_path: Path) -> None:
    (found,) = read_manifest(manifest(tmp_path, [{"audio_filepath": "/data/a.b.wav", "text": None, "offset": None}]))
    assert (found.id, found.audio_filepath, found.text, found.duration, found.offset) == ("a.b", Path("/data/a.b.wav"), None, None, 0.0)


def test_recordings_are_sought_beside_the_manifest_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest(tmp_path, [{"audio_filepath": "../a.wav"}])
    monkeypatch.chdir(tmp_path.parent)
    (found,) = read_manifest(Path(tmp_path.name) / "m.json")
    assert found.audio_filepath.resolve() == tmp_path.parent / "a.wav"


LINES = ['{"audio_filepath": "a.wav"}', '{"audio_filepath": "b.wav", "text": "ZOË\u2028"}', '{"audio_filepath": "c.wav"}']


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        ("\n".join(LINES), [1, 2, 3]),
        ("\r\n".join(LINES) + "\r\n", [1, 2, 3]),
        ("\ufeff" + "\n\n \t\n".join(LINES) + "\n\n", [1, 4, 7]),
        ("[" + ",".join(LINES) + "]", [1, 1, 1]),
        ("\ufeff \n[\n" + ",\n".join(LINES) + "\n]\n", [3, 4, 5]),
        (json.dumps([json.loads(line) for line in LINES], indent=2), [2, 5, 9]),
    ],
    ids=["lines", "CRLF", "BOM and blank lines", "array", "array, an element a line", "array, pretty"],
)
def test_lines_and_arrays_are_read_with_their_line_numbers(tmp_path: Path, content: str, numbers: list[int]) -> None:
    path = manifest(tmp_path, content)
    found = read_manifest(path)
    assert [u.id for u in found] == ["a", "b", "c"]
    assert found[1].text == "ZOË\u2028"
    assert [u.source for u in found] == [f"{path}:{n}" for n in numbers]


def test_iteration_begins_before_the_file_is_read_through(tmp_path: Path) -> None:
    path = manifest(tmp_path, '{"audio_filepath": "a.wav"}\nnonsense\n{"audio_filepath": "b.wav"}\n')
    utterances = iter_manifest(path)
    assert next(utterances).id == "a"
    with pytest.raises(ManifestError, match=r"m\.json:2: not JSON"):
        next(utterances)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"audio_filepath": "a.wav", "duration": "abc"}', 'duration is "abc", expected seconds (a number > 0)'),
        ('{"audio_filepath": "a.wav", "duration": 0}', "duration is 0.0, expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": -1.5}', "duration is -1.5, expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": 1e300}', "duration is 1e+300, expected at most 1e+08 seconds"),
        ('{"audio_filepath": "a.wav", "offset": 1e300}', "offset is 1e+300, expected at most 1e+08 seconds"),
        ('{"audio_filepath": "a.wav", "duration": NaN}', "duration is NaN, expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": Infinity}', "duration is Infinity, expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": 1e999}', "duration is Infinity, expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": true}', "duration is true, expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": [1]}', "duration is [1], expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": 1' + 400 * "0" + "}", "expected seconds (a number > 0)"),
        ('{"audio_filepath": "a.wav", "duration": 1' + 5000 * "0" + "}", "not JSON: a number is too long"),
        ('{"audio_filepath": "a.wav", "offset": -0.1}', "offset is -0.1, expected seconds (a number >= 0)"),
        ('{"audio_filepath": "a.wav", "offset": "1"}', 'offset is "1", expected seconds (a number >= 0)'),
        ('{"audio_filepath": "a.wav", "text": 5}', "text is 5, expected a string"),
        ('{"audio_filepath": "a.wav", "text": ["A"]}', 'text is ["A"], expected a string'),
        ('{"audio_filepath": "a.wav", "text": "\\ud800"}', 'text is "\\ud800", which is not valid Unicode'),
        ('{"audio_filepath": "a.wav", "speaker": 1.5}', "speaker is 1.5, expected a string"),
        ('{"audio_filepath": "a.wav", "id": true}', "id is true, expected a string"),
        ('{"text": "A"}', "audio_filepath is missing"),
        ('{"audio_filepath": ""}', 'audio_filepath is "", expected a path'),
        ('{"audio_filepath": 3}', "audio_filepath is 3, expected a path"),
        ('{"audio_filepath": "a\\u0000b"}', "expected a path"),
        ('"a.wav"', 'is "a.wav", expected a JSON object'),
        ("17", "is 17, expected a JSON object"),
        ("{'audio_filepath': 'a.wav'}", "not JSON: Expecting property name enclosed in double quotes"),
        ('{"audio_filepath": "a.wav"', "not JSON: Expecting ',' delimiter"),
        ('{"audio_filepath": "a.wav"} {}', "not JSON: Extra data"),
        ('{"a": ' + 100_000 * "[", "not JSON: nested too deeply"),
    ],
)
@pytest.mark.parametrize("array", [False, True], ids=["line", "array"])
def test_a_bad_line_is_named(tmp_path: Path, line: str, problem: str, array: bool) -> None:
    if array:
        (found,) = problems(manifest(tmp_path, f'[\n{{"audio_filepath": "good.wav"}},\n{line}\n]\n')) or [""]
        assert found.startswith("3: ")
        if "not JSON" not in problem:
            assert problem in found
    else:
        (found,) = problems(manifest(tmp_path, f'{{"audio_filepath": "good.wav"}}\n\n{line}\n'))
        assert found.startswith("3: ")
        assert problem in found
    assert "\n" not in found
    assert len(found) < 300


def test_all_bad_lines_are_named_at_once(tmp_path: Path) -> None:
    lines: list[Any] = [
        {"audio_filepath": "a.wav", "duration": "abc"},
        {"audio_filepath": "b.wav", "text": "B"},
        {},
        {"audio_filepath": "c.wav"},
    ]
    path = manifest(tmp_path, lines)
    assert problems(path) == ['1: duration is "abc", expected seconds (a number > 0)', "3: audio_filepath is missing"]
    assert problems(path, need_text=True)[-1] == "4: text is missing, and is needed here"


@pytest.mark.parametrize("before", ["", "[\n"])
def test_bytes_that_are_no_text_are_named(tmp_path: Path, before: str) -> None:
    good = b'{"audio_filepath": "a.wav"}' + (b"," if before else b"") + b"\n"
    (found,) = problems(manifest(tmp_path, before.encode() + good + b'{"audio_filepath": "\xff.wav"}\n'))
    assert found == f"{3 if before else 2}: not UTF-8 text"


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff", "[]", "[ \n ]"])
def test_an_empty_manifest_is_refused(tmp_path: Path, content: str) -> None:
    path = manifest(tmp_path, content)
    assert "empty" in problems(path)[0]
    assert "empty" in check_manifest(path).problems[0]


def test_a_path_that_is_no_file_is_a_usage_error(tmp_path: Path) -> None:
    for read in (read_manifest, check_manifest, manifest_stats, lambda path: list(iter_manifest(path))):
        with pytest.raises(UsageError, match=r"nowhere\.json: no such manifest"):
            read(tmp_path / "nowhere.json")
        with pytest.raises(UsageError, match="is a folder"):
            read(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:\n audio_flepth1.-eE', max_size=60).map(str.encode))
def test_no_file_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = manifest(tmp_path_factory.getbasetemp(), content, "fuzz.json")
    try:
        assert read_manifest(path)
    except ManifestError as e:
        assert e.problems  # noqa: PT017 - either end is right


# ---------------------------------------------------------------- what is written

names = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
texts = st.none() | st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
seconds = st.floats(min_value=1e-3, max_value=1e5)
utterances = st.builds(
    Utterance,
    id=names,
    audio_filepath=names.map(lambda name: Path("wav") / name),
    text=texts,
    duration=st.none() | seconds,
    offset=st.just(0.0) | seconds,
    speaker=texts,
    lang=texts,
    extra=st.dictionaries(
        st.sampled_from(["label", "Zoë", "x"]), st.none() | st.booleans() | st.integers() | st.lists(st.text(max_size=3))
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)  # it writes through to the disk
@given(st.lists(utterances, min_size=1, max_size=4))
def test_a_written_file_reads_back_unchanged(tmp_path_factory: pytest.TempPathFactory, written: list[Utterance]) -> None:
    folder = tmp_path_factory.getbasetemp()
    written = [replace(u, audio_filepath=folder / u.audio_filepath) for u in written]
    write_manifest(folder / "round.json", written)
    assert [replace(u, source="") for u in read_manifest(folder / "round.json")] == written


def test_paths_are_relative_inside_the_folder_alone(tmp_path: Path) -> None:
    inside, outside = tmp_path / "data/wav/a.wav", tmp_path / "elsewhere/b.wav"
    write_manifest(tmp_path / "data/m.json", [Utterance("a", inside), Utterance("b", outside)])
    stated = [json.loads(line)["audio_filepath"] for line in (tmp_path / "data/m.json").read_text().splitlines()]
    assert stated == ["wav/a.wav", str(outside)]
    (tmp_path / "data").rename(tmp_path / "moved")
    assert [u.audio_filepath for u in read_manifest(tmp_path / "moved/m.json")] == [tmp_path / "moved/wav/a.wav", outside]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = manifest(tmp_path, [{"audio_filepath": "a.wav"}])
    before = path.read_bytes()

    def breaks_off() -> Any:
        yield Utterance("b", tmp_path / "b.wav")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_manifest(path, breaks_off())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ---------------------------------------------------------------- checking and counting


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for name, length in {"one.wav": 1.0, "two.flac": 2.0, "four.ogg": 4.0}.items():
        soundfile.write(tmp_path / name, np.zeros(round(length * RATE)), RATE)
    return tmp_path


def test_a_good_manifest_has_no_problems(corpus: Path) -> None:
    lines = [
        {"audio_filepath": "one.wav", "duration": 1.0, "text": "A"},
        {"audio_filepath": "two.flac"},
        {"audio_filepath": "four.ogg", "offset": 1.0, "duration": 2.0},
        {"audio_filepath": "four.ogg", "offset": 3.0},
    ]
    report = check_manifest(manifest(corpus, lines))
    assert (report.utterances, report.problems) == (4, [])
    assert report.hours * 3600 == pytest.approx(1 + 2 + 2 + 1)


def test_all_problems_are_reported_at_once_and_in_order(corpus: Path) -> None:
    (corpus / "text.wav").write_text("no sound")
    (corpus / "empty.wav").touch()
    lines: list[Any] = [
        {"audio_filepath": "one.wav", "duration": 1.5},
        {"audio_filepath": "gone.wav"},
        {"audio_filepath": "text.wav"},
        {"audio_filepath": "empty.wav"},
        {"audio_filepath": "two.flac", "text": " "},
        {"audio_filepath": "two.flac"},
        {"audio_filepath": "four.ogg", "offset": 4.5},
        {"audio_filepath": "four.ogg", "duration": -1},
        {"audio_filepath": "one.wav", "id": "x", "duration": 1.05},
        {"audio_filepath": "one.wav", "id": "x"},
        *({"audio_filepath": "one.wav", "id": str(i)} for i in range(3)),
    ]
    path = manifest(corpus, lines)
    report = check_manifest(path)
    expected = [
        "1: duration is 1.5, and only 1.00 s of the recording are left there",
        f"2: audio_filepath: {corpus / 'gone.wav'}: no such file",
        f"3: audio_filepath: {corpus / 'text.wav'}: cannot be decoded",
        f"4: audio_filepath: {corpus / 'empty.wav'}: the file is empty",
        "5: text is empty",
        f'6: id "two" is also that of {path}:5',
        "7: offset is 4.5, and the recording is 4.00 s long",
        "8: duration is -1.0, expected seconds (a number > 0)",
        f'10: id "x" is also that of {path}:9',
    ]
    found = [p.removeprefix(f"{path}:") for p in report.problems]
    assert len(found) == len(expected)
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)
    assert report.utterances == 12


def test_stats(corpus: Path) -> None:
    lines = [
        {"audio_filepath": "one.wav", "duration": 1.0, "text": "THE CAT THE DOG", "speaker": "s1"},
        {"audio_filepath": "two.flac", "text": "A DOG", "speaker": "s2"},
        {"audio_filepath": "four.ogg", "offset": 0.5, "speaker": "s1"},
    ]
    stats = manifest_stats(manifest(corpus, lines))
    assert (stats.utterances, stats.speakers, stats.words, stats.distinct_words, stats.characters) == (3, 2, 6, 4, 20)
    assert stats.hours * 3600 == pytest.approx(6.5)
    assert (stats.min_seconds, stats.median_seconds, stats.max_seconds) == pytest.approx((1.0, 2.0, 3.5))
    assert stats.mean_seconds == pytest.approx(6.5 / 3)
    assert sum(count for _, _, count in stats.histogram) == 3
    for low, high, count in stats.histogram:  # the longest is at the end of the last
        assert count == sum(low <= s < high or s == high == 3.5 for s in (1.0, 2.0, 3.5))


@given(st.lists(st.floats(min_value=0.01, max_value=40_000), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_the_histogram_counts_every_length_once(tmp_path_factory: pytest.TempPathFactory, lengths: list[float]) -> None:
    path = manifest(tmp_path_factory.getbasetemp(), [{"audio_filepath": "a.wav", "duration": s} for s in lengths], "lengths.json")
    histogram = manifest_stats(path).histogram
    assert sum(count for _, _, count in histogram) == len(lengths)
    assert histogram[0][0] == 0
    assert histogram[-1][1] >= max(lengths)
    assert all(a[1] == pytest.approx(b[0]) for a, b in pairwise(histogram))
    assert len(histogram) <= 12


# ---------------------------------------------------------------- the example and its schema


def test_the_example_fits_the_schema_and_the_reader() -> None:
    schema = json.loads((REPOSITORY / "manifests/manifest.schema.json").read_text(encoding="utf-8"))
    path = REPOSITORY / "manifests/example.json"
    kinds = {"string": str, "number": (int, float), "integer": int}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        assert set(schema["required"]) <= set(entry)
        for key, value in entry.items():
            stated = schema["properties"][key]["type"]
            assert any(isinstance(value, kinds[k]) for k in ([stated] if isinstance(stated, str) else stated) if k != "null")
    assert len(read_manifest(path, need_text=True)) >= 2


def test_a_manifest_names_the_audio_track(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    lines = [{"audio_filepath": "a.mkv", "track": 2}, {"audio_filepath": "a.mkv", "track": None, "id": "b"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    first, second = read_manifest(path)
    assert (first.track, second.track) == (2, None)
    assert "track" not in first.extra
    write_manifest(tmp_path / "n.json", [first, second])
    assert [u.track for u in read_manifest(tmp_path / "n.json")] == [2, None]
    for bad in (0, -1, 1.0, "2", True):
        path.write_text(json.dumps({"audio_filepath": "a.mkv", "track": bad}))
        expected = f"track is {json.dumps(bad)}, expected the number of an audio track"
        with pytest.raises(ManifestError, match=re.escape(expected)):
            read_manifest(path)


def test_the_schema_has_every_key() -> None:
    schema = json.loads((REPOSITORY / "manifests/manifest.schema.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(OWN_KEYS)


def test_each_track_of_a_manifest_is_checked(tmp_path: Path) -> None:
    film(tmp_path / "a.mkv", 1)
    lines = [{"id": str(track), "audio_filepath": "a.mkv", "text": "A", "track": track} for track in (1, 2, 3)]
    (tmp_path / "m.json").write_text("\n".join(map(json.dumps, lines)))
    report = check_manifest(tmp_path / "m.json")
    assert report.problems == [f"{tmp_path}/m.json:3: audio_filepath: {tmp_path}/a.mkv: has 2 audio tracks, and no track 3"]
    assert report.notes == []
    dataset = BatchDataset([Example(u, (3,), 4.0) for u in read_manifest(tmp_path / "m.json")[:2]], RATE, 0)
    for number in (0, 1):
        assert abs(lag(dataset.read(number), noise(4.0, number))) < 0.005

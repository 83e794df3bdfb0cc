"""Segments and words with times: what sclite counts, and what belongs together."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from asr.errors import UsageError
from asr.score.alignment import align, count
from asr.score.matching import Matched, match
from asr.score.texts import read_sides

SCLITE = shutil.which("sclite") or next((str(p) for p in [Path("/usr/lib/sctk/bin/sclite")] if p.is_file()), None)
needs_sclite = pytest.mark.skipif(SCLITE is None, reason="needs sclite (Debian package sctk)")

SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "mo", "ne", "pi", "ro")
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]  # a thousand: few alignments cost the same


def sides(tmp_path: Path, reference: tuple[str, str], *hypotheses: tuple[str, str]) -> Matched:
    """Both sides of files given as (name, content), matched."""
    for name, content in (reference, *hypotheses):
        (tmp_path / name).write_text(content, encoding="utf-8")
    references, systems = read_sides(tmp_path / reference[0], [tmp_path / name for name, _ in hypotheses])
    return match(references, systems)


def counts(matched: Matched) -> dict[str, tuple[int, ...]]:
    """Hits, substitutions, deletions, insertions by id, as sclite counts."""
    return {
        name: count(align(reference.split(), (heard or "").split(), "sclite")).counts
        for name, reference, heard in zip(matched.ids, matched.references, matched.hypotheses[0], strict=True)
    }


def spoken(chance: random.Random) -> tuple[str, str]:
    """STM and CTM of two recordings of two channels each: 200 segments, in part with pauses between, with word errors and shifted times."""
    stm, ctm = [";; made up", ';; LABEL "O" "Overall" "all"'], []
    for recording in ("talk1", "talk2"):
        for channel in ("A", "B"):
            now = 0.0
            for number in range(50):
                now += chance.choice([0.0, 0.0, 0.7])
                start, said = now, chance.choices(WORDS, k=chance.randint(1, 9))
                for word in said:
                    length = chance.uniform(0.1, 0.5)
                    heard = chance.choices([[word], [chance.choice(WORDS)], [], [word, chance.choice(WORDS)]], [80, 10, 5, 5])[0]
                    for i, one in enumerate(heard):
                        at = max(0.0, now + i * length / 2 + chance.uniform(-0.15, 0.15))
                        ctm.append((recording, channel, at, length / len(heard), one))
                    now += length
                ignored = "IGNORE_TIME_SEGMENT_IN_SCORING" if number % 25 == 24 else " ".join(said)
                stm.append(f"{recording} {channel} spk{number % 3}{channel} {start:.2f} {now:.2f} <O> {ignored}")
    ctm.sort(key=lambda entry: entry[:3])
    return "\n".join([*stm, ""]), "".join(f"{r} {c} {at:.2f} {length:.2f} {word} 0.9\n" for r, c, at, length, word in ctm)


@needs_sclite
def test_stm_and_ctm_are_counted_as_by_sclite(tmp_path: Path) -> None:
    stm, ctm = spoken(random.Random(8))
    ours = counts(sides(tmp_path, ("ref.stm", stm), ("hyp.ctm", ctm)))
    assert SCLITE
    command = [SCLITE, "-s", "-r", "ref.stm", "stm", "-h", "hyp.ctm", "ctm", "-o", "pralign", "stdout"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    theirs: dict[str, list[tuple[int, ...]]] = {}
    for block in re.findall(r"^id: .*?^Scores: [^\n]*$", told, re.MULTILINE | re.DOTALL):
        speaker, recording, channel = (re.search(p, block)[1] for p in (r"id: \((\S+)-\d+\)", r"File: (\S+)", r"Channel: (\S+)"))  # type: ignore[index]
        scores = tuple(map(int, block.rpartition(")")[2].split()))
        theirs.setdefault(f"{speaker} {recording} {channel}".lower(), []).append(scores)
    by_speaker: dict[str, list[tuple[int, ...]]] = {}
    for line in stm.splitlines()[2:]:
        recording, channel, speaker, start, *_ = line.split()
        if (name := f"{recording}-{channel}-{start}") in ours:
            by_speaker.setdefault(f"{speaker} {recording} {channel}".lower(), []).append(ours[name])
    assert sum(map(len, by_speaker.values())) == 192  # 8 are out of bounds
    assert by_speaker == theirs


@needs_sclite
def test_two_ctm_are_counted_as_by_sclite(tmp_path: Path) -> None:
    entries = [("A", 0.1, "go"), ("A", 0.5, "on"), ("A", 2.6, "stop"), ("B", 0.2, "yes"), ("B", 0.9, "well"), ("B", 1.9, "so")]
    reference = "".join(f"talk {c} {at:.2f} 0.20 {word}\n" for c, at, word in entries)
    hypothesis = reference.replace(" on", " in").replace(" well", " wall")
    ours = counts(sides(tmp_path, ("ref.ctm", reference), ("hyp.ctm", hypothesis)))
    assert ours == {"talk-A": (2, 1, 0, 0), "talk-B": (2, 1, 0, 0)}
    assert SCLITE
    command = [SCLITE, "-r", "ref.ctm", "ctm", "-h", "hyp.ctm", "ctm", "-o", "rsum", "stdout"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"\| (talk-\w) *\|\s+1\s+(\d+) \|\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+) ", told)
    assert [(name, *map(int, (hit, sub, deleted, inserted))) for name, _, hit, sub, deleted, inserted in rows] == [
        ("talk-a", 2, 1, 0, 0),
        ("talk-b", 2, 1, 0, 0),
    ]


# ---------------------------------------------------------------- other segments

REF = "1\n00:00:00,416 --> 00:00:04,321\nHELLO WORLD\n\n2\n00:00:05,000 --> 00:00:06,000\nFOO BAR\n"


def test_equal_segments_are_compared_one_by_one(tmp_path: Path) -> None:
    found = sides(tmp_path, ("ref.srt", REF), ("hyp.srt", REF.replace("WORLD", "WORD")))
    assert (found.ids, found.references, found.hypotheses) == (
        ["ref-0.42", "ref-5.00"],
        ["HELLO WORLD", "FOO BAR"],
        [["HELLO WORD", "FOO BAR"]],
    )
    assert (found.note, found.details[0]) == ("", {"offset": 0.416, "duration": 3.905})


def test_segments_that_overlap_are_compared_as_one(tmp_path: Path) -> None:
    vtt = "WEBVTT\n\n00:00.300 --> 00:02.000\nHELLO\n\n00:02.000 --> 00:05.500\nWORLD FOO\n\n00:05.500 --> 00:06.100\nBAR\n"
    found = sides(tmp_path, ("ref.srt", REF), ("hyp.vtt", vtt))
    assert (found.references, found.hypotheses) == (["HELLO WORLD FOO BAR"], [["HELLO WORLD FOO BAR"]])
    assert found.note == "segments differ in their times: 2 of the references are compared as 1"
    assert found.details == [{"offset": 0.416, "duration": 5.584}]


def test_all_systems_are_measured_on_the_same_segments(tmp_path: Path) -> None:
    one = "start\tend\ttext\n400\t6000\tHELLO WORLD FOO BAR\n"
    found = sides(tmp_path, ("ref.srt", REF), ("a.srt", REF), ("b.tsv", one))
    assert found.references == ["HELLO WORLD FOO BAR"]
    assert found.hypotheses == [["HELLO WORLD FOO BAR"]] * 2


def test_segments_beside_all_references_go_to_the_nearest(tmp_path: Path) -> None:
    extra = REF + "\n3\n00:00:07,000 --> 00:00:08,000\nNOISE\n"
    assert sides(tmp_path, ("ref.srt", REF), ("hyp.srt", extra)).hypotheses == [["HELLO WORLD", "FOO BAR NOISE"]]


def test_plain_lines_are_compared_with_all_of_a_recording(tmp_path: Path) -> None:
    found = sides(tmp_path, ("ref.srt", REF), ("hyp.txt", "HELLO\nWORLD\nFOO BAR\n"))
    assert (found.references, found.hypotheses) == (["HELLO WORLD FOO BAR"], [["HELLO WORLD FOO BAR"]])
    found = sides(tmp_path, ("ref.txt", "HELLO\nWORLD\nFOO BAR\n"), ("hyp.srt", REF))
    assert (found.references, found.hypotheses) == (["HELLO WORLD FOO BAR"], [["HELLO WORLD FOO BAR"]])
    assert found.note.endswith("has no times: all of the recording is compared as one")


def test_excluded_segments_count_for_nothing(tmp_path: Path) -> None:
    stm = "t A x 0.0 2.5 go on\nt A x 2.5 4.0 IGNORE_TIME_SEGMENT_IN_SCORING\nt A x 4.0 6.0 yes\n"
    heard = "t A x 0.0 2.5 go on\nt A x 2.5 4.0 noise\nt A x 4.0 6.0 yes\n"
    ctm = "t A 0.1 0.2 go\nt A 0.4 0.2 on\nt A 2.8 0.2 noise\nt A 4.1 0.2 yes\n"
    for name, content in (("h.stm", heard), ("h.ctm", ctm)):
        found = sides(tmp_path, ("ref.stm", stm), (name, content))
        assert (found.ids, found.hypotheses) == (["t-A-0.00", "t-A-4.00"], [["go on", "yes"]])


def test_recordings_missing_from_a_system_are_reported(tmp_path: Path) -> None:
    stm = "t1 A x 0.0 2.5 go on\nt2 A x 0.0 2.5 yes\n"
    found = sides(tmp_path, ("ref.stm", stm), ("h.ctm", "t1 1 0.1 0.2 go\nt3 1 0.1 0.2 no\n"))
    assert (found.hypotheses, found.missing, found.extra) == ([["go", None]], [("t2-A-0.00",)], [("t3-1",)])


def test_channels_matter_where_there_are_several(tmp_path: Path) -> None:
    stm = "t A x 0.0 2.5 go on\nt B y 0.0 2.5 yes\n"
    found = sides(tmp_path, ("ref.stm", stm), ("h.ctm", "t A 0.1 0.2 go\nt B 0.1 0.2 no\n"))
    assert found.hypotheses == [["go", "no"]]


def test_ids_of_segments_are_those_of_manifests(tmp_path: Path) -> None:
    stm = "t A x 0.0 2.5 go on\nt A y 2.5 4.0 yes\n"
    found = sides(tmp_path, ("ref.stm", stm), ("h.json", '{"id": "t-A-2.50", "pred_text": "no"}\n{"id": "t-A-0.00", "pred_text": "go"}\n'))
    assert found.hypotheses == [["go", "no"]]
    found = sides(tmp_path, ("ref.stm", stm), ("h.trn", "go on yes (t)\n"))
    assert (found.references, found.hypotheses) == (["go on yes"], [["go on yes"]])


def test_parts_of_recordings_in_a_manifest_are_matched_by_time(tmp_path: Path) -> None:
    lines = [
        f'{{"audio_filepath": "t.wav", "offset": {at}, "duration": 2.0, "text": "{text}"}}\n' for at, text in ((0.0, "go on"), (2.0, "yes"))
    ]
    found = sides(tmp_path, ("ref.json", "".join(lines)), ("h.ctm", "t 1 0.1 0.2 go\nt 1 1.8 0.2 on\nt 1 1.9 0.3 no\n"))
    assert (found.ids, found.hypotheses) == (["t", "t-2.00"], [["go on", "no"]])


def test_words_with_times_are_joined_by_recording_where_references_have_none(tmp_path: Path) -> None:
    manifest = '{"audio_filepath": "a.wav", "text": "go on"}\n{"audio_filepath": "b.wav", "text": "yes"}\n'
    found = sides(tmp_path, ("ref.json", manifest), ("h.ctm", "a 1 0.5 0.2 on\na 1 0.1 0.2 go\nb 1 0.1 0.2 no\n"))
    assert found.hypotheses == [["go on", "no"]]


def test_a_file_that_names_no_recording_fits_one_alone(tmp_path: Path) -> None:
    manifest = "".join(f'{{"audio_filepath": "{name}.wav", "text": "HELLO WORLD FOO BAR"}}\n' for name in "abc")
    with pytest.raises(UsageError, match=r"h\.srt: names no recording, and the references have 3 utterances: a, b, c"):
        sides(tmp_path, ("ref.json", manifest), ("h.srt", REF))
    assert sides(tmp_path, ("ref.json", manifest), ("b.srt", REF)).hypotheses == [[None, "HELLO WORLD FOO BAR", None]]
    with pytest.raises(UsageError, match=r"h\.srt: names no recording, and the references are of 2: t1, t2"):
        sides(tmp_path, ("ref.stm", "t1 A x 0.0 2.5 go\nt2 A x 0.0 2.5 on\n"), ("h.srt", REF))
    with pytest.raises(UsageError, match="must have a line for each of the 2 segments"):
        sides(tmp_path, ("ref.stm", "t1 A x 0.0 2.5 go\nt2 A x 0.0 2.5 on\n"), ("h.txt", "go\non\nyes\n"))


def test_an_empty_hypothesis_of_a_recording_is_one(tmp_path: Path) -> None:
    for name, content in (("h.srt", ""), ("h.vtt", "WEBVTT\n"), ("h.ctm", ";; nothing\n")):
        assert sides(tmp_path, ("ref.srt", REF), (name, content)).hypotheses == [[None, None]]


def test_marks_of_doubt_are_no_words(tmp_path: Path) -> None:
    assert sides(tmp_path, ("ref.srt", REF), ("h.srt", REF.replace("FOO", "[?] FOO"))).hypotheses == [["HELLO WORLD", "FOO BAR"]]
    assert sides(tmp_path, ("ref.txt", "GO ON\n"), ("h.txt", "[?] GO [?] ON\n")).hypotheses == [["GO  ON"]]

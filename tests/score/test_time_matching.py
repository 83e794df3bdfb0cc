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
    """STM and CTM of two recordings of two channels each: 200 segments, in part with pauses between, of words heard wrongly and at other times."""
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

"""Alignments and counts: by hand, against jiwer, and, where it is installed, against sclite."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.score.alignment import align, count, count_characters
from asr.score.evaluation import evaluate
from asr.score.texts import read_sides
from asr.score.wer import ErrorCounts

SCLITE = shutil.which("sclite") or next((p for p in ("/usr/lib/sctk/bin/sclite",) if Path(p).is_file()), None)
SC_STATS = shutil.which("sc_stats") or next((p for p in ("/usr/lib/sctk/bin/sc_stats",) if Path(p).is_file()), None)

texts = st.lists(st.sampled_from(["AB", "CD", "E", "F", "GHI"]), max_size=9).map(" ".join)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [  # hits, substitutions, deletions, insertions, counted by hand
        ("", "", (0, 0, 0, 0)),
        ("", "A B", (0, 0, 0, 2)),
        ("A B", "", (0, 0, 2, 0)),
        ("A B C", "A B C", (3, 0, 0, 0)),
        ("A B C", "A X C", (2, 1, 0, 0)),
        ("A B C", "A C", (2, 0, 1, 0)),
        ("A C", "A B C", (2, 0, 0, 1)),
        ("THE CAT SAT ON THE MAT", "CAT SAD ON THE THE MAT", (4, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["levenshtein", "sclite"])
def test_worked_examples(reference: str, hypothesis: str, expected: tuple[int, ...], kind) -> None:
    assert count(align(reference.split(), hypothesis.split(), kind)).counts == expected


def test_sclite_rather_deletes_and_inserts_than_substitutes_twice() -> None:
    pair = ["GO", "ON", "NOW"], ["GO", "NOW", "PLEASE"]
    assert count(align(*pair)).counts == (1, 2, 0, 0)
    assert count(align(*pair, "sclite")).counts == (2, 0, 1, 1)


@given(texts, texts, st.sampled_from(["levenshtein", "sclite"]))
def test_rows_spell_both_texts(reference: str, hypothesis: str, kind) -> None:
    rows = align(reference.split(), hypothesis.split(), kind)
    assert [word for kind, word, _ in rows if kind != "i"] == reference.split()
    assert [word for kind, _, word in rows if kind != "d"] == hypothesis.split()
    assert all((word == heard) == (kind == "=") for kind, word, heard in rows)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_counts_are_those_of_jiwer(pairs: list[tuple[str, str]]) -> None:
    references, hypotheses = map(list, zip(*pairs, strict=True))
    found = evaluate(references, hypotheses, samples=0).systems[0]
    words, characters = jiwer.process_words(references, hypotheses), jiwer.process_characters(references, hypotheses)
    for ours, theirs in ((found.words, words), (found.characters, characters)):
        assert ours == ErrorCounts(theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)
    assert found.sentence_errors == sum(r.split() != h.split() for r, h in pairs)


@given(st.text(max_size=20), st.text(max_size=20))
def test_characters_are_counted_as_jiwer_does(reference: str, hypothesis: str) -> None:
    ours = count_characters(reference, hypothesis)
    one = [list(reference)], [list(hypothesis)]
    theirs = jiwer.process_words("", "", lambda _: one[0], lambda _: one[1])
    assert ours.counts == (theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)


# ---------------------------------------------------------------- sclite


def write_trn(folder: Path, vocabulary: int, rate: float, seed: int) -> tuple[Path, Path, Path]:
    """References of random words, and two systems that get about `rate` of them wrong."""
    chance = random.Random(seed)
    words = [f"w{i}" for i in range(vocabulary)]
    references = [[chance.choice(words) for _ in range(chance.randint(1, 20))] for _ in range(300)]

    def heard(text: list[str]) -> list[str]:
        result = []
        for word in text:
            luck = chance.random() / rate
            if luck > 0.3:
                result.append(chance.choice(words) if luck < 0.8 else word)
            if 0.8 < luck < 1:
                result.append(chance.choice(words))
        return result

    sides = references, [heard(text) for text in references], [heard(text) for text in references]
    paths = tuple(folder / f"{name}.trn" for name in ("ref", "a", "b"))
    for path, side in zip(paths, sides, strict=True):
        path.write_text("".join(f"{' '.join(text)} (s{i % 7}-{i})\n" for i, text in enumerate(side)), encoding="utf-8")
    return paths  # type: ignore[return-value]


def sclite_scores(reference: Path, hypothesis: Path) -> dict[str, tuple[int, ...]]:
    command = [str(SCLITE), "-s", "-r", str(reference), "trn", "-h", str(hypothesis), "trn", "-i", "rm", "-o", "pralign", "stdout"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    scores = re.findall(r"id: \((\S+)\)\s*\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", printed)
    return {name: tuple(map(int, counts)) for name, *counts in scores}


def our_scores(reference: Path, hypothesis: Path) -> dict[str, tuple[int, ...]]:
    references, systems = read_sides(reference, [hypothesis])
    found = evaluate(references, *systems, alignment="sclite", samples=0)
    return dict(zip(found.ids, map(tuple, found.systems[0].utterance_words.tolist()), strict=True))


@pytest.mark.skipif(SCLITE is None, reason="sclite is not installed (Debian's package sctk has it)")
@pytest.mark.parametrize("rate", [0.05, 0.15, 0.5])
def test_every_count_is_that_of_sclite(rate: float, tmp_path: Path) -> None:
    reference, hypothesis, _ = write_trn(tmp_path, 1000, rate, seed=1)
    theirs = sclite_scores(reference, hypothesis)
    assert len(theirs) == 300
    assert our_scores(reference, hypothesis) == theirs


@pytest.mark.skipif(SCLITE is None, reason="sclite is not installed (Debian's package sctk has it)")
def test_where_alignments_cost_the_same_sclite_may_choose_another(tmp_path: Path) -> None:
    """Texts of four different words, half of them wrong: ties are common, and even there few counts differ, none in cost."""
    reference, hypothesis, _ = write_trn(tmp_path, 4, 0.5, seed=4)
    theirs, ours = sclite_scores(reference, hypothesis), our_scores(reference, hypothesis)
    assert len(theirs) == 300
    differ = [name for name in theirs if theirs[name] != ours[name]]
    assert len(differ) <= 6
    for name in differ:
        (_, s, d, i), (_, our_s, our_d, our_i) = theirs[name], ours[name]
        assert 4 * s + 3 * (d + i) == 4 * our_s + 3 * (our_d + our_i)


@pytest.mark.skipif(SC_STATS is None or SCLITE is None, reason="sc_stats is not installed (Debian's package sctk has it)")
@pytest.mark.parametrize("seed", [3, 5])
def test_matched_pairs_are_those_of_sc_stats(seed: int, tmp_path: Path) -> None:
    reference, first, second = write_trn(tmp_path, 1000, 0.15, seed)
    references, systems = read_sides(reference, [first, second])
    test = evaluate(references, *systems, alignment="sclite", samples=0).comparisons[0].matched_pairs
    sgml = ""
    for path in (first, second):
        command = [str(SCLITE), "-s", "-r", str(reference), "trn", "-h", str(path), "trn", path.stem, "-i", "rm", "-o", "sgml", "stdout"]
        sgml += subprocess.run(command, capture_output=True, text=True, check=True).stdout
    command = [str(SC_STATS), "-p", "-t", "mapsswe", "-u", "-n", str(tmp_path / "out")]
    subprocess.run(command, input=sgml, capture_output=True, text=True, check=True, cwd=tmp_path)  # it leaves files where it runs
    p = re.search(r"MP\s+\|\|\s+a\s+\|\s+\|\s+\S+\s+([\d.]+)", (tmp_path / "out.stats.unified").read_text(encoding="utf-8"))
    assert p
    assert abs(test.p - float(p[1])) < 0.01  # sc_stats rounds its Z to two places

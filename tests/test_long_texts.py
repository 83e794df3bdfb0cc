"""Long lines, harmless or meant to harm, cost time that grows with their length alone."""

from __future__ import annotations

import contextlib
import json
import random
import time
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from asr.errors import UsageError
from asr.prepare.an4 import MARKS
from asr.prepare.kaldi_pipe import parse_entry
from asr.score.alignment import align
from asr.score.compounds import find_compounds
from asr.score.texts import read_texts
from asr.speech.manifest import read_manifest
from asr.text.formats import FORMATS, detect, read_records
from asr.text.lines import split_trn
from asr.text.normalize import fold_accents, normalize_librispeech
from asr.text.normalizer import load_normalizer
from asr.text.tokenizer import composed
from asr.text.unicode_form import unicode_form

LONG = 200_000
PATIENCE = 5.0  # seconds of one core for any of them; quadratic code takes minutes

LINES = {
    "spaces": " " * LONG + "x",
    "spaces behind a parenthesis": "a)" + " " * LONG + "x",
    "opening brackets": "[" * LONG,
    "opening parentheses": "(" * LONG,
    "words in parentheses": "(a) " * (LONG // 4) + "x",
    "slashes in a brace": "{" + "/" * LONG,
    "braces": "{/" * (LONG // 2),
    "letters and digits": "1a" * (LONG // 2) + "-",
    "archive": "x.ark:1[" * (LONG // 8),
    "archive's digits": "x.ark:" + "1" * LONG + "x",
    "digits": "1" * LONG + "x",
    "quotation marks": '"' * LONG + "x",
    "plus signs": "++a " * (LONG // 4),
    "apostrophes": "'" * LONG,
    "accents on one letter": "a" + "\u0301" * (LONG // 2) + "\u0323" * (LONG // 2),
    "accents in turn": "a" + "\u0301\u0323" * (LONG // 2),
    "marks of two parts": "a" + "\u0f73\u0f71" * (LONG // 2),
    "commas": "," * LONG,
}


def _read(form: str, line: str) -> None:
    for content in (f"{line}\n", f"id,text\n{line}\n", f"{line} (a-1)\n"):
        with contextlib.suppress(ValueError):  # no such line
            list(read_records(content, form, ["text"]))


READERS: dict[str, Callable[[str], object]] = {
    "trn": split_trn,
    "AN4": lambda line: MARKS.sub(" ", line),
    "composed": composed,
    "fold_accents": fold_accents,
    "librispeech": normalize_librispeech,
    "detect": lambda line: detect(f"{line}\n{line} a\n", ["text"]),
    **{f"read as {form}": partial(_read, form) for form in FORMATS},
}


@pytest.mark.parametrize("name", LINES)
def test_a_long_line_is_read_in_time(name: str, tmp_path: Path) -> None:
    for reader, read in READERS.items():
        began = time.process_time()
        with contextlib.suppress(ValueError):  # no such line
            read(LINES[name])
        assert time.process_time() - began < PATIENCE, reader


@pytest.mark.parametrize("name", ["accents on one letter", "slashes in a brace", "spaces"])
def test_files_with_long_lines_are_read_in_time(name: str, tmp_path: Path) -> None:
    began = time.process_time()
    (tmp_path / "a.json").write_text(json.dumps({"audio_filepath": "a.wav", "text": LINES[name]}), encoding="utf-8")
    assert len(read_manifest(tmp_path / "a.json")) == 1
    (tmp_path / "a.trn").write_text(f"{LINES[name]} (anna-a1)\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "a.trn").texts) == ["anna-a1"]
    assert time.process_time() - began < PATIENCE


def test_archives_in_wav_scp() -> None:
    began = time.process_time()
    for name in ("archive", "archive's digits"):
        parse_entry(LINES[name])
    with pytest.raises(ValueError, match="is part of a Kaldi archive"):
        parse_entry("a.ark:17[0:1]")
    assert time.process_time() - began < PATIENCE


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_combining_marks_are_ordered_as_in_unicode(form: str) -> None:
    generator = random.Random(1)
    marks = "\u0301\u0323\u0334\u0345\u0f71\u0f72\u0f73\u0f75\u3099\uff9e\u0344\u0340"
    text = "".join(
        generator.choice("aäᾂǖ각\uff9e ") + "".join(generator.choices(marks, k=generator.choice([0, 1, 40, 90]))) for _ in range(100)
    )
    assert len(text) > 2_000
    assert unicode_form(form, text) == unicodedata.normalize(form, text)  # type: ignore[arg-type]


def test_the_id_of_a_trn_line() -> None:
    assert split_trn("A (B) C (anna-a1) \r") == ("A (B) C", "anna-a1")
    assert split_trn("(anna-a1)") == ("", "anna-a1")
    for line in ("A", "A ()", "A (b c)", "A (b", "A b)", "A (b))", "A (b) c", "A ( b)", ")("):
        assert split_trn(line) is None, line


def test_compounds_of_a_text_without_a_right_word() -> None:
    began = time.process_time()
    heard = align([f"a{i}" for i in range(5_000)], [f"b{i}" for i in range(5_000)])
    assert list(find_compounds(heard)) == []
    assert time.process_time() - began < PATIENCE


def test_compounds_are_found_near_each_other() -> None:
    reference = [f"a{i}" for i in range(120)] + ["EVERY", "ONE"] + [f"c{i}" for i in range(120)]
    hypothesis = [f"b{i}" for i in range(115)] + ["EVERYONE"] + [f"d{i}" for i in range(130)]
    assert list(find_compounds(align(reference, hypothesis))) == [("EVERY ONE", "EVERYONE")]


def test_whispers_normalizer_is_asked_nothing_that_takes_hours() -> None:
    pytest.importorskip("whisper_normalizer")
    change = load_normalizer("whisper-en")
    assert change.hash == "8a4976b6f5dc"
    began = time.process_time()
    for character in "[(<":
        with pytest.raises(UsageError, match=r"^normalizer whisper-en: a text of 200,000 characters with 200,000 opening brackets"):
            change(character * LONG)
    with pytest.raises(UsageError, match=r"^normalizer whisper-en: fails on the text '1{39}…' \(AssertionError\): use another normalizer$"):
        change("1" * 5_000)
    for name in ("spaces", "accents on one letter"):
        change(LINES[name])
    assert time.process_time() - began < PATIENCE

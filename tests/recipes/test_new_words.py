"""Sentences for a synthetic voice that say what the training speech never says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests_support import recipe_script

new_words = recipe_script("librispeech/new_words.py")

HEARD = ["THE CAT SAT ON A MAT", "THE CAT SAT", "THE DOG RAN ON"]
TEXT = ["THE CAT AND THE DOG", "A HERON AND A HERON AND THE DOG", "OTTERS AND OTTERS AND A TYPPO", "AND ON"]
SENTENCES = [
    "The cat sat on the mat.",  # MAT was heard once, and the text does not have it
    "A heron sat and sat and sat and sat and sat on the cat.",  # one new word in fourteen
    "“A heron, and the cat!”",
    "A heron and the otters.",
    "A heron and the cat, again.",  # said by now
    "A typpo sat on.",
    "Otters!",  # too short
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").touch()
    lines = [{"id": str(i), "audio_filepath": "a.wav", "duration": 1.0, "text": text} for i, text in enumerate(HEARD)]
    (tmp_path / "heard.json").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (tmp_path / "text.txt").write_text("\n".join(TEXT) + "\n")
    (tmp_path / "cased.txt").write_text("\n".join(SENTENCES) + "\n")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *more: object) -> list[str]:
    given = [folder / "cased.txt", "--heard", folder / "heard.json", "--text", folder / "text.txt", "--output", folder / "out.txt", *more]
    monkeypatch.setattr(sys, "argv", ["new_words.py", *map(str, given)])
    new_words.main()
    return (folder / "out.txt").read_text().splitlines()


def test_sentences_are_taken_for_their_new_words() -> None:
    new = {"HERON", "OTTERS", "AND"}
    assert new_words.choose(SENTENCES, new, 0.1) == ([SENTENCES[1], SENTENCES[3]], {"HERON", "AND", "OTTERS"})
    assert new_words.choose(SENTENCES, {"HERON", "OTTERS"}, 0.1) == ([SENTENCES[2], SENTENCES[3]], {"HERON", "OTTERS"})
    assert new_words.choose(SENTENCES, set(), 0.0) == ([], set())


def test_a_new_word_is_rare_in_speech_and_no_misprint(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = run(monkeypatch, folder)
    assert f"{len(chosen)} of 7 sentences, which say 4 of 5 new words" in capsys.readouterr().out  # AND, HERON, OTTERS, A, but not DOG
    assert not {SENTENCES[0], SENTENCES[5], SENTENCES[6]} & set(chosen)
    run(monkeypatch, folder, "--times", 1)
    assert "of 3 new words" in capsys.readouterr().out


def test_the_seed_decides(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert run(monkeypatch, folder) == run(monkeypatch, folder)
    assert len({tuple(run(monkeypatch, folder, "--seed", seed)) for seed in range(8)}) > 1


@pytest.mark.parametrize("missing", ["cased.txt", "heard.json", "text.txt"])
def test_a_missing_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    (folder / missing).unlink()
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, folder)
    assert stopped.value.code in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert missing in line

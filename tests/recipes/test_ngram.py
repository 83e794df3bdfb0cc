"""An n-gram model of words from text files: the file, the figures, and a search with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from tests_support import recipe_script

from asr.config import EMBEDDED
from asr.model.checkpoint import load_lm, load_words

ngram = recipe_script("librispeech/ngram.py")

TEXT = ["THE CAT SAT ON THE MAT", "THE DOG SAT ON THE MAT", "THE DOG RAN TO THE CAT", "A CAT AND A DOG"] * 5


def run(monkeypatch: pytest.MonkeyPatch, *given: object) -> None:
    monkeypatch.setattr(sys, "argv", ["ngram.py", *map(str, given)])
    ngram.main()


def test_a_model_from_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXT))
    (tmp_path / "dev.txt").write_text("THE CAT SAT ON THE DOG\nA MAT\nA HORSE SAT ON THE CAT\n")
    output = tmp_path / "words.safetensors"
    run(monkeypatch, tmp_path / "text.txt", "--dev", tmp_path / "dev.txt", "--threshold", 0, "--vocabulary", 8, "--output", output)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("words.safetensors: ")
    assert " n-grams of 115 words, " in lines[0]
    assert [line.split(": ")[1][-5:] for line in lines[1:3]] == ["LSTM", "grams"]
    perplexities = [float(line.split()[2]) for line in lines[1:]]
    assert perplexities[2] <= perplexities[0]  # interpolated
    words = load_words(output, load_lm(EMBEDDED / "lm").tokenizer).vocabulary
    assert len(words) == 8
    assert words[0] == "THE"


def test_the_words_of_the_lstm_add_up_to_its_own_likelihood() -> None:
    from asr.train.sentences import Sentences

    lm = load_lm(EMBEDDED / "lm")
    targets, lengths = Sentences(TEXT[:4], lm.tokenizer, 1_000_000).batch(range(4))
    with torch.inference_mode():
        expected = -lm.network(targets, lengths).double()
    found = ngram.lstm_log_probs(lm, TEXT[:4])
    parts = found.split([len(text.split()) + 1 for text in TEXT[:4]])
    torch.testing.assert_close(torch.stack([part.sum() for part in parts]), expected, atol=1e-3, rtol=0)


def test_an_order_that_is_too_long_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXT))
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path / "text.txt", "--dev", tmp_path / "text.txt", "--order", 17, "--output", tmp_path / "out")
    assert "order 17: expected 2 to 16 with 13 tokens" in capsys.readouterr().err

"""An n-gram model from text files: the file, the figures, and a search with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from tests_support import recipe_script

from asr.config import EMBEDDED
from asr.model.checkpoint import load_lm, load_model
from asr.model.ngram import load_ngram

ngram = recipe_script("librispeech/ngram.py")

TEXT = ["THE CAT SAT ON THE MAT", "THE DOG SAT ON THE MAT", "THE DOG RAN TO THE CAT", "A CAT AND A DOG"] * 5


def run(monkeypatch: pytest.MonkeyPatch, *given: object) -> None:
    monkeypatch.setattr(sys, "argv", ["ngram.py", *map(str, given)])
    ngram.main()


def test_a_model_from_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXT))
    (tmp_path / "dev.txt").write_text("THE CAT SAT ON THE DOG\nA MAT\n")
    output = tmp_path / "ngram.safetensors"
    run(monkeypatch, tmp_path / "text.txt", "--dev", tmp_path / "dev.txt", "--order", 4, "--threshold", 0, "--output", output)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ngram.safetensors: ")
    assert " n-grams of 115 words, " in lines[0]
    assert [line.split(": ")[1][-5:] for line in lines[1:3]] == ["LSTM", "grams"]
    perplexities = [float(line.split()[2]) for line in lines[1:]]
    assert perplexities[2] <= perplexities[0]  # interpolated
    model = load_model(EMBEDDED)
    assert load_ngram(output, len(model.tokenizer)).vocabulary == 256


def test_the_figure_of_the_lstm_is_that_of_its_own_likelihood() -> None:
    from asr.train.sentences import Sentences

    lm = load_lm(EMBEDDED / "lm")
    some = Sentences(TEXT[:4], lm.tokenizer, 1_000_000)
    targets, lengths = some.batch(range(4))
    with torch.inference_mode():
        expected = -lm.network(targets, lengths).sum()
    torch.testing.assert_close(ngram.token_log_probs(lm.network, some).sum().float(), expected, atol=1e-2, rtol=0)


def test_an_order_that_is_too_long_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXT))
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path / "text.txt", "--dev", tmp_path / "text.txt", "--order", 9, "--output", tmp_path / "out")
    assert "order 9: expected 2 to 8 with 256 tokens" in capsys.readouterr().err

"""Tokens: there and back, with the ids that the model counts on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.config import TokenizerConfig
from asr.errors import ConfigError, ModelError
from asr.text.tokenizer import BLANK, EOS, UNKNOWN, Tokenizer

TEXT = ["RUBOUT G M E F THREE NINE", "ERASE C Q Q F SEVEN", "IT'S A QUICK BROWN FOX", "JUMPS OVER LAZY DOGS WHILE EXPECTING V Z"] * 3
KINDS = [
    TokenizerConfig(kind="char", vocab_size=64),
    TokenizerConfig(kind="unigram", vocab_size=48),
    TokenizerConfig(kind="bpe", vocab_size=48),
]


@pytest.fixture(scope="module", params=KINDS, ids=lambda c: c.kind)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer.train(TEXT, request.param)


def test_special_ids(tokenizer: Tokenizer) -> None:
    assert (BLANK, UNKNOWN, EOS) == (0, 1, 2)
    assert tokenizer.pieces[:3] == ["<blank>", "<unk>", "</s>"]


@given(words=st.lists(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ'", min_size=1, max_size=8), max_size=8))
def test_there_and_back(tokenizer: Tokenizer, words: list[str]) -> None:
    text = " ".join(words)
    ids = tokenizer.encode(text)
    assert not {BLANK, EOS, UNKNOWN} & set(ids)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode([BLANK, *ids, EOS]) == text


def test_saved_and_loaded(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(tokenizer.serialized)
    again = Tokenizer.load(tmp_path / "tokenizer.model")
    assert again.pieces == tokenizer.pieces
    assert len(again) == len(tokenizer)


def test_a_small_text_gets_a_smaller_vocabulary() -> None:
    assert len(Tokenizer.train(["GO"] * 5, TokenizerConfig(kind="unigram", vocab_size=500))) < 20


def test_training_twice_gives_the_same() -> None:
    assert Tokenizer.train(TEXT, KINDS[1]).serialized == Tokenizer.train(TEXT, KINDS[1]).serialized


def test_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="no text"):
        Tokenizer.train(["", "  "], KINDS[0])


def test_too_few_pieces_for_the_letters_are_refused() -> None:
    with pytest.raises(ConfigError, match="vocab_size 5"):
        Tokenizer.train(TEXT, TokenizerConfig(kind="unigram", vocab_size=5))


@pytest.mark.parametrize("content", [b"", b"no tokenizer"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"tokenizer\.model"):
        Tokenizer.load(path)


def test_pieces_of_more_text_than_is_learnt_from_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.text.tokenizer.MOST_SENTENCES", 20)
    texts = [f"{a}{b} {b}{a}{a}" for a in "ABCDEFGHIJ" for b in "KLMNOPQRST"]
    config = TokenizerConfig(kind="bpe", vocab_size=32)
    pieces = Tokenizer.train(texts, config).pieces
    assert pieces == Tokenizer.train(texts, config).pieces
    assert pieces != Tokenizer.train(texts[:20], config).pieces  # drawn from all of it


def test_letters_of_very_long_lines_are_learnt() -> None:
    tokenizer = Tokenizer.train(["GO ON", "Z" * 6_000], TokenizerConfig(kind="char", vocab_size=20))
    assert not tokenizer.unknown("GO Z")


def test_letters_are_the_same_however_their_accents_are_written() -> None:
    composed, decomposed = "GR\u00dc\u00dfE", "GRU\u0308\u00dfE"
    tokenizer = Tokenizer.train([decomposed] * 3, TokenizerConfig(kind="char", vocab_size=20))
    assert not tokenizer.unknown(decomposed)
    assert tokenizer.encode(composed) == tokenizer.encode(decomposed) == tokenizer.encode_many([decomposed])[0]
    assert tokenizer.decode(tokenizer.encode(decomposed)) == composed

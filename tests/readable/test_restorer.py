"""The network of the text restorer, its folder and its windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from asr.config import RestorerFolderConfig
from asr.errors import ModelError, UsageError
from asr.model.checkpoint import load_lm, load_model
from asr.readable.batch import Vocabulary, pad
from asr.readable.network import RestorerNetwork
from asr.readable.restorer import LabelStream, TrainedRestorer, load_restorer, save_restorer
from asr.readable.text import readable_text, readable_tokens
from asr.readable.windows import AHEAD, BEFORE, CHUNK, EARLY, EARLY_AHEAD, EARLY_CHUNK, WindowGrid
from asr.text.tokenizer import Tokenizer
from asr.transcript import Word

WORDS = [
    "the",
    "river",
    "stone",
    "lamp",
    "window",
    "garden",
    "harbour",
    "winter",
    "letter",
    "carriage",
    "summer",
    "candle",
    "oldenby",
    "mccoy",
]


@pytest.fixture(scope="module")
def restorer() -> TrainedRestorer:
    """A restorer with random weights, large enough for labels of every kind."""
    config = RestorerFolderConfig.model_validate(
        {"kind": "text_restorer", "model": {"embedding": 8, "hidden": 12}, "tokenizer": {"vocab_size": 40}}
    )
    tokenizer = Tokenizer.train([" ".join(WORDS)] * 3, config.tokenizer)
    torch.manual_seed(0)
    network = RestorerNetwork(len(tokenizer), config.model).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return TrainedRestorer(network, tokenizer, config, "# Card\n")


def some_words(count: int) -> tuple[list[str], list[float | None]]:
    random = np.random.default_rng(count)
    return random.choice(WORDS, count).tolist(), [float(x) if x < 1 else None for x in random.uniform(0, 1.5, count)]


@torch.inference_mode()
def test_padding_and_batch_mates_change_nothing(restorer: TrainedRestorer) -> None:
    vocabulary = Vocabulary(restorer.tokenizer)
    rows = [vocabulary.ids(some_words(n)[0]) for n in (5, 1, 9)]
    pauses = [np.array([np.nan if p is None else p for p in some_words(n)[1]], np.float32) for n in (5, 1, 9)]
    lengths = torch.tensor([len(row) for row in rows])
    together = restorer.network(vocabulary.pieces(pad(rows, -1)), torch.from_numpy(pad(pauses, np.nan)), lengths)
    for i, (row, pause) in enumerate(zip(rows, pauses, strict=True)):
        alone = restorer.network(vocabulary.pieces(row[None]), torch.from_numpy(pause[None]), lengths[i : i + 1])
        for x, y in zip(together, alone, strict=True):
            torch.testing.assert_close(x[i : i + 1, : len(row)], y, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_an_unknown_pause_is_not_a_pause_of_zero(restorer: TrainedRestorer) -> None:
    pieces = (vocabulary := Vocabulary(restorer.tokenizer)).pieces(vocabulary.ids(["river"])[None])
    one, two = (restorer.network(pieces, torch.tensor([[pause]]), torch.tensor([1]))[0] for pause in (0.0, float("nan")))
    assert not torch.allclose(one, two)
    assert torch.isfinite(two).all()


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + AHEAD, CHUNK + AHEAD + 1, 300])
def test_a_stream_labels_as_the_whole(count: int, restorer: TrainedRestorer) -> None:
    words, pauses = some_words(count)
    whole = restorer.label(words, pauses)
    assert [word.text for word in whole] == words
    for size in (1, 7, 100):
        stream = LabelStream(restorer)
        found = [w for i in range(0, count, size) for w in stream.add(words[i : i + size], pauses[i : i + size])]
        assert len(found) >= count - CHUNK - AHEAD  # bounded delay
        assert [*found, *stream.finish()] == whole


@torch.inference_mode()
def test_a_short_recording_is_one_window(restorer: TrainedRestorer) -> None:
    words, pauses = some_words(EARLY_CHUNK)
    ids = np.concatenate([[0], (vocabulary := Vocabulary(restorer.tokenizer)).ids(words), [0]])
    seconds = torch.tensor([[float("nan"), *(float("nan") if p is None else p for p in pauses), float("nan")]])
    cases, marks = restorer.network(vocabulary.pieces(ids[None]), seconds, torch.tensor([len(ids)]))
    found = restorer.label(words, pauses)
    assert [word.case for word in found] == cases[0, 1:-1].argmax(1).tolist()
    assert [word.mark for word in found] == marks[0, 1:-1].argmax(1).tolist()


def test_the_first_words_are_labelled_soon(restorer: TrainedRestorer) -> None:
    stream = LabelStream(restorer)
    words, pauses = some_words(EARLY_CHUNK + EARLY_AHEAD + 1)
    assert stream.add(words[:-1], pauses[:-1]) == []
    assert len(stream.add(words[-1:], pauses[-1:])) == EARLY_CHUNK


@pytest.mark.parametrize("words", [1, 48, 64, 65, 200, 1000])
def test_windows_label_every_word_once(words: int) -> None:
    grid = WindowGrid()
    windows = [*grid.ready(words // 2), *grid.ready(words), *grid.rest(words)]
    assert [i for w in windows for i in range(w.first, w.last)] == list(range(words))
    for w in windows:
        assert w.start == max(0, w.first - BEFORE)
        assert w.end == min(words, w.first + (EARLY_CHUNK + EARLY_AHEAD if w.first < EARLY else CHUNK + AHEAD))
        assert (w.begins, w.ends) == (w.start == 0, w.end == words)


def test_a_folder_is_read_as_it_was_written(restorer: TrainedRestorer, tmp_path: Path) -> None:
    save_restorer(tmp_path / "text", restorer)
    loaded = load_restorer(tmp_path / "text")
    words, pauses = some_words(100)
    assert loaded.label(words, pauses) == restorer.label(words, pauses)
    assert (loaded.config, loaded.card) == (restorer.config, restorer.card)
    with pytest.raises(UsageError, match=r"text: is a text restorer, not a recogniser: .*text/"):
        load_model(tmp_path / "text")
    with pytest.raises(UsageError, match=r"text: is a text restorer, not a language model"):
        load_lm(tmp_path / "text")
    (tmp_path / "text" / "tokenizer.model").unlink()
    with pytest.raises(ModelError, match=r"text: incomplete model folder: tokenizer.model missing"):
        load_restorer(tmp_path / "text")


def test_other_models_are_no_text_restorer(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a recogniser, not a text restorer"):
        load_restorer(tiny_folder)
    with pytest.raises(UsageError, match="no such model folder"):
        load_restorer(tmp_path / "nope")


def test_unknown_characters_and_long_words_are_labelled(restorer: TrainedRestorer) -> None:
    words = ["", "5", "日本", "x" * 5000, "river"]
    assert [word.text for word in restorer.label(words)] == words


def test_readable_text_covers_every_word(restorer: TrainedRestorer) -> None:
    words = [Word(word.upper(), i, i + 0.5, 0.9) for i, word in enumerate(some_words(200)[0])]
    tokens = readable_tokens(words, restorer)
    assert [i for token in tokens for i in range(token.first, token.last)] == list(range(200))
    assert readable_text(tokens)[0].isupper()
    assert readable_tokens([], restorer) == []

"""The language model of words: its file, its trie, and its scorer against a sum over words."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests_support import ROOT as REPOSITORY

from asr.config import EMBEDDED
from asr.decode.beam import beam_search
from asr.decode.profiles import profile_search
from asr.decode.recognize import recognize
from asr.decode.scorer import Scorer, WeightedScorer
from asr.decode.words import WordScorer
from asr.errors import ModelError, UsageError
from asr.model.checkpoint import WORDS as FILE
from asr.model.checkpoint import TrainedModel, load_model, load_words, read_tensors, save_model, save_words, tensor_bytes
from asr.model.words import FIRST_WORD, ROOT, SPELLING, WordNGram
from asr.speech.audio import load_audio
from asr.text.tokenizer import EOS, UNKNOWN, Tokenizer
from asr.train.ngram import train_ngram

TEXT = ["THE CAT SAT ON THE MAT", "THE CATTLE SAT ON THE MAT", "THE DOG RAN TO THE CAT", "A CAT AND A DOGMA", "A RARITY"] * 3
WORDS = sorted({word for text in TEXT for word in text.split()} - {"RARITY"})


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(EMBEDDED / "tokenizer.model")


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> WordNGram:
    ids = {word: i for i, word in enumerate(WORDS, FIRST_WORD)}
    tokens = np.array([i for text in TEXT for i in (*(ids.get(word, UNKNOWN) for word in text.split()), EOS)])
    return WordNGram(train_ngram(tokens, FIRST_WORD + len(WORDS), 3, 1, 0.0), WORDS, tokenizer)


def by_words(model: WordNGram, text: str) -> float:
    """log p of a text, word by word."""
    state, total = model.ngram.next(torch.tensor([EOS]), torch.tensor([0])), 0.0
    for word in [*text.split(), None]:
        number = EOS if word is None else WORDS.index(word) + FIRST_WORD if word in WORDS else UNKNOWN
        total += float(model.ngram.log_prob(torch.tensor([number]), state)) + SPELLING * (number == UNKNOWN)
        state = model.ngram.next(torch.tensor([number]), state)
    return total


def by_pieces(scorer: WordScorer, texts: list[list[int]]) -> torch.Tensor:
    """log p of texts with equally many pieces, as the search adds it up: one utterance, a hypothesis each."""
    tokens = torch.tensor(texts)[None]
    prefixes = torch.full((1, len(texts), 1), EOS)
    scorer.start(1, len(texts))
    total = torch.zeros(1, len(texts))
    for step in tokens.unbind(2):
        total += scorer.score(prefixes).gather(2, step[..., None])[..., 0]
        scorer.reorder(torch.arange(len(texts))[None])
        scorer.advance(step)
        prefixes = torch.cat([prefixes, step[..., None]], 2)
    scorer.score(prefixes)
    return (total + scorer.final(prefixes))[0]


@pytest.mark.parametrize("text", ["THE CAT SAT", "A", "THE CATTLE RAN TO A DOGMA", "THE XYLOPHONE SAT", "", "DOG DOG DOG DOG", "RARITY"])
def test_the_pieces_of_a_text_add_up_to_its_words(model: WordNGram, tokenizer: Tokenizer, text: str) -> None:
    found = by_pieces(WordScorer(model, tokenizer), [tokenizer.encode(text)])
    assert found.item() == pytest.approx(by_words(model, text), abs=1e-3)


def test_hypotheses_do_not_depend_on_each_other(model: WordNGram, tokenizer: Tokenizer) -> None:
    texts = [tokens for text in TEXT[:5] for tokens in [tokenizer.encode(text)[:4]]]
    together = by_pieces(WordScorer(model, tokenizer), texts)
    torch.testing.assert_close(together, torch.cat([by_pieces(WordScorer(model, tokenizer), [text]) for text in texts]), atol=1e-5, rtol=0)


def test_the_look_ahead_is_the_probability_of_all_words_with_that_beginning(model: WordNGram, tokenizer: Tokenizer) -> None:
    unigrams = model.ngram.log_probs[: model.ngram.vocabulary].exp()
    for beginning in ("CAT", "DOG", "SAT"):
        pieces, node = tokenizer.encode(beginning), torch.tensor(ROOT)
        for piece in pieces:
            node = model.child(node, torch.tensor(piece))
        among = [i for i, word in enumerate(WORDS, FIRST_WORD) if tokenizer.encode(word)[: len(pieces)] == pieces]
        assert among
        assert model.look_ahead(node).item() == pytest.approx(math.log(float(unigrams[among].sum())), abs=1e-5)
    assert model.child(torch.tensor([ROOT]), torch.tensor([EOS])).item() == model.unknown
    assert model.child(torch.tensor([model.unknown]), torch.arange(len(tokenizer))).unique().tolist() == [model.unknown]


def test_no_continuation_adds_more_than_the_bound(model: WordNGram, tokenizer: Tokenizer) -> None:
    scorer = WordScorer(model, tokenizer)
    for text in [*TEXT[:5], "XYLOPHONE THE"]:
        tokens = tokenizer.encode(text)
        scorer.start(1, 1)
        bounds, added = [], []
        for i, token in enumerate(tokens):
            added.append(float(scorer.score(torch.tensor([[[EOS, *tokens[:i]]]]))[0, 0, token]))
            scorer.advance(torch.tensor([[token]]))
            bounds.append(float(scorer.bound(torch.ones(1, 1))))
        for i, bound in enumerate(bounds):
            assert max(sum(added[i + 1 : j]) for j in range(i + 1, len(added) + 1)) <= bound + 1e-4


class _Undecided(Scorer):
    """Every token of two texts of equal length is as good as the other's."""

    name = "undecided"

    def __init__(self, texts: list[list[int]], vocabulary: int):
        self.texts, self.vocabulary = texts, vocabulary

    def score(self, prefixes: torch.Tensor) -> torch.Tensor:
        scores = torch.full((1, 1, self.vocabulary), -1000.0)
        at = prefixes.shape[2] - 1
        if at < len(self.texts[0]):
            scores[0, 0, [text[at] for text in self.texts]] = -1.0
        return scores

    def final(self, prefixes: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.0 if prefixes.shape[2] - 1 == len(self.texts[0]) else -1000.0]])


def test_the_search_prefers_words_that_follow_each_other(model: WordNGram, tokenizer: Tokenizer) -> None:
    texts = [tokenizer.encode(text) for text in ("THE CAT SAT ON THE MAT", "THE MAT SAT ON THE CAT")]
    assert len(texts[0]) == len(texts[1])
    scorers = [WeightedScorer(1.0, _Undecided(texts, len(tokenizer))), WeightedScorer(1.0, WordScorer(model, tokenizer))]
    [[best, *_]] = beam_search(scorers, torch.tensor([len(texts[0]) + 1]), 4)
    assert tokenizer.decode(best.tokens) == "THE CAT SAT ON THE MAT"
    assert best.scores["words"] == pytest.approx(by_words(model, "THE CAT SAT ON THE MAT"), abs=1e-3)


# ---------------------------------------------------------------- files


def test_a_file_gives_the_model_back(model: WordNGram, tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_words(tmp_path / "words.safetensors", model)
    again = load_words(tmp_path / "words.safetensors", tokenizer)
    assert again.vocabulary == model.vocabulary
    assert torch.equal(again.nodes, model.nodes)
    torch.testing.assert_close(again.ahead, model.ahead, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary": None}, "not an n-gram model of words"),
        ({"vocabulary": "A\nB"}, "damaged"),
        ({"vocabulary": "\n".join(["", *WORDS[1:]])}, "damaged"),
        ({"vocabulary": "\n".join("Ж" * len(word) for word in WORDS)}, "the recogniser's pieces spell none of its words"),
    ],
)
def test_a_file_that_is_no_model_is_refused(
    model: WordNGram, tokenizer: Tokenizer, tmp_path: Path, change: dict[str, str | None], message: str
) -> None:
    save_words(path := tmp_path / "words.safetensors", model)
    tensors = read_tensors(path)
    for key, text in change.items():
        del tensors[key]
        if text is not None:
            tensors[key] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    path.write_bytes(tensor_bytes(tensors))
    with pytest.raises(ModelError, match=rf"words.safetensors: {message}"):
        load_words(path, tokenizer)


# ---------------------------------------------------------------- in a model folder


@pytest.fixture(scope="module")
def with_words(model: WordNGram) -> TrainedModel:
    embedded = load_model(EMBEDDED).with_lm(None)
    decode = embedded.config.decode.model_copy(update={"lm_weight": 0.0, "words_weight": 0.5, "beam": 4})
    return replace(embedded, words=model, config=embedded.config.model_copy(update={"decode": decode}))


def test_a_model_folder_keeps_the_words(with_words: TrainedModel, tmp_path: Path) -> None:
    save_model(tmp_path / "model", with_words)
    assert (tmp_path / "model" / FILE).is_file()
    again = load_model(tmp_path / "model")
    assert again.words is not None
    assert again.words.vocabulary == tuple(WORDS)
    (tmp_path / "model" / FILE).write_bytes(b"x")
    with pytest.raises(ModelError, match=r"words.safetensors: damaged"):
        load_model(tmp_path / "model")


def test_the_search_uses_the_words_of_the_model(with_words: TrainedModel) -> None:
    waveform = torch.from_numpy(load_audio(REPOSITORY / "examples" / "letters.flac"))
    [[reading, *_]] = recognize(with_words, [waveform])
    assert reading.scores["words"] < 0
    assert with_words.search.words_weight == 0.5
    lacking = replace(with_words, words=None)
    assert lacking.search.words_weight == 0
    with pytest.raises(UsageError, match=r"this model has no words.safetensors: decode with decode.words_weight=0"):
        recognize(lacking, [waveform])


def test_the_fast_profile_leaves_the_words_out(with_words: TrainedModel) -> None:
    assert profile_search(with_words.search, "fast").words_weight == 0
    assert profile_search(with_words.search, "accurate").words_weight == 0.5

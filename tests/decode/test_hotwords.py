"""Hotwords: the automaton against counting phrases in the text, the search against every possible transcript, real speech.

The count knows nothing of states, pieces or promises; it is the definition.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spellers import Table, make_case, scored, search

from asr.config import DecodeConfig
from asr.decode.hotwords import WEIGHT, Hotwords, build_hotwords, load_hotwords
from asr.decode.recognize import recognize
from asr.errors import ModelError, UsageError
from asr.model.checkpoint import TrainedModel, load_model
from asr.speech.audio import load_audio
from asr.text.tokenizer import EOS
from asr.transcript import Reading

SPECIAL = ["<blank>", "<unk>", "</s>"]
LETTERS = "AB'S"
SHORT_PIECES = ["".join(letters) for size in (1, 2, 3) for letters in itertools.product(LETTERS, repeat=size)]
PIECES = [*SPECIAL, "▁", *SHORT_PIECES, *("▁" + piece for piece in SHORT_PIECES)]  # every segmentation into 1 to 3 letters
WORDS = st.text(alphabet=LETTERS, min_size=1, max_size=4)
PHRASES = st.dictionaries(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=6)


def worth(text: str, phrases: dict[str, float]) -> float:
    """The definition: weight × letters for every occurrence of every phrase as whole words, alone or as a possessive."""
    framed = f"▁{text.replace(' ', '▁')}▁"
    total = 0.0
    for phrase, weight in phrases.items():
        for ending in ("▁", "'S▁"):
            sought = f"▁{phrase.replace(' ', '▁')}{ending}"
            count = sum(framed.startswith(sought, i) for i in range(len(framed)))
            total += count * weight * len(phrase.replace(" ", ""))
    return total


def course(hotwords: Hotwords, tokens: list[int]) -> list[tuple[float, float]]:
    """Worth and promise after each token, and worth with the end of the sentence."""
    state, total, found = hotwords.start(1, 1), 0.0, []
    for token in tokens:
        total += hotwords.completed(state)[0, 0, token].item()
        promise = hotwords.promises(state)[0, 0, token].item()
        state = hotwords.advance(state, torch.tensor([[token]]))
        assert hotwords.promise[state].item() == promise
        found.append((total, promise))
    return [*found, (total + hotwords.worth[state].item(), 0.0)]


def final_worth(hotwords: Hotwords, tokens: list[int]) -> float:
    return course(hotwords, tokens)[-1][0]


def cut(text: str, pieces: list[str], choice: random.Random) -> list[int]:
    """A random segmentation of a text, the first word with its mark or without."""
    raw = ("▁" if choice.random() < 0.7 else "") + text.replace(" ", "▁")
    tokens = []
    while raw:
        fitting = [i for i, piece in enumerate(pieces) if i >= len(SPECIAL) and raw.startswith(piece)]
        tokens.append(choice.choice(fitting))
        raw = raw[len(pieces[tokens[-1]]) :]
    return tokens


@given(phrases=PHRASES, words=st.lists(WORDS, max_size=6), more=st.lists(st.integers(0, 5), max_size=3), seed=st.integers(0, 999))
def test_worth_is_that_of_the_text_however_it_is_cut(phrases: dict[str, float], words: list[str], more: list[int], seed: int) -> None:
    for i in more:  # random texts seldom hold a phrase
        words.insert(i, sorted(phrases)[i % len(phrases)])
    text, choice = " ".join(words), random.Random(seed)
    hotwords = build_hotwords(phrases, PIECES)
    for _ in range(2):
        assert final_worth(hotwords, cut(text, PIECES, choice)) == pytest.approx(worth(text, phrases))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ANNA", 8),  # two nats a letter
        ("ANNABEL", 7),  # a phrase of its own, not ANNA
        ("ANNABELLE", 0),  # whole words only
        ("JOANNA", 0),
        ("ANNA ANNA", 16),
        ("ANNA'S", 8),
        ("ANNA'", 0),
        ("NEW YORK", 11),  # seven letters, and YORK again, whose own weight is 1
        ("NEW YORK'S ANNA", 19),
        ("NEW YORKER", 0),
        ("NEW NEW YORK", 11),  # fails at the second NEW, and begins again there
        ("ANNA NEW", 8),
    ],
)
def test_worth_by_hand(text: str, expected: float) -> None:
    phrases = {"ANNA": 2.0, "ANNABEL": 1.0, "NEW YORK": 1.0, "YORK": 1.0}
    pieces = [*SPECIAL, "▁", "▁NEW", "OR", "ANNA", "▁YO", *"ABEJKLNORSWY'"]
    assert worth(text, phrases) == expected
    hotwords = build_hotwords(phrases, pieces)
    for seed in range(5):
        assert final_worth(hotwords, cut(text, pieces, random.Random(seed))) == pytest.approx(expected)


def test_letters_promise_as_they_are_written() -> None:
    pieces = [*SPECIAL, "▁", "A", "B", "▁AB", "BA", "C"]
    hotwords = build_hotwords({"ABBA CAB": 1.0, "ABC": 2.0}, pieces)

    def spell(*spelled: str) -> list[tuple[float, float]]:
        return course(hotwords, [pieces.index(piece) for piece in spelled])

    assert spell("▁", "A", "B") == [(0, 0), (0, 2), (0, 4), (0, 0)]  # on the way to the dearer ABC
    assert spell("▁AB", "C") == [(0, 4), (0, 6), (6, 0)]
    assert spell("▁AB", "C", "▁AB", "A") == [(0, 4), (0, 6), (6, 4), (6, 0), (6, 0)]
    assert spell("▁AB", "BA", "▁", "C", "A", "B") == [(0, 4), (0, 4), (0, 4), (0, 5), (0, 6), (0, 7), (7, 0)]  # ABC is out of reach
    assert spell("▁AB", "BA", "▁AB") == [(0, 4), (0, 4), (0, 4), (0, 0)]  # ABBA AB is nothing, AB may become ABC
    assert spell("▁AB", "C", "C", "▁") == [(0, 4), (0, 6), (0, 0), (0, 0), (0, 0)]
    assert spell("C", "▁", "▁", "A") == [(0, 0), (0, 0), (0, 0), (0, 2), (0, 0)]


def test_unwritten_tokens_end_a_phrase() -> None:
    hotwords = build_hotwords({"AB": 1.0}, [*SPECIAL, "▁", "A", "B"])
    assert course(hotwords, [3, 4, 1, 5]) == [(0, 0), (0, 1), (0, 0), (0, 0), (0, 0)]


@given(phrases=PHRASES, tokens=st.lists(st.integers(3, len(PIECES) - 1), max_size=8))
def test_promise_and_reach_are_those_of_the_dearest_phrase_under_way(phrases: dict[str, float], tokens: list[int]) -> None:
    hotwords = build_hotwords(phrases, PIECES)
    state = hotwords.start(1, 1)
    for token in tokens:
        state = hotwords.advance(state, torch.tensor([[token]]))
    text = "▁" + "".join(PIECES[token] for token in tokens)
    ends = [text[i:] for i in range(len(text)) if text[i] == "▁"]
    begun = [
        (weight * sum(c != "▁" for c in end), weight * len(phrase.replace(" ", "")))
        for phrase, weight in phrases.items()
        for end in ends
        for spelled in [f"▁{phrase.replace(' ', '▁')}"]
        if end != "▁" and (f"{spelled}'S").startswith(end)
    ]
    assert hotwords.promise[state].item() == pytest.approx(max((min(so_far, whole) for so_far, whole in begun), default=0.0))
    assert hotwords.reach[state].item() == pytest.approx(max((whole for _, whole in begun), default=0.0))


def test_a_thousand_phrases_and_five_thousand_pieces() -> None:
    choice = random.Random(0)

    def word(longest: int) -> str:
        return "".join(choice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=choice.randint(2, longest)))

    phrases = {f"{word(9)} {word(9)}": 1.0 for _ in range(1000)}
    pieces = [*SPECIAL, "▁", *dict.fromkeys([*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *(choice.choice(("▁", "")) + word(5) for _ in range(5000))])]
    start = time.process_time()
    hotwords = build_hotwords(phrases, pieces)
    assert time.process_time() - start < 10  # about half a second on a machine with nothing else to do
    assert sum(table.nbytes for table in vars(hotwords).values()) < 5e6
    assert final_worth(hotwords, cut(next(iter(phrases)), pieces, choice)) == len(next(iter(phrases)).replace(" ", ""))


def test_pieces_across_words_are_refused() -> None:
    with pytest.raises(ModelError, match="OF▁THE"):
        build_hotwords({"A": 1.0}, [*SPECIAL, "▁", "A", "▁OF▁THE"])


# ---------------------------------------------------------------- in the search

TOY_PIECES = [*SPECIAL, "▁A", "B"]
"""of the random speller with five tokens: texts of the words A, AB, ABB, and B at the start"""


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("phrases", [{"AB": 1.5}, {"A AB": 1.0, "AB": 0.5, "ABB": 2.0}, {"B": 3.0, "A A A": 0.7}])
def test_a_wide_beam_ranks_every_transcript_by_its_text(phrases: dict[str, float], seed: int) -> None:
    case = make_case("location", [4], vocabulary=5, seed=seed)
    config = DecodeConfig(beam=130, ctc_weight=0.3, lm_weight=0.5, length_bonus=0.4)
    expected = []
    for tokens in (list(t) for length in range(5) for t in itertools.product([1, 3, 4], repeat=length)):
        plain = scored(case, tokens, config)
        text = "".join("?" if t == 1 else TOY_PIECES[t] for t in tokens).replace("▁", " ").removeprefix(" ")
        expected.append((plain.score + worth(text, phrases), worth(text, phrases), tokens))
    expected.sort(key=lambda row: -row[0])
    found = case.search(config, build_hotwords(phrases, TOY_PIECES))[0]
    assert [h.tokens for h in found] == [tokens for _, _, tokens in expected]
    assert [h.score for h in found] == pytest.approx([score for score, _, _ in expected], abs=1e-4)
    assert [h.scores["hotwords"] for h in found] == pytest.approx([total for _, total, _ in expected])
    assert [h.tokens for h in found] != [h.tokens for h in case.search(config)[0]]  # they had a say


@pytest.mark.parametrize("beam", [1, 5])
@pytest.mark.parametrize("kind", ["location", "multihead"])
def test_hotwords_that_none_completes_change_nothing(kind: str, beam: int) -> None:
    """However many are begun, and however much they promise: Z is no piece."""
    case = make_case(kind, [12, 7, 3], vocabulary=12, seed=1)
    config = DecodeConfig(beam=beam, ctc_weight=0.3, lm_weight=0.6, length_bonus=0.4, coverage_bonus=0.2)
    pieces = [*SPECIAL, *(f"▁{letter}" for letter in "ABCDEFGHI")]
    phrases = {f"{a} {b} Z": 5.0 for a, b in itertools.permutations("ABCDEFGHI", 2)}
    plain = case.search(config)
    assert all("hotwords" not in h.scores for hypotheses in plain for h in hypotheses)
    for a, b in zip(plain, case.search(config, build_hotwords(phrases, pieces)), strict=True):
        assert [h.tokens for h in a] == [h.tokens for h in b]
        assert [h.score for h in a] == pytest.approx([h.score for h in b], abs=1e-9)
        assert [h.scores["hotwords"] for h in b] == [0.0] * len(b)


BEAM_OF_ONE = DecodeConfig(beam=1, ctc_weight=0)
LETTER_PIECES = [*SPECIAL, "▁A", "▁B", "C"]


def test_a_hotword_is_found_though_it_begins_outside_the_beam() -> None:
    table = Table({3: 0.6, 4: 0.3}, {5: 0.5}, {EOS: 0.9})  # AC, and half as likely BC
    [[plain]] = search(table, BEAM_OF_ONE)
    [[found]] = search(table, BEAM_OF_ONE, hotwords=build_hotwords({"BC": 1.0}, LETTER_PIECES))
    assert (plain.tokens, found.tokens) == ([3, 5], [4, 5])
    assert found.score == pytest.approx(math.log(0.3 * 0.5 * 0.9) + 2)
    assert found.scores["hotwords"] == 2
    [[weak]] = search(table, BEAM_OF_ONE, hotwords=build_hotwords({"BC": 0.3}, LETTER_PIECES))  # less than log 2 in all
    assert (weak.tokens, weak.score, weak.scores["hotwords"]) == (plain.tokens, plain.score, 0)


def test_the_search_does_not_end_while_a_hotword_may_still_win() -> None:
    table = Table({3: 0.6, 4: 0.3}, {EOS: 0.9, 5: 0.05}, {EOS: 0.9})
    [[found]] = search(table, BEAM_OF_ONE, hotwords=build_hotwords({"BC": 3.0}, LETTER_PIECES))
    assert found.tokens == [4, 5]


def test_a_hotword_that_fails_leaves_no_trace() -> None:
    """However much it promises: a search that took promises for credit would have dropped AC for B."""
    table = Table({3: 0.6, 4: 0.3}, {5: 0.5}, {EOS: 0.9})
    [[plain]] = search(table, BEAM_OF_ONE)
    [[found]] = search(table, BEAM_OF_ONE, hotwords=build_hotwords({"BCCCCCC": 9.0}, LETTER_PIECES))
    assert (found.tokens, found.score) == (plain.tokens, plain.score)


def test_an_utterance_does_not_see_its_batch() -> None:
    case = make_case("location", [10, 1, 6, 13, 3], vocabulary=5, seed=4)
    config = DecodeConfig(beam=4, ctc_weight=0.3)
    hotwords = build_hotwords({"AB": 1.5, "AB A": 1.0}, TOY_PIECES)
    for b, hypotheses in enumerate(case.search(config, hotwords)):
        alone = case.alone(b).search(config, hotwords)[0]
        assert [h.tokens for h in hypotheses] == [h.tokens for h in alone]
        assert [h.score for h in hypotheses] == pytest.approx([h.score for h in alone], abs=1e-4)
        assert [h.scores["hotwords"] for h in hypotheses] == pytest.approx(
            [worth("".join(TOY_PIECES[t] for t in h.tokens).replace("▁", " ").strip(), {"AB": 1.5, "AB A": 1.0}) for h in alone]
        )


# ---------------------------------------------------------------- real speech

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return load_model(Path(str(files("asr") / "pretrained")))


def heard(model: TrainedModel, clip: str, hotwords: Hotwords | None = None, config: DecodeConfig | None = None) -> Reading:
    waveform = torch.from_numpy(load_audio(EXAMPLES / clip, model.config.model.frontend.sample_rate))
    return recognize(model, [waveform], config, hotwords)[0][0]


def test_a_name_that_the_model_has_never_seen_is_found(model: TrainedModel) -> None:
    names = ["Pellerin", "Torvald Brandisi", "Mister Oldanby", "Zelinda", "Karenko"]
    config = model.config.decode.model_copy(update={"lm_weight": 0.0})  # with the language model it needs no help
    assert "OLDANBY" not in heard(model, "walk.flac", config=config).text.split()
    found = heard(model, "walk.flac", load_hotwords(names, model.tokenizer), config)
    assert found.text == "SHE WALKED DOWN TO THE RIVER WITH MISTER OLDANBY"
    assert found.scores["hotwords"] == pytest.approx(13 * WEIGHT)


@pytest.mark.parametrize("clip", ["command.flac", "numbers.flac", "river.flac", "window.flac"])
def test_unspoken_hotwords_change_nothing(model: TrainedModel, clip: str) -> None:
    names = ["Pellerin", "Torvald Brandisi", "Mister Oldanby", "Zelinda", "Karenko", "Riverton", "Walkinshaw", "Lightfoot", "Twombly"]
    plain, favoured = heard(model, clip), heard(model, clip, load_hotwords(names, model.tokenizer))
    assert favoured.text == plain.text
    assert favoured.score == pytest.approx(plain.score, abs=1e-4)


@pytest.mark.parametrize("beam", [1, 8])
def test_a_hotword_is_not_repeated(model: TrainedModel, beam: int) -> None:
    """A repetition would be rewarded, but CTC has evidence for one occurrence."""
    config = model.config.decode.model_copy(update={"beam": beam})
    hotwords = load_hotwords(["the river"], model.tokenizer)
    found = heard(model, "river.flac", hotwords, config)
    assert found.text.split().count("RIVER") == 1
    assert found.scores["hotwords"] == pytest.approx(8 * WEIGHT)
    with pytest.raises(UsageError, match="hotwords need a CTC weight above 0"):
        heard(model, "river.flac", hotwords, DecodeConfig(beam=beam, ctc_weight=0))


def test_phrases_outside_the_vocabulary_are_named(model: TrainedModel) -> None:
    with pytest.raises(UsageError, match="hotwords:2: 'R2D2' has '2', which the model cannot write: spell it as it is said"):
        load_hotwords(["Zoë", "R2D2"], model.tokenizer)

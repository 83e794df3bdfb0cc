"""Verification by CTC: invented words are held back, doubtful ones are searched for again, real ones are left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import asr.decode.recognize as recognize_module
from asr.config import EMBEDDED
from asr.decode.recognize import recognize, recognize_verified, search
from asr.model.checkpoint import TrainedModel, load_model
from asr.speech.audio import load_audio
from asr.transcript import Reading

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return load_model(EMBEDDED)


@pytest.fixture(scope="module")
def clips() -> list[torch.Tensor]:
    return [torch.from_numpy(load_audio(EXAMPLES / name)) for name in ("river.flac", "numbers.flac")]


def lies(model: TrainedModel, text: str, times: int) -> Callable[..., list[list[Reading]]]:
    """Return a search that finds `text` in everything, `times` times, and then the truth."""
    tokens = model.tokenizer.encode(text)
    calls: list[int] = []

    def lie(*arguments: object) -> list[list[Reading]]:
        found = search(*arguments)  # type: ignore[arg-type]
        calls.append(len(found))
        return [[Reading(text, tuple(tokens), -1.0, {"attention": -1.0, "ctc": -1.0})] for _ in found] if len(calls) <= times else found

    return lie


def test_real_words_pass(model: TrainedModel, clips: list[torch.Tensor]) -> None:
    plain = recognize(model, clips)
    for verified, nbest in zip(recognize_verified(model, clips), plain, strict=True):
        assert [r.text for r in verified.readings] == [r.text for r in nbest]
        assert verified.held_back == ""
        assert not verified.doubtful
        assert tuple(t.token for t in verified.placed) == nbest[0].tokens


def test_an_invented_transcript_is_searched_again(model: TrainedModel, clips: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    truth = [nbest[0].text for nbest in recognize(model, clips)]
    monkeypatch.setattr(recognize_module, "search", lies(model, "I DON'T KNOW IT ISN'T A WOMAN'S WOMAN", times=1))
    found = recognize_verified(model, clips)
    assert [e.readings[0].text.split()[:2] for e in found] == [text.split()[:2] for text in truth]
    assert not any(e.doubtful for e in found)


@pytest.mark.parametrize("text", ["I DON'T KNOW IT ISN'T A WOMAN'S WOMAN", "THANK YOU " * 12])
def test_a_transcript_invented_twice_is_held_back(
    model: TrainedModel, clips: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(recognize_module, "search", lies(model, text.strip(), times=2))
    for verified in recognize_verified(model, clips):
        assert verified.readings == []
        assert verified.held_back == text.strip()
        assert verified.placed == []
        assert not verified.doubtful


def test_between_the_two_bounds_words_are_marked(model: TrainedModel, clips: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    lie = "I DON'T KNOW IT ISN'T A WOMAN'S WOMAN"
    monkeypatch.setattr(recognize_module, "search", lies(model, lie, times=2))
    found = recognize_verified(model, clips, model.config.decode.model_copy(update={"invented_below": -1e9}))
    assert [e.doubtful for e in found] == [True, True]
    assert [e.readings[0].text for e in found] == [lie, lie]


def test_a_second_search_that_finds_worse_changes_nothing(
    model: TrainedModel, clips: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = [nbest[0].text for nbest in recognize(model, clips)]
    honest, lie = search, lies(model, "I DON'T KNOW IT ISN'T A WOMAN'S WOMAN", times=9)
    calls: list[int] = []

    def first_right(*arguments: object) -> list[list[Reading]]:
        calls.append(1)
        return honest(*arguments) if len(calls) == 1 else lie(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recognize_module, "search", first_right)
    found = recognize_verified(model, clips, model.config.decode.model_copy(update={"doubtful_below": 0.0}))
    assert len(calls) == 2
    assert [e.readings[0].text for e in found] == truth


def test_words_are_held_back_where_the_best_ctc_path_is_empty(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the bounds; and there is no second search."""
    monkeypatch.setattr(recognize_module, "search", lies(model, "THE", times=1))
    monkeypatch.setattr(recognize_module, "ctc_greedy", lambda log_probs, lengths: [[] for _ in lengths])
    bounds = {"invented_below": -1e9, "doubtful_below": 1e9}
    [verified] = recognize_verified(model, [torch.zeros(32_000)], model.config.decode.model_copy(update=bounds))
    assert (verified.readings, verified.held_back, verified.doubtful) == ([], "THE", False)


@pytest.mark.parametrize("loudness", [0.0, 1e-3, 0.1])
def test_noise_has_hardly_a_word(model: TrainedModel, loudness: float) -> None:
    """Without the detector of speech, which lets no noise as plain as this through; the search alone writes whole sentences over it."""
    noise = list(loudness * torch.randn(3, 80_000, generator=torch.Generator().manual_seed(0)))
    assert all(len(e.readings[0].text.split()) <= 1 for e in recognize_verified(model, noise) if e.readings)


def test_without_a_ctc_head_there_is_no_witness(tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    model.network.ctc = None
    config = model.config.decode.model_copy(update={"ctc_weight": 0.0})
    [verified] = recognize_verified(model, [torch.randn(16_000)], config)
    assert verified.readings
    assert not verified.doubtful

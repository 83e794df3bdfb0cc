"""Networks in fewer bits say nearly the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from asr.config import EMBEDDED
from asr.decode.examine import examine
from asr.decode.precision import Precision, in_precision
from asr.decode.recognize import recognize
from asr.model.checkpoint import load_model
from asr.score.wer import word_errors
from asr.speech.audio import load_audio

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_the_words_are_nearly_the_same(precision: Precision) -> None:
    clips = [torch.from_numpy(load_audio(EXAMPLES / name)) for name in ("river.flac", "window.flac", "numbers.flac")]
    plain = [nbest[0] for nbest in recognize(load_model(EMBEDDED), clips)]
    model = in_precision(load_model(EMBEDDED), precision)
    changed = [examined.readings[0] for examined in examine(model, clips)]
    assert word_errors([r.text for r in plain], [r.text for r in changed]).rate <= 0.15
    for one, other in zip(plain, changed, strict=True):
        assert one.hypothesis.score == pytest.approx(other.hypothesis.score, abs=2.0)
        assert one.hypothesis.score != other.hypothesis.score  # else nothing was changed


def test_fp32_changes_nothing(tiny_folder: Path) -> None:
    model = load_model(tiny_folder)
    assert in_precision(model, "fp32") is model

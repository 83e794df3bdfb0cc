"""The learning rate: up in a line, down in a half cosine."""

from __future__ import annotations

import pytest

from asr.config import TrainConfig
from asr.train.schedule import learning_rate

CONFIG = TrainConfig(learning_rate=1e-3, final_learning_rate=1e-5, warmup_steps=100)


@pytest.mark.parametrize(
    ("step", "progress", "expected"),
    [(0, 0.0, 1e-5), (49, 0.0, 5e-4), (99, 0.0, 1e-3), (1000, 0.5, (1e-3 + 1e-5) / 2), (2000, 1.0, 1e-5)],
)
def test_hand_worked(step: int, progress: float, expected: float) -> None:
    assert learning_rate(step, progress, CONFIG) == pytest.approx(expected)


def test_no_warmup_starts_at_the_top() -> None:
    assert learning_rate(0, 0.0, TrainConfig(learning_rate=1e-3, warmup_steps=0)) == pytest.approx(1e-3)

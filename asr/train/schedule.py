"""The learning rate over a run, as a pure function, so that a resumed run needs no state for it."""

from __future__ import annotations

import math

from asr.config import OptimizerConfig


def learning_rate(step: int, progress: float, config: OptimizerConfig) -> float:
    """Linear warm-up over `warmup_steps`, times a half cosine from `learning_rate` to `final_learning_rate`.

    `step` counts from 0; `progress` is the share of the run that lies behind, in [0, 1].
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    falling = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return warm * (config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * falling)

"""A session of a run: which time is training, and when a checkpoint is due."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from asr.config import OptimizerConfig
from asr.train.device import make_accelerator
from asr.train.learner import Learner
from asr.train.session import Session
from asr.train.signals import Interruption
from asr.train.state import Position


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until `now` (s) is changed."""
    shows = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("asr.train.session.time", SimpleNamespace(monotonic=lambda: shows.now))
    return shows


@pytest.fixture
def session(clock: SimpleNamespace, tmp_path: Path) -> Session:
    """With a checkpoint every minute."""
    network = nn.Linear(1, 1)
    learner = Learner(network, copy.deepcopy(network), OptimizerConfig(checkpoint_minutes=1))
    return Session(tmp_path, learner, Position(), make_accelerator("fp32"), Interruption())


def step(session: Session) -> None:
    """The next of 100 in the first epoch, which hears 6 s."""
    session.record_step(0, session.position.step, 100, 6.0, torch.zeros(3))


def test_evaluations_and_checkpoints_are_no_training_time(session: Session, clock: SimpleNamespace) -> None:
    for took in (2.0, 3.0):
        clock.now += took
        step(session)
        clock.now += 500  # an evaluation
        session.finish_step(evaluated=True)
    assert session.position.seconds == 5
    assert session.position.heard == 12


def test_a_checkpoint_is_written_when_it_is_due_and_at_evaluations(session: Session, clock: SimpleNamespace) -> None:
    written = []
    for seconds, evaluated in ((50, False), (20, False), (50, False), (5, True), (58, False), (3, False)):
        clock.now += seconds
        step(session)
        session.finish_step(evaluated)
        written.append((session.folder / "states" / f"step-{session.position.step:08d}").is_dir())
    assert written == [False, True, False, True, False, True]

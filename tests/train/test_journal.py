"""The log of a run, across sittings and power cuts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.speech.batches import Skipped
from asr.train.journal import Journal
from asr.train.state import Position


@pytest.mark.parametrize("torn", [b'{"step": 2, "lo', b'{"step": 2, "lo{"skipped": "a"}\n', b"\0\0\xff\0", b"12\n"])
def test_a_torn_line_affects_no_other(torn: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"skipped": "z", "where": "training"}\n{"step": 1}\n{"step": 2}\n' + torn)
    journal = Journal(tmp_path, is_main=True)
    journal.skipped("data.train", [Skipped("a", "its text is empty")])
    journal.begin([], Position(step=1))
    journal.step(Position(step=2), 0.5, 0.5, {"loss": 1.0}, "")
    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(r.get("step"), r.get("skipped")) for r in records] == [(None, "z"), (1, None), (None, "a"), (2, None)]


def test_another_process_than_the_main_one_leaves_the_log_alone(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 2, "lo')
    Journal(tmp_path, is_main=False).begin([], Position(step=1))
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 2, "lo'

"""The log of a run, across sittings and power cuts."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asr.speech.batches import Skipped
from asr.terminal import SafeConsole
from asr.train import journal as journals
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_named_by_the_log(tmp_path: Path) -> None:
    journal = Journal(tmp_path, is_main=True)
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as caught:
        journal.step(Position(step=1), 0.5, 0.5, {"loss": 1.0}, "")
    assert caught.value.filename == str(tmp_path / "log.jsonl")


def test_a_full_disk_is_named_by_the_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    journal = Journal(tmp_path, is_main=True)
    journal.begin([], Position())
    monkeypatch.setattr(journal, "writer", SimpleNamespace(add_scalar=fail, flush=fail))
    with pytest.raises(OSError, match="No space left on device") as caught, journal.display(1):
        journal.step(Position(step=1, seconds=1.0), 0.5, 0.5, {"loss": 1.0}, "")
    assert caught.value.filename == str(tmp_path / "tensorboard")
    with pytest.raises(ValueError, match="the first error"), journal.display(1):
        raise ValueError("the first error")

    class Writer(threading.Thread):  # TensorBoard's raises the error again in the training's thread
        __module__ = "tensorboard.summary.writer"
        run = fail

    capsys.readouterr()
    for thread in (Writer(), threading.Thread(target=fail)):
        monkeypatch.setattr(threading, "excepthook", journals._quiet_writer)
        thread.start()
        thread.join()
    assert capsys.readouterr().err.count("Traceback") == 1


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_progress_line_fits_into_the_terminal(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, is_main=True)
    output = io.StringIO()
    journal.console = SafeConsole(file=output, force_terminal=True, width=width)
    shown = "teacher 0.123 · loss 2.435 · ctc 2.371 · grad 0.75 · 36× real time"
    with journal.display(400):
        journal.step(Position(step=1, seconds=1.0), 399.5, 0.9, {"loss": 1.0}, shown)
    line = re.sub("\x1b\\[[?0-9;]*[A-Za-z]", "", output.getvalue().replace("\r", "\n")).strip().splitlines()[-1]
    assert line.startswith("epoch 400/400 ")
    assert len(line) <= width
    assert re.search(r" 90 % .*( -:--:--| 0:00:0\d)$", line)
    assert (shown in line) == (width == 200)

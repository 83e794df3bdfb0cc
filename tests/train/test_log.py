"""The log of a run, read while it is written and after it was damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import AsrError, UsageError
from asr.train.log import read_log


def test_a_last_line_may_be_half_written(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"step": 2, "dev_wer": 50.0}\n{"ste', encoding="utf-8")
    assert read_log(tmp_path) == [{"step": 1}, {"step": 2, "dev_wer": 50.0}]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"step": ', "not JSON: Expecting value"),
        (b"\xff\xfe", "utf"),
        (b"[1]", "no JSON object"),
        (b"7", "no JSON object"),
        (b"", "not JSON"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n')
    with pytest.raises(AsrError) as found:
        read_log(tmp_path)
    message = str(found.value)
    assert message.startswith(f"{tmp_path / 'log.jsonl'}:2: damaged (")
    assert problem in message
    assert "\n" not in message


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"log\.jsonl: cannot be read: No such file or directory: is .* the folder of a run\?"):
        read_log(tmp_path)

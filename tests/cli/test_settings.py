"""`--set`: the settings of segmentation and search that have no option of their own."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from asr.cli import app

WALK = Path(__file__).parents[2] / "examples" / "walk.flac"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["transcribe", str(WALK), "--profile", "fast", "--threads", "1", *map(str, arguments)])


def longest_segment(output: Path) -> float:
    return max(s["end"] - s["start"] for s in json.loads(output.read_text(encoding="utf-8"))["segments"])


def test_segments_are_cut_as_they_are_set(tmp_path: Path) -> None:
    lengths = []
    for name, options in (("own", []), ("short", ["--set", "segment.longest_seconds=1.5", "--set", "decode.beam=2"])):
        result = run("--format", "json", "--output-dir", tmp_path / name, *options)
        assert result.exit_code == 0, result.output
        lengths.append(longest_segment(tmp_path / name / "walk.json"))
    assert lengths[1] < 2 < lengths[0]


def test_a_mistake_is_named() -> None:
    result = run("--set", "segment.longest=2")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: segment.longest=2: unknown key: did you mean segment.longest_seconds?\n"

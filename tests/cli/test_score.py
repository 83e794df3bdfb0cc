"""`asr score`: what it prints besides its figures."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from asr.cli import app


def test_an_id_cannot_start_a_line_of_a_note(tmp_path: Path) -> None:
    lines = [{"id": name, "text": "one two"} for name in ("u\nerror: lost", "v")]
    (tmp_path / "ref.json").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (tmp_path / "hyp.json").write_text(json.dumps(lines[1]) + "\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["score", str(tmp_path / "ref.json"), str(tmp_path / "hyp.json")])
    assert result.exit_code == 0
    assert "no hypothesis for id u\\nerror: lost: their words count as deleted" in result.stderr
    assert not any(line.startswith("error") for line in result.stderr.splitlines())

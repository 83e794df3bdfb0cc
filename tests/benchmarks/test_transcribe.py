"""Beside other recognisers: on which clips, how long they are, and what becomes of a system that fails."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from tests_support import ROOT, script


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Its systems say nothing, and take 2 s for it; `asr --profile fast` fails."""
    program = script(ROOT / "benchmarks" / "transcribe.py")

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if command[-1] == "asr --profile fast":
            return subprocess.CompletedProcess(command, 3, "")
        return subprocess.CompletedProcess(command, 0, json.dumps({"start": 1, "seconds": 2, "memory": 3, "texts": [""] * clips}))

    clips = 4
    monkeypatch.setattr(program, "subprocess", type("", (), {"run": staticmethod(run), "PIPE": subprocess.PIPE}))
    return program


def run(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, manifest: Path, utterances: int, *systems: str) -> None:
    arguments = ["--manifest", str(manifest), "--utterances", str(utterances), "--systems", *systems]
    monkeypatch.setattr("sys.argv", ["transcribe.py", *arguments])
    benchmark.main()


def test_lengths_are_measured_where_the_manifest_has_none(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, tones: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in tones[1].read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["audio_filepath"] = str(tones[1].parent / line["audio_filepath"])
    total = sum(line["duration"] for line in lines[:11:3])
    manifest = tmp_path / "dev.json"
    manifest.write_text("".join(json.dumps({**line, "duration": None}) + "\n" for line in lines[:11]), encoding="utf-8")
    run(benchmark, monkeypatch, manifest, 3, "asr")
    said = capsys.readouterr().out
    assert f"4 clips, {total / 60:.1f} min" in said  # every third, since 11 // 3 is 3: one more than was asked for
    assert f" {total / 2:.1f} " in said
    assert "100.00%" in said


def test_a_system_that_fails_does_not_stop_the_others(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, tones: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(benchmark, monkeypatch, tones[1], 4, "asr --profile fast", "asr")
    assert stopped.value.code == 1
    said = capsys.readouterr()
    assert "failed, exit code 3" in said.out
    assert "100.00%" in said.out
    assert said.err == "error: failed: asr --profile fast\n"

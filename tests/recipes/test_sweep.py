"""The weights of the search, tried on speech at the model's own rate, one clip more or less."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from tests_support import recipe_script

from asr.model.checkpoint import load_model, save_model


@pytest.fixture(scope="module")
def sweep() -> ModuleType:
    return recipe_script("librispeech/sweep.py")


def run(sweep: ModuleType, monkeypatch: pytest.MonkeyPatch, model: Path, manifest: Path, *more: str) -> list[list[int]]:
    """The lengths in samples of what is recognised, in each of two combinations."""
    heard: list[list[int]] = []

    def recognize(model, waveforms, config):
        heard.append([len(w) for w in waveforms])
        return waveforms

    monkeypatch.setattr(sweep, "recognize", recognize)
    monkeypatch.setattr(sweep, "best_texts", lambda found: [""] * len(found))
    arguments = ["--model", str(model), "--manifest", str(manifest), "--ctc", "0.2", "0.4", "--lm", "0", *more]
    monkeypatch.setattr("sys.argv", ["sweep.py", *arguments])
    sweep.main()
    return heard


def test_clips_are_resampled_to_the_models_rate(
    sweep: ModuleType, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, tones: tuple[Path, Path], tmp_path: Path
) -> None:
    model = load_model(tiny_folder)
    frontend = model.config.model.frontend.model_copy(update={"sample_rate": 8000, "high_hz": 3800})
    network = model.config.model.model_copy(update={"frontend": frontend})
    save_model(tmp_path / "slow", replace(model, config=model.config.model_copy(update={"model": network})))
    lengths = [sorted(batch) for batch in run(sweep, monkeypatch, tiny_folder, tones[1])]
    slower = [sorted(batch) for batch in run(sweep, monkeypatch, tmp_path / "slow", tones[1])]
    assert len(lengths) == 2
    assert slower == [[pytest.approx(n / 2, abs=1) for n in batch] for batch in lengths]


def test_an_unreadable_clip_is_reported_and_left_out(
    sweep: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tiny_folder: Path,
    tones: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [json.loads(line) for line in tones[1].read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["audio_filepath"] = str(tones[1].parent / line["audio_filepath"])
    lines[3]["audio_filepath"] = str(tmp_path / "gone.wav")
    manifest = tmp_path / "dev.json"
    manifest.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    assert [len(batch) for batch in run(sweep, monkeypatch, tiny_folder, manifest)] == [11, 11]
    said = capsys.readouterr()
    assert said.err == f"left out: {tmp_path / 'gone.wav'}: no such file\n"
    assert "100.00 %" in said.out

    manifest.write_text(json.dumps(lines[3]) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        run(sweep, monkeypatch, tiny_folder, manifest)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {manifest}: no recording of it can be read"


def test_every_must_be_positive(
    sweep: ModuleType, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, tones: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(sweep, monkeypatch, tiny_folder, tones[1], "--every", "0")
    assert stopped.value.code == 2
    assert "--every and --beam must be 1 or more" in capsys.readouterr().err

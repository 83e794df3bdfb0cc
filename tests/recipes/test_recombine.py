"""Recombined speech: the audio contains the words of its text."""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests_support import recipe_script

from asr.config import EMBEDDED
from asr.model.checkpoint import load_model
from asr.speech.audio import load_audio
from asr.speech.manifest import read_manifest

ROOT = Path(__file__).parents[2]
RATE = 1000
recombine = recipe_script("librispeech/recombine.py")


def test_cuts_lie_where_it_is_quietest() -> None:
    samples = np.random.default_rng(0).normal(size=400).astype(np.float32)
    width = int(recombine.QUIET_SECONDS * RATE)
    for start, end in ((50, 90), (0, 400), (380, 399), (5, 30)):
        found = recombine.quietest(samples, start, end, RATE)
        middles = range(max(start, width // 2), min(end, len(samples) - width // 2) + 1)
        power = [np.sum(samples[m - width // 2 : m + width // 2].astype(np.float64) ** 2) for m in middles]
        assert found == middles[int(np.argmin(power))]
    assert recombine.quietest(samples[:10], 4, 6, RATE) == 4  # too short to tell


def test_joints_fade_and_lose_nothing() -> None:
    found = recombine.joined([np.ones(10, np.float32), np.ones(3, np.float32), np.zeros(0, np.float32)], 4)
    assert found.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1, 1, 1, 2 / 3, 1 / 3, 0, 0, 1, 0], abs=1e-6)


def test_a_sentence_is_made_of_its_words_sounds() -> None:
    """Every word is a tone of its own height: the text can be read off the samples."""
    chance, recordings, tone = random.Random(0), [], 1
    for _ in range(12):
        tones = range(tone, tone := tone + chance.randint(2, 9))
        lengths = [chance.randint(80, 500) for _ in tones]
        samples = np.concatenate([np.full(n, height, np.float32) for height, n in zip(tones, lengths, strict=True)])
        samples /= np.sqrt(np.mean(samples**2))  # all are as loud, so that nothing is scaled
        recordings.append(recombine.Recording(samples, tuple(f"W{height}" for height in tones), (0, *np.cumsum(lengths).tolist())))
    height = {word: r.samples[r.cuts[i]] for r in recordings for i, word in enumerate(r.words)}
    made = list(recombine.recombined(recordings, 200, RATE, np.random.default_rng(1)))
    assert sum(len(samples) for samples, _ in made) >= 200 * RATE
    assert len({text for _, text in made}) == len(made)
    for samples, text in made:
        assert len(samples) <= recombine.SECONDS[1] * RATE
        expected = [height[word] for word in text.split()]
        middle = samples[np.abs(np.gradient(samples)) < 1e-6]  # without the fades
        read = [middle[0], *middle[1:][np.diff(middle) != 0]]
        assert read == pytest.approx([v for v, before in zip(expected, [None, *expected], strict=False) if v != before], rel=1e-3)


def test_every_word_keeps_its_sound() -> None:
    """A word is no shorter than the states in which CTC finds it, so that no text is written of what is not there."""
    model = load_model(EMBEDDED)
    examples = read_manifest(ROOT / "manifests" / "example.json", need_text=True)
    utterances = [replace(u, text=(u.text or "").upper()) for u in examples if u.id in ("river", "walk", "window")]
    found = list(recombine.recordings(model, list(recombine.read(utterances, model.config.model.frontend.sample_rate))))
    assert len(found) == len(utterances)
    for recording in found:
        assert len(recording.cuts) == len(recording.words) + 1
        assert np.diff(recording.cuts).min() >= 0.9 * model.config.model.state_seconds * 16_000


def test_real_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    examples = [u for u in read_manifest(ROOT / "manifests" / "example.json", need_text=True) if u.id in ("river", "walk", "window")]
    source, output = tmp_path / "few.json", tmp_path / "mixed"
    lines = [{"audio_filepath": str(u.audio_filepath), "text": (u.text or "").upper(), "speaker": "x/y"} for u in examples]
    lines += [{"audio_filepath": str(tmp_path / "gone.flac"), "text": "GONE", "speaker": "x/y"}, {**lines[0], "speaker": None}]
    source.write_text("".join(json.dumps({k: v for k, v in line.items() if v}) + "\n" for line in lines), encoding="utf-8")
    monkeypatch.setattr(recombine, "LEAST_WORDS", 5)
    monkeypatch.setattr(sys, "argv", ["recombine.py", str(source), "--output", str(output), "--share", "2"])
    recombine.main()
    assert "gone.flac" in capsys.readouterr().err
    made = read_manifest(output / "mixed.json", need_text=True)
    known = {word for u in examples for word in (u.text or "").upper().split()}
    for utterance in made:
        assert set((utterance.text or "").split()) <= known
        assert len(load_audio(utterance.audio_filepath)) == round((utterance.duration or 0) * 16_000)
    written = {path: path.stat().st_mtime_ns for path in output.rglob("*.flac")}
    assert len(written) == len(made) > 0
    recombine.main()  # nothing is done twice
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.flac")} == written
    source.write_text(json.dumps({k: v for k, v in lines[0].items() if k != "speaker"}), encoding="utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        recombine.main()
    assert left.value.code == 2
    assert "few.json: no utterance has a speaker" in capsys.readouterr().err


def few(folder: Path, *more: dict[str, str]) -> Path:
    """A manifest of a speaker with one short utterance, and of whatever else."""
    river = next(u for u in read_manifest(ROOT / "manifests" / "example.json", need_text=True) if u.id == "river")
    path = folder / "few.json"
    lines = [{"audio_filepath": str(river.audio_filepath), "text": (river.text or "").upper(), "speaker": "x"}, *more]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def test_speakers_with_little_speech_are_used_once_and_an_empty_result_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Path] = []
    load = recombine.load_audio
    monkeypatch.setattr(recombine, "load_audio", lambda path, *more, **keys: heard.append(path) or load(path, *more, **keys))
    source, output = few(tmp_path), tmp_path / "mixed"
    monkeypatch.setattr(sys, "argv", ["recombine.py", str(source), "--output", str(output)])
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            recombine.main()
        assert left.value.code == 2
        assert capsys.readouterr().err.startswith(f"error: {source}: nothing was made: no speaker has 80 words")
        assert not (output / "mixed.json").exists()
    assert len(heard) == 1


def test_speakers_without_recordings_yet_are_used_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late = tmp_path / "late.flac"
    window = next(u for u in read_manifest(ROOT / "manifests" / "example.json", need_text=True) if u.id == "window")
    source = few(tmp_path, {"audio_filepath": str(late), "text": (window.text or "").upper(), "speaker": "y"})
    monkeypatch.setattr(recombine, "LEAST_WORDS", 5)
    monkeypatch.setattr(sys, "argv", ["recombine.py", str(source), "--output", str(tmp_path / "mixed")])
    recombine.main()
    assert {u.speaker for u in read_manifest(tmp_path / "mixed" / "mixed.json")} == {"x"}
    assert "left out: " in capsys.readouterr().err
    shutil.copy(window.audio_filepath, late)
    recombine.main()
    assert {u.speaker for u in read_manifest(tmp_path / "mixed" / "mixed.json")} == {"x", "y"}


@pytest.mark.parametrize("share", ["0", "-1", "inf", "nan"])
def test_a_share_of_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], share: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["recombine.py", str(few(tmp_path)), "--output", str(tmp_path / "mixed"), f"--share={share}"])
    with pytest.raises(SystemExit) as left:
        recombine.main()
    assert left.value.code == 2
    assert capsys.readouterr().err == f"error: --share {share}: expected a number above 0\n"

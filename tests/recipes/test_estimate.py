"""What a recipe costs: that the stand-in is like LibriSpeech, the steps are the trainer's, and the sums right."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from tests_support import recipe_script

from asr.config import Config
from asr.config_file import dump_config


@pytest.fixture(scope="module")
def estimate() -> ModuleType:
    return recipe_script("librispeech/estimate.py")


def with_(config: Config, section: str, **changes: object) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=changes)})


def test_noise_is_as_long_and_as_wordy_as_librispeech(estimate: ModuleType, tone_config: Config) -> None:
    data = estimate.noise(with_(tone_config, "tokenizer", vocab_size=5000), 20 * 3600)
    lengths = np.array([e.seconds for e in data.examples])
    tokens = np.array([len(e.tokens) for e in data.examples])
    assert lengths.sum() >= 20 * 3600
    assert lengths.mean() == pytest.approx(12.35, abs=0.15)
    assert lengths.min() > 1.6
    assert lengths.max() <= 17
    assert tokens.sum() / lengths.sum() == pytest.approx(3.33, rel=0.01)
    used = {t for e in data.examples for t in e.tokens}
    assert min(used) == 3  # 0 to 2 are the blank and its like
    assert max(used) == 4999
    assert len(data.read(7)) == int(lengths[7] * 16_000)
    assert np.std(data.read(7)) > 0.01


def test_steps_are_the_longest_utterances_then_batches_of_the_recipe(estimate: ModuleType, tone_config: Config) -> None:
    config = with_(tone_config, "train", batch_seconds=120.0, device_seconds=50.0)
    data = estimate.noise(config, 3600)
    steps = list(itertools.islice(estimate.steps_of(config, data), 200))  # more than an epoch has
    longest = max(range(len(data.examples)), key=lambda i: data.examples[i].seconds)
    assert longest in steps[0][0].examples
    assert [len(shares) for shares in steps[1:]].count(3) > 10  # 120 s are cut into three parts of at most 50
    for shares in steps:
        assert [share.last for share in shares] == [False] * (len(shares) - 1) + [True]
        for share in shares:
            assert len(share.examples) * max(data.examples[i].seconds for i in share.examples) <= 50
    assert {share.epoch for share in steps[0]} == {config.augment.start_epoch}
    first_epoch = [i for shares in steps[1:] for share in shares if share.epoch == 0 for i in share.examples]
    assert sorted(first_epoch) == list(range(len(data.examples)))


def test_rates_are_audio_over_time(estimate: ModuleType, tone_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that goes on by 3 s whenever it is looked at: every step loads for 3 s and trains for 3 s.
    ticks = itertools.count(step=3)
    monkeypatch.setattr(estimate, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    config = with_(tone_config, "train", batch_seconds=40.0)
    data = estimate.noise(config, 300)
    expected = [shares[0].seconds for shares in itertools.islice(estimate.steps_of(config, data), 2, 5)]
    m = estimate.measure(config, data, steps=3)
    assert m.audio_seconds == pytest.approx(sum(expected) / 3)
    assert m.rate == pytest.approx(sum(expected) / 9)
    assert m.loading == pytest.approx(sum(expected) / 9)
    assert 50e6 < m.peak_bytes < 50e9


def test_the_slower_part_decides(estimate: ModuleType) -> None:
    m = estimate.Measurement(steps=20, audio_seconds=100, rate=900, loading=100, precision="fp32", peak_bytes=1)
    assert m.overall(workers=4) == 400
    assert m.overall(workers=12) == 900
    assert m.overall(workers=0) == pytest.approx(90)  # 1/900 + 1/100 s for each second of audio


def test_hours_from_a_known_rate(estimate: ModuleType, tone_config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(tone_config), encoding="utf-8")
    estimate.main([str(recipe), "train.epochs=50", "--hours", "960", "--rate", "1000"])
    assert "48.0 hours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (["train.minutes=90"], "train.minutes=90  1.5 hours"),
        (["train.steps=900"], "900 steps of 400 s at 1000.0  0.1 hours"),
        (["train.steps=90000", "train.minutes=600"], "90000 steps of 400 s at 1000.0  10.0 hours"),
        (["train.steps=9000000", "train.minutes=6000"], "960 h x 50 epochs at 1000.0  48.0 hours"),
    ],
)
def test_the_limit_reached_first_ends_a_run(
    estimate: ModuleType, tone_config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], limits: list[str], expected: str
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(tone_config), encoding="utf-8")
    estimate.main([str(recipe), "train.epochs=50", "train.batch_seconds=400", *limits, "--hours", "960", "--rate", "1000"])
    assert capsys.readouterr().out.strip().startswith(expected)


def test_steps_are_as_long_as_those_that_were_measured(
    estimate: ModuleType, tone_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(with_(tone_config, "train", steps=3600)), encoding="utf-8")
    measured = estimate.Measurement(steps=20, audio_seconds=300, rate=100, loading=1e9, precision="fp32", peak_bytes=1)
    monkeypatch.setattr(estimate, "measure", lambda *_: measured)
    estimate.main([str(recipe), "train.epochs=50", "--hours", "960"])
    assert "3600 steps of 300 s at 100.0  3.0 hours" in capsys.readouterr().out


def test_too_small_a_gpu_is_reported_with_a_smaller_setting(
    estimate: ModuleType, tone_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(estimate, "augment_features", fail)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(tone_config), encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        estimate.main([str(recipe), "train.batch_seconds=80", "train.device_seconds=40", "--hours", "960"])
    assert stopped.value.code == 1
    told = r"error: the GPU's memory is too small for \d+ s of audio at once: train.device_seconds=\d+ takes the same steps in more parts\n"
    assert re.fullmatch(told, capsys.readouterr().err)


def test_report_of_a_measurement_on_recordings(
    estimate: ModuleType, tone_config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(tone_config), encoding="utf-8")
    estimate.main([str(recipe), "--hours", "10", "--steps", "3", "--stand-in", str(tone_config.data.train[0])])
    said = capsys.readouterr().out
    assert re.search(r"3 steps of [56] s in the mean", said)  # tones are short: batches of 6 s are nearly full
    overall, hours = re.search(r"10 h x 3 epochs at ([\d.]+) +([\d.]+) hours", said).groups()  # type: ignore[union-attr]
    assert float(hours) == pytest.approx(30 / float(overall), abs=0.06)


def test_mistakes_are_reported_in_one_line(estimate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        estimate.main([str(tmp_path / "none.yaml"), "--hours", "10"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'none.yaml'}: no such file\n"


def test_no_data_of_the_recipe_are_read_and_progress_is_shown(
    estimate: ModuleType, tone_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = (tmp_path / "nowhere.json",)
    config = with_(with_(tone_config, "augment", noise=nowhere, noise_probability=0.5), "data", train=nowhere, dev=nowhere)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(dump_config(with_(config, "tokenizer", model=tmp_path / "nope.model")), encoding="utf-8")
    monkeypatch.setattr(estimate, "PLAIN_SECONDS", 0.0)
    estimate.main([str(recipe), "train.batch_seconds=30", "--hours", "10", "--steps", "2"])
    said = capsys.readouterr()
    assert "hours on one such device" in said.out
    lines = said.err.splitlines()
    assert len(lines) == 3
    for done, line in enumerate(lines, start=1):
        assert re.fullmatch(rf"measuring: {done} of 4 parts, \d+ s left", line)


def test_a_language_models_recipe_is_refused(estimate: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lm.yaml").write_text("kind: language_model", encoding="utf-8")
    with pytest.raises(SystemExit):
        estimate.main([str(tmp_path / "lm.yaml"), "--hours", "10"])
    assert "lm.yaml: trains a language model" in capsys.readouterr().err

"""How good a model is while it trains, and which of its own texts it is to trust."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from asr.config import Config, DecodeConfig, ModelFolderConfig
from asr.config_file import load_config
from asr.decode.ctc import transcript_scores
from asr.decode.recognize import listen, recognize
from asr.model.checkpoint import load_model
from asr.speech.batches import BatchDataset, Example
from asr.speech.manifest import read_manifest
from asr.train import trainer as training
from asr.train.evaluation import Evaluation, calibrate_bounds, dev_waveform, evaluate
from asr.train.trainer import Trainer

DEFAULT = DecodeConfig()


def test_a_batch_has_the_texts_and_the_evidence_of_its_utterances_alone(tiny_folder: Path, tones: tuple[Path, Path]) -> None:
    model = load_model(tiny_folder)
    torch.manual_seed(0)
    for parameter in model.network.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))  # so that it writes something
    dev = BatchDataset([Example(u, (), u.duration or 0) for u in read_manifest(tones[1])], 16_000, seed=1)
    search = DecodeConfig(beam=3, ctc_weight=0.3)
    expected = []
    texts = []
    for i in range(len(dev)):
        waveform = dev_waveform(dev, i)
        best = recognize(model, [waveform], search)[0][0]
        texts.append(best.text)
        states, lengths = listen(model, [waveform])
        with torch.inference_mode():
            log_probs = model.network.ctc_log_probs(states)
            assert log_probs is not None
            if best.text:
                tokens = best.tokens
                expected.append(float(transcript_scores(log_probs, lengths, [tokens])) / len(tokens))
    assert len(expected) > 3
    found = evaluate(model, dev, search, 5.0, Accelerator(cpu=True))
    assert found.evidence == pytest.approx(expected, abs=1e-3)
    assert found.score.utterances == len(dev)


@pytest.mark.parametrize(
    ("evidence", "bounds"),
    [
        ([-0.5] * 30, (-1.8, -2.2)),  # surer than need be: as it was
        ([-0.5] * 19 + [-2.5], (-1.8, -2.2)),  # one of twenty may be doubted
        ([-0.5] * 90 + [-2.5] * 10, (-2.5, -2.9)),
        ([-3.0] * 19, (-1.8, -2.2)),  # too few to tell
        ([-math.inf] * 30, (-math.log(300), -math.log(300) - 0.4)),  # no evidence is not to be trusted
    ],
)
def test_bounds_are_lowered_until_nearly_all_dev_texts_are_trusted(evidence: list[float], bounds: tuple[float, float]) -> None:
    found = calibrate_bounds(DEFAULT, evidence, pieces=300)
    assert (found.doubtful_below, found.invented_below) == pytest.approx(bounds, abs=0.01)
    assert found.model_copy(update={"doubtful_below": -1.8, "invented_below": -2.2}) == DEFAULT


def test_bounds_of_the_recipes_own_stay() -> None:
    own = DecodeConfig(invented_below=-9.0)
    assert calibrate_bounds(own, [-3.0] * 30, pieces=300) == own


def test_a_finished_model_keeps_the_bounds_and_says_so(
    tone_config: Config, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = training.evaluate

    def unsure(*arguments: Any) -> Evaluation:
        return real(*arguments)._replace(evidence=[-2.4] * 30)

    monkeypatch.setattr(training, "evaluate", unsure)
    config = tone_config.model_copy(update={"train": tone_config.train.model_copy(update={"epochs": 1})})
    folder = Trainer(config).run()
    decode = load_config(ModelFolderConfig, folder / "config.yaml").decode
    assert (decode.doubtful_below, decode.invented_below) == pytest.approx((-2.4, -2.8))
    assert "decode.doubtful_below=-2.40 decode.invented_below=-2.80" in capfd.readouterr().err

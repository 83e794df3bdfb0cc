"""Sections for training: data, optimizer and loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from asr.config.problems import format_value
from asr.config.section import EMBEDDED, Fraction, NonNegativeFloat, NonNegativeInt, Paths, PositiveFloat, PositiveInt, Section


class DataConfig(Section):
    """Training and development speech."""

    train: Paths = ()
    """Manifests to train on."""
    dev: Paths = ()
    """Manifests that select the best checkpoint. They are never trained on."""
    min_seconds: PositiveFloat = 0.1
    """Minimum length of a training utterance (s). Shorter ones are skipped and counted."""
    max_seconds: PositiveFloat = 20.0
    """Maximum length of a training utterance (s). Longer ones are skipped and counted."""
    cache_hours: NonNegativeFloat = 10.0
    """Decoded audio that each process keeps in memory (hours). An hour at 16 kHz takes 0.115 GB, or twice that if float
    samples exceed full scale. The rest is read in every epoch."""
    workers: NonNegativeInt | None = None
    """Loader processes per training process. Default: the spare cores, at most 12, with a GPU; 0 on a CPU."""
    teacher: Paths = ()
    """Folders with a teacher's targets for the utterances of `train`, matched by id (see recipes/librispeech/teacher.py). They are used if
    train.teacher_weight is above 0. Utterances without targets train on their transcripts alone."""


class OptimizerConfig(Section):
    """AdamW, its learning rate schedule, and the length of a run."""

    start_from: Literal["embedded"] | Path | None = None
    """Model folder to fine-tune, or `embedded` for the bundled model. Its weights and tokenizer are used, and its language, network, search
    and segmentation settings where the recipe sets none. Default: random weights."""
    learning_rate: PositiveFloat = 1e-3
    """Learning rate after the warm-up."""
    warmup_steps: NonNegativeInt = 300
    """Steps of linear warm-up."""
    final_learning_rate: NonNegativeFloat = 1e-5
    """Learning rate at the last step, reached along a half cosine."""
    weight_decay: NonNegativeFloat = 1e-2
    """Weight decay of matrices. Biases and norms have none."""
    gradient_clip: PositiveFloat = 5.0
    """Maximum gradient norm."""
    ema_decay: Fraction = 0.999
    """Decay of the moving average of the weights that is evaluated and kept. 0 keeps the raw weights."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of matrix products. auto: bf16 on a GPU that supports it, fp32 elsewhere. Results depend on it, and the run logs its choice."""
    epochs: PositiveInt = 60
    """Passes over the training data."""
    minutes: PositiveFloat | None = None
    """Maximum training time (min), without evaluations and checkpoints. The learning rate schedule is shortened to match."""
    steps: PositiveInt | None = None
    """Maximum number of optimizer steps. The run ends with its epochs, minutes or steps, whichever comes first."""
    checkpoint_minutes: PositiveFloat = 10.0
    """Time between checkpoints (min). Evaluations and Ctrl-C also write one."""
    EMBEDDED: ClassVar[Path]  # the folder that `embedded` names

    @field_validator("start_from", mode="before")
    @classmethod
    def _check_start(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str | Path):
            raise ValueError(f"expected a model's folder or `embedded`, not {format_value(value)}")
        return value

    @property
    def start_folder(self) -> Path | None:
        """Folder of the model that training starts from."""
        return self.EMBEDDED if self.start_from == "embedded" else self.start_from


class TrainConfig(OptimizerConfig):
    """Training of a recogniser."""

    EMBEDDED = EMBEDDED
    start_with: Literal["all", "listener"] = "all"
    """Parts of `start_from` to load: all with its language model, or the listener alone (for another speller or tokenizer)."""
    still_steps: NonNegativeInt = 200
    """With `start_with: listener`, steps at the start in which the listener is frozen while the random speller and CTC head adapt to it."""
    sorted_epochs: NonNegativeInt = 0
    """Epochs at the start that are sorted from short to long utterances (SortaGrad, Amodei et al. 2016)."""
    batch_seconds: PositiveFloat = 120.0
    """Audio per optimizer step, over all processes (s)."""
    device_seconds: PositiveFloat = 1_200.0
    """Audio per forward pass on one device (s). Larger batches accumulate gradients."""
    label_smoothing: Fraction = 0.1
    """Label smoothing of the speller's cross entropy."""
    scheduled_sampling: Fraction = 0.0
    """Fraction of input tokens replaced by samples from the model (Bengio et al. 2015)."""
    teacher_weight: NonNegativeFloat = 0.0
    """Weight of the distance to the targets of data.teacher. Vectors: squared distance per state, in units of their variance. Codes: cross
    entropy per state (nats), averaged over the code books."""
    teacher_layer: PositiveInt | None = None
    """Listener layer that predicts the targets, counted from 1. Default: the last. The finished model does not keep the prediction head."""
    evaluate_epochs: PositiveInt = 5
    """Epochs between evaluations on the dev manifests."""
    keep_best: PositiveInt = 5
    """Best checkpoints to keep, by dev WER. At the end their average is used if it is better than the best."""
    dev_beam: PositiveInt = 4
    """Beam of the evaluations during training, with CTC if above 1. The last evaluation uses `decode`."""

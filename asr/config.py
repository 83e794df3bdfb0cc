"""Every knob of the system, typed, with its unit and its default.

A recipe (`recipes/*/*.yaml`) is a `Config`; a model folder keeps the part of it that describes the
model (`ModelFolderConfig`). Unknown keys and impossible values are refused by name.
"""

from __future__ import annotations

import re
import reprlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Units = Annotated[int, Field(ge=1, le=16_384)]  # dimension of a vector, so a matrix has at most 1 GiB
Layers = Annotated[int, Field(ge=1, le=32)]
Milliseconds = Annotated[float, Field(gt=0, le=200)]  # of a frame
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what fits into the 64 bits that torch has for it
Paths = Annotated[tuple[Path, ...], BeforeValidator(lambda paths: [paths] if isinstance(paths, str | Path) else paths)]  # or one path alone

MOST_BEAM = 1_000  # hypotheses of an utterance
MOST_WEIGHT = 1_000.0  # of a term of the score
MOST_REDUCTION = 64  # feature frames in one listener state

Weight = Annotated[float, Field(ge=0, le=MOST_WEIGHT)]

EMBEDDED = Path(str(files("asr") / "pretrained"))  # the model that comes with the package; its language model is in lm/


class Section(BaseModel):
    """A group of knobs: frozen, and strict about names."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# ---------------------------------------------------------------- the model


class FrontendConfig(Section):
    """Waveform to log-mel features."""

    sample_rate: Annotated[int, Field(ge=1, le=192_000)] = 16_000
    """samples a second (Hz)"""
    mels: Annotated[int, Field(ge=1, le=1_024)] = 80
    """mel bands, the feature dimension F"""
    window_ms: Milliseconds = 25.0
    """length of the Hann window (ms)"""
    hop_ms: Milliseconds = 10.0
    """from one frame to the next (ms)"""
    low_hz: NonNegativeFloat = 20.0
    """lower edge of the lowest band (Hz)"""
    high_hz: PositiveFloat = 7_600.0
    """upper edge of the highest band (Hz)"""
    mean_prior: NonNegativeFloat | None = None
    """seconds that the training data's mean is worth against an utterance's own: every band is centred on the mean of so much of the first
    and all of the second. 0 is the utterance's own mean; none, the training data's alone"""

    @model_validator(mode="after")
    def _bands_fit(self) -> FrontendConfig:
        if not self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise ValueError(f"low_hz < high_hz <= sample_rate / 2 does not hold: {self.low_hz}, {self.high_hz}, {self.sample_rate / 2}")
        return self

    @model_validator(mode="after")
    def _samples_are_there(self) -> FrontendConfig:
        for name, milliseconds, samples in (("window_ms", self.window_ms, self.window), ("hop_ms", self.hop_ms, self.hop)):
            if samples < 1:
                raise ValueError(f"{name} is {milliseconds:g}, which is no whole sample at {self.sample_rate} Hz: usual are 25 and 10 ms")
        return self

    @property
    def window(self) -> int:
        """samples in a window"""
        return round(self.sample_rate * self.window_ms / 1000)

    @property
    def hop(self) -> int:
        """samples from one frame to the next"""
        return round(self.sample_rate * self.hop_ms / 1000)


class ListenerConfig(Section):
    """Features to states: an optional convolutional stem, then BiLSTM layers of which some halve the frame rate."""

    stem_channels: Annotated[tuple[Annotated[int, Field(ge=1, le=4_096)], ...], Field(max_length=8)] = (32, 32)
    """channels of each 3x3 convolution of the stem; empty for no stem"""
    stem_strides: Annotated[tuple[Literal[1, 2], ...], Field(max_length=8)] = (2, 1)
    """stride in time of each convolution (the stride over mel bands is always 2)"""
    hidden: Units = 256
    """units a direction in every BiLSTM layer"""
    pyramid: Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(max_length=32)] = (2, 1, 1)
    """for each BiLSTM layer, how many neighbouring frames are concatenated before it: 2 halves the rate (pBLSTM), 1 keeps it"""
    dropout: Fraction = 0.3
    """after every layer"""

    @model_validator(mode="after")
    def _stem_matches(self) -> ListenerConfig:
        if len(self.stem_channels) != len(self.stem_strides):
            raise ValueError(f"stem_channels and stem_strides differ in length: {len(self.stem_channels)} and {len(self.stem_strides)}")
        if not self.pyramid:
            raise ValueError("pyramid names no layer; at least one is needed")
        if self.reduction > MOST_REDUCTION:
            raise ValueError(f"stem_strides and pyramid put {self.reduction} frames into one state; at most {MOST_REDUCTION} can be")
        return self

    @property
    def reduction(self) -> int:
        """feature frames in one listener state"""
        r = 1
        for factor in (*self.stem_strides, *self.pyramid):
            r *= factor
        return r


class AttentionConfig(Section):
    """How the speller looks at the listener's states."""

    kind: Literal["location", "multihead", "none"] = "location"
    """location: additive, aware of where it looked last (Chorowski et al. 2015); multihead: scaled dot products
    (Vaswani et al. 2017); none: no attention, only the listener's final state (Sutskever et al. 2014)"""
    size: Units = 256
    """dimension in which queries and keys are compared, over all heads"""
    heads: Units = 4
    """multihead only; must divide size"""
    location_channels: Annotated[int, Field(ge=1, le=1_024)] = 10
    """location only: filters over the previous attention weights"""
    location_width: Annotated[int, Field(ge=1, le=2_047)] = 31
    """location only: listener states that a filter spans; odd"""

    @model_validator(mode="after")
    def _divides(self) -> AttentionConfig:
        if self.kind == "multihead" and self.size % self.heads:
            raise ValueError(f"heads ({self.heads}) does not divide size ({self.size})")
        if self.location_width % 2 == 0:
            raise ValueError(f"location_width is {self.location_width}, expected an odd number")
        return self


class SpellerConfig(Section):
    """States to tokens: an LSTM that is fed its own last word and what it last attended to."""

    embedding: Units = 128
    """dimension of a token's embedding"""
    hidden: Units = 256
    """units of each LSTM layer"""
    layers: Layers = 1
    dropout: Fraction = 0.3
    """on embeddings, between layers and before the output layer"""
    input_feeding: bool = True
    """true: every layer sees what was attended to for the token before (Luong et al. 2015). false: the first layer sees the text
    alone and asks, the others see the answers; no step waits for another's attention, so training takes a sentence at once"""


class ModelConfig(Section):
    """The whole network."""

    frontend: FrontendConfig = FrontendConfig()
    listener: ListenerConfig = ListenerConfig()
    attention: AttentionConfig = AttentionConfig()
    speller: SpellerConfig = SpellerConfig()
    ctc_weight: Probability = 0.3
    """share of the CTC loss in training: (1 - w) attention + w CTC; 0 builds no CTC head, 1 trains the listener alone"""

    @property
    def state_seconds(self) -> float:
        """from one listener state to the next (s)"""
        return self.listener.reduction * self.frontend.hop_ms / 1000

    @model_validator(mode="after")
    def _attention_suits_its_neighbours(self) -> ModelConfig:
        if self.attention.kind == "location" and not self.speller.input_feeding:
            raise ValueError(
                "location attention follows its own last step, so it needs speller.input_feeding: choose attention.kind multihead"
            )
        if self.attention.kind == "multihead" and 2 * self.listener.hidden % self.attention.heads:
            raise ValueError(
                f"attention.heads ({self.attention.heads}) does not divide the listener's states, of 2 x listener.hidden ({self.listener.hidden})"
            )
        return self


class TokenizerConfig(Section):
    """The pieces that text is written in."""

    kind: Literal["char", "unigram", "bpe"] = "unigram"
    vocab_size: Annotated[int, Field(ge=4, le=100_000)] = 128
    """pieces, the three special ones included; for `char` an upper bound"""
    model: Path | None = None
    """a trained SentencePiece model to use; without one it is trained on the training transcripts"""


class DecodeConfig(Section):
    """How the best transcript is searched for."""

    beam: Annotated[int, Field(ge=1, le=MOST_BEAM)] = 8
    """hypotheses kept for an utterance; 1, without CTC, language model and bonuses, is greedy search"""
    ctc_weight: Fraction = 0.3
    """share of the CTC prefix score: (1 - w) log p_att + w log p_ctc; needs a model with a CTC head"""
    lm_weight: Weight = 0.0
    """share of the language model: + w log p_lm, end-of-sentence included (shallow fusion); needs a language model"""
    internal_lm: Fraction = 0.5
    """so much of the language model's weight goes to taking off the speller's own, learnt from its few transcripts: - w internal_lm log p_ilm"""
    length_bonus: Annotated[float, Field(ge=-MOST_WEIGHT, le=MOST_WEIGHT)] = 0.0
    """added to the score for every token (nats)"""
    coverage_bonus: Weight = 0.0
    """added for every listener state that has been attended to (nats); see Chorowski and Jaitly 2016"""
    eos_threshold: Annotated[float, Field(ge=1)] | None = None
    """end only where log p(eos) > threshold * log p(best other token); about 1.5 where transcripts end early (Hannun et al. 2019)"""
    max_tokens_per_state: Annotated[float, Field(gt=0, le=100)] = 1.0
    """longest transcript, in tokens for each listener state"""
    doubtful_below: float = -1.8
    """log p_ctc of a transcript, a token (nats), below which it is searched for again and, if need be, marked as doubtful. Of 100 transcripts of
    dev-clean by the embedded model all have -1.3 or more; of 140 of Common Voice five are below -2.0, all of them with 50 errors or more in
    100 words"""
    invented_below: float = -2.2
    """below which it is held back, and JSON alone tells it: over noise that training mixed in, transcripts have -2.8 to -4.8 (100 recordings), and
    over almost silent noise the second search of earlier weights found some with -2.27. `asr train` lowers both bounds, if they are these, for a
    model whose CTC head is less sure, so that it trusts 19 of 20 of the texts that it writes of dev speech"""


class SegmentConfig(Section):
    """How a long recording is cut at its pauses."""

    longest_seconds: PositiveFloat = 18.0
    """speech is cut at the quietest place before it gets longer (s)"""
    join_seconds: NonNegativeFloat = 0.6
    """stretches of speech parted by no longer a pause are heard together (s)"""
    pause_seconds: PositiveFloat = 0.25
    """quiet that ends a stretch of speech (s)"""
    pad_seconds: NonNegativeFloat = 0.2
    """what is kept of the quiet around a segment (s)"""
    edge_seconds: NonNegativeFloat = 1.0
    """quiet kept before and after the speech of a recording of up to `longest_seconds`, which is one segment (s)"""
    shortest_seconds: NonNegativeFloat = 0.1
    """shorter sounds are no speech (s)"""
    threshold: Fraction = 0.5
    """probability from which a frame begins a stretch of speech"""
    hysteresis: Fraction = 0.15
    """the stretch goes on while the probability is no more than so much below the threshold"""


class ModelFolderConfig(Section):
    """`config.yaml` of a model folder."""

    language: str = "en"
    """of the speech: its ISO 639 code, of two letters (en, de), or of three where it has none of two"""
    model: ModelConfig = ModelConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    decode: DecodeConfig = DecodeConfig()

    @field_validator("language", mode="before")
    @classmethod
    def _is_a_code(cls, value: Any) -> Any:
        value = "no" if value is False else value  # Norwegian, as YAML reads it
        if not (isinstance(value, str) and re.fullmatch("[a-z]{2,3}", value)):
            raise ValueError(f"expected the ISO 639 code of a language, such as en, de or fr, not {reprlib.repr(value)}")
        return value


# ---------------------------------------------------------------- the training


class DataConfig(Section):
    """Which speech, and what of it can be used."""

    train: Paths = ()
    """manifests to train on"""
    dev: Paths = ()
    """manifests that choose the best checkpoint; never trained on"""
    min_seconds: PositiveFloat = 0.1
    max_seconds: PositiveFloat = 20.0
    """shorter and longer utterances are left out of training, and counted"""
    cache_hours: NonNegativeFloat = 10.0
    """hours of decoded audio that each process keeps in memory; the rest is read every epoch. An hour at 16 kHz takes 0.115 GB, or twice
    that where float samples exceed full scale"""
    workers: NonNegativeInt | None = None
    """processes that load audio beside each training process; by default as many as there are cores to spare, at most 12, where a GPU
    waits for them, and none on a CPU"""
    teacher: Paths = ()
    """folders of a teacher's targets for the utterances of `train`, by id (recipes/librispeech/teacher.py makes them); used where
    train.teacher_weight is above 0. An utterance without targets is learnt from its transcript alone"""


class AugmentConfig(Section):
    """What is done to the training audio, drawn anew for every utterance and epoch. 0 or empty switches a part off."""

    start_epoch: NonNegativeInt = 0
    """epochs at the start that hear everything as it is, so that CTC may look for its alignments in clean speech"""
    speeds: tuple[PositiveFloat, ...] = (0.9, 1.0, 1.1)
    """speed factors, one drawn for each utterance; pitch moves along (Ko et al. 2015)"""
    gain_db: NonNegativeFloat = 6.0
    """loudness is changed by up to so much, up or down (dB)"""
    noise: Paths = ()
    """manifests of noise recordings"""
    noise_probability: Probability = 0.0
    noise_snr_db: tuple[float, float] = (0.0, 15.0)
    """signal-to-noise ratio, drawn evenly (dB)"""
    warp: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """vocal tract length perturbation: frequencies are scaled by a factor within 1 - warp and 1 + warp, drawn evenly (Jaitly and Hinton 2013)"""
    frequency_masks: NonNegativeInt = 2
    frequency_width: NonNegativeInt = 27
    """mel bands, at most, that one mask hides (SpecAugment, Park et al. 2019)"""
    time_masks: NonNegativeInt = 2
    time_width: NonNegativeInt = 100
    """frames, at most, that one mask hides"""
    time_share: Probability = 0.1
    """nor does one mask hide more than this share of the utterance"""


class OptimizerConfig(Section):
    """AdamW, and the loop around it."""

    start_from: Literal["embedded"] | Path | None = None
    """a model folder whose weights and pieces training starts from (fine-tuning), or `embedded`, the model in the package; what the recipe
    does not say of the language, the network and the search is as it is there. Without it, from random weights"""
    learning_rate: PositiveFloat = 1e-3
    """at the end of the warm-up"""
    warmup_steps: NonNegativeInt = 300
    final_learning_rate: NonNegativeFloat = 1e-5
    """at the last step; the way there is a half cosine"""
    weight_decay: NonNegativeFloat = 1e-2
    gradient_clip: PositiveFloat = 5.0
    """largest norm of the gradient"""
    ema_decay: Fraction = 0.999
    """weights that are evaluated and kept are a moving average with this decay; 0 for the raw weights"""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """of the matrix products. auto: bf16 on a GPU that computes in it, fp32 elsewhere. The result depends on it: name it where a result must be
    repeated on another machine. The run prints and logs the one it uses. bf16 on a CPU trains more slowly than fp32"""
    epochs: PositiveInt = 60
    minutes: PositiveFloat | None = None
    """time to train in (min): the learning rate falls as fast as it must to end in it, and so does the run, if its epochs are not over before.
    Evaluations and checkpoints are not counted. How far a run comes then depends on the machine"""
    steps: PositiveInt | None = None
    """optimizer steps to train for, likewise: the run ends with its epochs, its minutes or its steps, whichever are over first"""
    checkpoint_minutes: PositiveFloat = 10.0
    """time between two checkpoints; one is also written at every evaluation and on Ctrl-C (min)"""
    EMBEDDED: ClassVar[Path]  # the folder that `embedded` stands for

    @field_validator("start_from", mode="before")
    @classmethod
    def _names_a_model(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, str | Path):
            raise ValueError(f"expected a model's folder or `embedded`, not {reprlib.repr(value)}")
        return value

    @property
    def start_folder(self) -> Path | None:
        """The folder of the model that training starts from."""
        return self.EMBEDDED if self.start_from == "embedded" else self.start_from


class TrainConfig(OptimizerConfig):
    """The loop."""

    EMBEDDED = EMBEDDED
    start_with: Literal["all", "listener"] = "all"
    """what of `start_from` is taken over: all, its language model too, or the listener alone, for a speller of other pieces or another kind"""
    still_steps: NonNegativeInt = 200
    """with `start_with: listener`, so many steps at the start leave the listener as it is, while the speller and the CTC head learn to read its
    states: gradients through random weights would spoil it"""
    sorted_epochs: NonNegativeInt = 0
    """so many epochs at the start go from short utterances to long ones (SortaGrad, Amodei et al. 2016)"""
    batch_seconds: PositiveFloat = 120.0
    """audio in one step of the optimizer, over all processes (s)"""
    device_seconds: PositiveFloat = 1_200.0
    """audio that one device takes at once; larger shares are accumulated (s)"""
    label_smoothing: Fraction = 0.1
    scheduled_sampling: Fraction = 0.0
    """share of target tokens replaced by the model's own while training (Bengio et al. 2015)"""
    teacher_weight: NonNegativeFloat = 0.0
    """weight of the distance to the targets of data.teacher, added to the loss of a token: for vectors the squared distance of a listener state,
    in units of their variance; for codes the cross entropy of a state (nats), averaged over the code books"""
    teacher_layer: PositiveInt | None = None
    """listener layer whose states a linear head maps to the targets, from 1; by default the last. The finished model has no such head"""
    evaluate_epochs: PositiveInt = 5
    """epochs between two evaluations on the dev manifests"""
    keep_best: PositiveInt = 5
    """checkpoints kept by dev WER, and averaged at the end if the average is better"""
    dev_beam: PositiveInt = 4
    """beam of the evaluations while training, above 1 with CTC as in `decode`: greedy attention alone is far behind while a model is young, and may loop
    for longer. The last evaluation uses `decode`"""


class Config(ModelFolderConfig):
    """A recipe: everything `asr train` needs to know."""

    output: Path = Path("runs/las")
    """folder for checkpoints, logs and the finished model"""
    seed: Seed = 1
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _ctc_is_there(self) -> Config:
        if self.model.ctc_weight == 0 and self.decode.ctc_weight > 0:
            raise ValueError("decode.ctc_weight needs a CTC head, and model.ctc_weight is 0: set both to 0 or both above")
        if self.model.ctc_weight == 1:
            raise ValueError("model.ctc_weight is 1, which would never train the speller: choose less")
        if self.train.scheduled_sampling > 0 and not self.model.speller.input_feeding:
            raise ValueError("train.scheduled_sampling goes token by token, so it needs model.speller.input_feeding")
        return self

    @model_validator(mode="after")
    def _teacher_is_there(self) -> Config:
        layers = len(self.model.listener.pyramid)
        if self.train.teacher_weight and not self.data.teacher:
            raise ValueError("train.teacher_weight is above 0, and data.teacher names no targets: name a folder, or set the weight to 0")
        if self.train.teacher_layer and self.train.teacher_layer > layers:
            raise ValueError(
                f"train.teacher_layer is {self.train.teacher_layer}, and the listener has {layers} layers (model.listener.pyramid)"
            )
        return self

    def folder_config(self) -> ModelFolderConfig:
        """The part that a finished model keeps."""
        pieces = self.tokenizer.model_copy(update={"model": None})
        return ModelFolderConfig(language=self.language, model=self.model, tokenizer=pieces, decode=self.decode)


# ---------------------------------------------------------------- the language model


class LanguageModelConfig(Section):
    """An LSTM over the speller's pieces."""

    embedding: Units = 256
    """dimension of a token's embedding"""
    hidden: Units = 896
    """units of each LSTM layer"""
    layers: Layers = 1
    dropout: Fraction = 0.1
    """on embeddings, between layers and before the output layer"""


class TextConfig(Section):
    """Which text."""

    train: Paths = ()
    """text files, a sentence a line, plain or .gz, or manifests (.json, .jsonl)"""
    dev: Paths = ()
    """the same; perplexity on it chooses the best weights"""
    max_tokens: PositiveInt = 200
    """longer sentences are cut here, and the rest is not learnt"""


class LMTrainConfig(OptimizerConfig):
    """The loop."""

    EMBEDDED = EMBEDDED / "lm"
    epochs: PositiveInt = 4
    batch_tokens: PositiveInt = 8_192
    """tokens in one step of the optimizer, padding counted, over all processes"""
    evaluate_steps: PositiveInt = 1_000
    """steps between two evaluations on the dev text"""


class LMFolderConfig(Section):
    """`config.yaml` of a language model's folder."""

    kind: Literal["language_model"]
    """tells it from a recogniser's"""
    model: LanguageModelConfig = LanguageModelConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()


class LMRecipe(LMFolderConfig):
    """A recipe for a language model: everything `asr train` needs to know."""

    output: Path = Path("runs/lm")
    """folder for checkpoints, logs and the finished model"""
    seed: Seed = 1
    data: TextConfig = TextConfig()
    train: LMTrainConfig = LMTrainConfig()

    def folder_config(self) -> LMFolderConfig:
        """The part that a finished model keeps."""
        return LMFolderConfig(kind=self.kind, model=self.model, tokenizer=self.tokenizer.model_copy(update={"model": None}))

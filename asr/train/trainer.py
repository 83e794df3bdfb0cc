"""Training of a recogniser, from a recipe to a model folder. Read `Trainer._train` from top to bottom.

All random draws depend on the seed and on the position of the run, so a run that was killed and resumed ends with the weights of one that
was not.

Shapes: B utterances, N samples, T frames, F mel bands.
"""

from __future__ import annotations

import contextlib
import copy
import math
from dataclasses import replace
from pathlib import Path

import torch
from accelerate.utils import gather_object
from torch import nn
from torch.utils.data import DataLoader

from asr.config import Config, DecodeConfig
from asr.decode.attention import attention_picture
from asr.errors import AsrError, ConfigError
from asr.model.checkpoint import (
    LM,
    TEXT,
    TOKENIZER,
    WORDS,
    TrainedModel,
    load_lm,
    load_model,
    load_weights,
    load_words,
    read_tensors,
    save_model,
)
from asr.model.las import LAS
from asr.model.run_folder import WEIGHTS
from asr.speech.augment import WaveformAugmenter, augment_features
from asr.speech.batches import Batch, BatchDataset, BatchSampler, Flawed, Skipped, TeacherRows
from asr.train.card import model_card
from asr.train.device import enough_memory, from_rank_0, loading_processes
from asr.train.evaluation import calibrate_bounds, dev_waveform, evaluate
from asr.train.examples import digest, encode_utterances, no_usable, read_utterances, select_trainable
from asr.train.folder import best_folder, delete_best_except, missing_best
from asr.train.journal import computed
from asr.train.learner import Learner
from asr.train.run import Run, explained_mismatch, step_seed
from asr.train.session import Session
from asr.train.signals import Interruption, ignore_signals
from asr.train.state import Position
from asr.train.teacher import Student, check_targets, read_targets, recogniser


class Trainer(Run[Config]):
    """Training of a recogniser. `run` trains and returns the folder of the finished model."""

    MAY_CHANGE = frozenset({
        "data.cache_hours", "data.workers", "train.checkpoint_minutes", "train.evaluate_epochs", "train.keep_best", "train.dev_beam",
        "train.device_seconds",
    })  # fmt: skip

    def __init__(self, config: Config, restart: bool = False, finish: bool = False):
        super().__init__(config, restart, finish)
        for what, skipped in self._skipped.items():
            self.journal.skipped(what, skipped)

    def _prepare(self, restart: bool) -> None:
        config = self.config
        train, dev = read_utterances(config.data.train, "data.train"), read_utterances(config.data.dev, "data.dev")
        start = self._start_model()
        whole = start if config.train.start_with == "all" else None
        given = whole / TOKENIZER if whole else config.tokenizer.model
        self.tokenizer = self._make_tokenizer(restart, given, lambda: [u.text or "" for u in train])
        torch.manual_seed(config.seed)
        self.network = LAS(config.model, len(self.tokenizer))
        if start:
            parts = None if whole else ("frontend", "listener")
            with explained_mismatch(config, start, parts):
                load_weights(self.network, read_tensors(start / WEIGHTS), start / WEIGHTS, parts)
        self.teacher = read_targets(config)
        self.student = Student(self.network, self.teacher, config.train.teacher_layer) if self.teacher else self.network
        lm = whole / LM if whole and config.decode.lm_weight else None
        self.lm = load_lm(lm, self.accelerator.device) if lm and lm.is_dir() else None
        self.restorer = whole / TEXT if whole and (whole / TEXT).is_dir() else None
        words = whole / WORDS if whole and config.decode.words_weight else None
        self.words = load_words(words, self.tokenizer, self.accelerator.device) if words and words.is_file() else None
        augmenter = WaveformAugmenter(config.augment, config.model.frontend.sample_rate)
        (readable, unreadable), (dev_examples, dev_unreadable) = from_rank_0(
            self.accelerator, lambda: (encode_utterances(train, self.tokenizer), encode_utterances(dev, self.tokenizer))
        )
        examples, unfit = select_trainable(readable, self.network, self.tokenizer, config.data, augmenter.fastest)
        self._skipped = {"data.train": unreadable + unfit, "data.dev": dev_unreadable}
        for what, usable, utterances in (("data.train", examples, train), ("data.dev", dev_examples, dev)):
            if not usable:
                raise no_usable(what, utterances, self._skipped[what], unreadable=what == "data.dev" or not unfit)
        rate = config.model.frontend.sample_rate
        self.teacher_note = check_targets(self.teacher, examples, config.data.teacher) if self.teacher else ""
        self.data = BatchDataset(examples, rate, config.seed, augmenter, self.teacher)
        self.dev = BatchDataset(dev_examples, rate, config.seed)
        self.workers = loading_processes(config, augmenter.slowest, self.accelerator.num_processes)

    def _train(self) -> Position:
        config, accelerator = self.config.train, self.accelerator
        self._cache_audio()
        network = self.student.to(accelerator.device)
        average = copy.deepcopy(network)
        learner = Learner(network, average, config)
        position = self._resume(learner, lambda: self._start(network, average))
        if position.examples not in ("", examples := digest(self.data.examples)):
            self.journal.say("the training data have changed: this epoch repeats some utterances and skips others")
        position.examples = examples
        model = accelerator.prepare_model(network)
        self._begin([*self._introduction(), *self._deletions(position)], position)

        sampler = BatchSampler(
            self.data.examples, config.batch_seconds, config.device_seconds, self.config.seed, config.epochs,
            accelerator.process_index, accelerator.num_processes, position.epoch, position.step_in_epoch, config.sorted_epochs,
        )  # fmt: skip
        loader = DataLoader(
            self.data, batch_size=None, sampler=sampler, num_workers=self.workers, pin_memory=accelerator.device.type == "cuda",
            multiprocessing_context="fork" if self.workers else None,  # loader processes share the cached audio
            worker_init_fn=ignore_signals,
        )  # fmt: skip
        sums = torch.zeros(5, device=accelerator.device)  # four losses, and the number of utterances that were not read completely
        skipped: list[Skipped] = []
        flawed: list[Flawed] = []
        still_steps = config.still_steps if config.start_from and config.start_with == "listener" else 0

        with Interruption(accelerator.is_main_process) as interruption, self.journal.display(config.epochs):
            if position.step == 0 and config.start_from and config.start_with == "all":
                self._evaluate(recogniser(average), position)  # the initial weights are kept if training improves nothing
            session = Session(self.folder, learner, position, accelerator, interruption, self.finish_only)
            if self.finish_only and position.step not in {step for _, step in position.best}:
                self._evaluate(recogniser(average), position)
                session.finish_step(evaluated=True)
            for batch in loader if not session.over else ():
                part = batch.part
                network.train()
                torch.manual_seed(step_seed(self.config.seed, position.step, accelerator.process_index, sum(part.examples)))
                memory = enough_memory(len(batch.waveforms), batch.waveforms.shape[1] / self.data.sample_rate)
                with memory, contextlib.nullcontext() if part.last else accelerator.no_sync(model):
                    sums[:4] += self._backward(model, batch)
                skipped += batch.skipped
                flawed += batch.flawed
                sums[4] += len(batch.skipped) + len(batch.flawed)
                if not part.last:
                    continue

                epochs = part.epoch + part.step / part.steps
                progress = session.progress(epochs)
                if position.step < still_steps:
                    for parameter in self.network.listener.parameters():
                        parameter.grad = None
                norm = self._step(learner, position, progress)

                *losses, distance, unreadable = session.record_step(part.epoch, part.step, part.steps, part.seconds, sums)
                sums.zero_()
                if unreadable:
                    self.journal.skipped("training", gather_object(skipped))
                    self.journal.flawed("training", gather_object(flawed))
                    skipped.clear()
                    flawed.clear()
                total, attention, ctc = (loss / part.tokens for loss in losses)
                figures = {
                    "loss": total, "attention_loss": attention, "ctc_loss": ctc, "gradient_norm": norm,
                    "learning_rate": learner.learning_rate, "audio_seconds": part.seconds,
                }  # fmt: skip
                shown = f"loss {total:.3f} · ctc {ctc:.3f} · grad {norm:.2f} · {position.heard / position.seconds:.0f}× real time"
                if self.teacher:
                    figures["teacher_distance"] = distance / part.seconds
                    shown = f"teacher {distance / part.seconds:.3f} · {shown}"
                self.journal.step(position, epochs, progress, figures, shown)

                evaluated = session.over or (position.step_in_epoch == 0 and position.epoch % config.evaluate_epochs == 0)
                if evaluated:
                    self._evaluate(recogniser(average), position)
                session.finish_step(evaluated)
                if session.over:
                    break
            session.finish()
        return position

    def _backward(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Accumulate the gradients of one part of a step.

        Returns:
            (4,) sums of its losses. The last is the distance to the teacher times the seconds per state.
        """
        device = self.accelerator.device
        features, frames = self.network.frontend(batch.waveforms.to(device, non_blocking=True), batch.samples.to(device))
        if batch.part.epoch >= self.config.augment.start_epoch:
            features = augment_features(features, frames, batch.draws.to(device), self.config.augment, self.network.frontend.config)
        inputs = (
            features, frames, batch.targets.to(device), batch.target_lengths.to(device),
            self.config.train.label_smoothing, self.config.train.scheduled_sampling,
        )  # fmt: skip
        # Gradients are averaged over processes, and the loss of a step is the mean over all its tokens.
        scale = batch.weight * self.accelerator.num_processes / batch.part.tokens
        if batch.teacher is None or not isinstance(self.student, Student):
            losses = model(*inputs)
            self.accelerator.backward(losses.total * scale)
            return torch.stack([*losses, torch.zeros_like(losses.total)]).detach() * batch.weight
        losses = model(TeacherRows(*(t.to(device) for t in batch.teacher)), *inputs)
        distance = losses.distance * self.student.state_seconds  # its loss is the mean over the seconds of the step
        weight = self.config.train.teacher_weight * batch.weight * self.accelerator.num_processes / batch.part.seconds
        self.accelerator.backward(losses.total * scale + distance * weight)
        return torch.stack([*losses[:3], distance]).detach() * batch.weight

    # ------------------------------------------------------------ before the loop

    def _introduction(self) -> list[str]:
        examples, config = self.data.readable, self.config.train
        hours, millions = sum(e.seconds for e in examples) / 3600, sum(p.numel() for p in self.network.parameters()) / 1e6
        skipped = f", {self.journal.skips['data.train']} skipped" if self.journal.skips["data.train"] else ""
        lines = [f"training on {len(examples)} utterances ({hours:.2f} h{skipped}), {millions:.1f} M parameters, {config.epochs} epochs"]
        if (processes := self.accelerator.num_processes) > 1:
            lines.append(f"on {processes} processes, {config.batch_seconds:g} s of audio a step over all of them")
        if self.teacher_note:
            lines.append(f"{self.teacher_note}, weight {config.teacher_weight:g}")
        return lines

    def _deletions(self, position: Position) -> list[str]:
        """Return a line if `train.keep_best` was lowered, so that weights will be deleted."""
        kept, keep = len(position.best), self.config.train.keep_best
        if self.finish_only or kept <= keep:
            return []
        return [
            f"train.keep_best={keep}: the next evaluation deletes {kept - keep} or more of the {kept} weights in {self.folder / 'best'}"
        ]

    def _cache_audio(self) -> None:
        """Read recordings into memory, and skip unreadable ones."""
        for what, data in (("data.dev", self.dev),) if self.finish_only else (("data.train", self.data), ("data.dev", self.dev)):
            results = self.journal.track(data.remember(self.config.data.cache_hours), f"reading {what}", len(data))
            # A recording that is unreadable on one process is skipped on all.
            unreadable: dict[int, Skipped] = dict(
                gather_object([(i, found) for i, found in enumerate(results) if isinstance(found, Skipped)])
            )
            flawed = dict(gather_object([(i, found) for i, found in enumerate(results) if isinstance(found, Flawed)]))
            self.journal.flawed(what, list(flawed.values()))
            self.journal.skipped(what, list(unreadable.values()))
            if len(unreadable) == len(data):
                raise no_usable(what, [e.utterance for e in data.examples], list(unreadable.values()), unreadable=True)
            # Training examples stay in the plan of the epochs, which must not depend on the size of the cache.
            data.drop(unreadable) if data is self.dev else data.exclude(unreadable)

    def _fit_normalisation(self) -> None:
        """Fit the mean and deviation of each mel band on up to 500 training utterances."""
        frontend = self.network.frontend
        total = torch.zeros(frontend.config.mels, dtype=torch.float64)
        squares, frames = torch.zeros_like(total), 0
        for i in range(0, len(self.data.examples), math.ceil(len(self.data.examples) / 500)):
            with contextlib.suppress(AsrError):
                waveform = torch.from_numpy(self.data.read(i))[None].to(frontend.mean.device)
                features = frontend.log_mel(waveform)[0].double().cpu()
                total += features.sum(0)
                squares += features.square().sum(0)
                frames += len(features)
        if not frames:
            raise ConfigError("data.train: no recording could be read")
        frontend.fit(total, squares, frames)

    def _start(self, network: nn.Module, average: nn.Module) -> Position:
        """Start a new run."""
        if not self.config.train.start_from:
            self._fit_normalisation()
        average.load_state_dict(network.state_dict())
        return Position()

    # ------------------------------------------------------------ at intervals

    def _evaluate(self, average: LAS, position: Position) -> None:
        """Measure the dev WER of the averaged weights, and keep them if they are among the best."""
        beam = self.config.train.dev_beam
        final = self.config.decode  # its length bonus compensates for the language model, so this search uses neither
        quick = DecodeConfig(
            beam=beam,
            ctc_weight=final.ctc_weight if beam > 1 else 0.0,
            eos_threshold=final.eos_threshold,
            max_tokens_per_state=final.max_tokens_per_state,
        )
        model = self._trained(average)
        result = evaluate(model, self.dev, quick, self.config.train.device_seconds, self.accelerator).score
        wer = round(100 * result.words.rate, 4)
        is_best = bool(position.best) and wer < position.best[0][0]
        keep = len(position.best) + 1 if self.finish_only else self.config.train.keep_best  # --finish deletes nothing
        best = sorted([*position.best, (wer, position.step)], key=lambda b: (b[0], -b[1]))[:keep]
        kept = {step for _, step in best}
        if self.accelerator.is_main_process:
            first = dev_waveform(self.dev, 0)
            picture = attention_picture(model, first, self.dev.examples[0].tokens) if len(first) else None
            cer = 100 * result.characters.rate
            shown = f"dev WER {wer:.2f} % · CER {cer:.2f} %{' (best so far)' if is_best else ''}"
            self.journal.evaluation(position, {"dev_wer": wer, "dev_cer": cer}, shown, picture)
            if position.step in kept:
                save_model(best_folder(self.folder, position.step), model)
        position.best = best  # on every rank, since all load them at the end

    def _finish(self, position: Position) -> Path:
        """Choose the best checkpoint or the average of the best, by dev WER with the final search, and write the model folder."""
        self.accelerator.wait_for_everyone()
        steps = from_rank_0(self.accelerator, lambda: self._loadable_best(position))
        if not steps:
            raise missing_best(self.folder)
        candidates = [self._load_best(step) for step in steps[: self.config.train.keep_best]]
        choices = {f"the checkpoint of step {steps[0]}": _mean(candidates[:1])}
        if len(candidates) > 1:
            choices[f"the average of the best {len(candidates)} checkpoints"] = _mean(candidates)
        models = {name: replace(self._trained(network), lm=self.lm, words=self.words) for name, network in choices.items()}
        results = {}
        for name, model in models.items():
            results[name] = evaluate(model, self.dev, model.search, self.config.train.device_seconds, self.accelerator)
            self.journal.say(f"{name}: dev WER {100 * results[name].score.words.rate:.2f} % with beam {self.config.decode.beam}")
        name = min(results, key=lambda n: results[n].score.words.rate)
        decode = calibrate_bounds(self.config.decode, results[name].evidence, len(self.tokenizer))
        if decode != self.config.decode:
            self.journal.say(
                f"its CTC head is less certain than the bundled model's, so 19 of 20 dev texts set the bounds: "
                f"decode.doubtful_below={decode.doubtful_below:.2f} decode.invented_below={decode.invented_below:.2f}"
            )
        if self.accelerator.is_main_process:
            config = models[name].config.model_copy(update={"decode": decode})
            card = model_card(
                self.config,
                name,
                results[name].score,
                self.data.readable,
                position,
                self.lm is not None,
                computed(self.journal.computations),
            )
            save_model(self.folder / "model", replace(models[name], config=config, card=card), half=True, restorer=self.restorer)
            delete_best_except({step for _, step in position.best}, self.folder)
        self.accelerator.wait_for_everyone()
        return self.folder / "model"

    def _loadable_best(self, position: Position) -> list[int]:
        """Return the steps of the kept weights that can be loaded, best first, and report the others."""
        steps = []
        for _, step in position.best:
            try:
                self._load_best(step)
            except AsrError as e:
                self.journal.say(f"{'; '.join(str(e).splitlines())}: these weights are skipped")
            else:
                steps.append(step)
        return steps

    def _load_best(self, step: int) -> LAS:
        return load_model(best_folder(self.folder, step), self.accelerator.device).network

    def _trained(self, network: LAS) -> TrainedModel:
        return TrainedModel(network, self.tokenizer, self.config.folder_config())


def _mean(networks: list[LAS]) -> LAS:
    """Return a network with the mean weights of `networks`, rounded to the 16 bits in which they are saved, so that they are evaluated as saved."""
    states = [network.state_dict() for network in networks]
    mean = {name: torch.stack([s[name] for s in states]).mean(0).half() for name in states[0]}
    result = LAS(networks[0].config, networks[0].vocabulary).to(networks[0].frontend.mean.device).eval()
    result.load_state_dict(mean)
    return result

"""The training loop, from a recipe to a model folder.

Read `Trainer._train` from top to bottom. Everything drawn at random depends on the seed and on where the run stands, so a run
that was killed and resumed ends with the weights of one that was not.

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
    TOKENIZER,
    WEIGHTS,
    TrainedModel,
    load_lm,
    load_model,
    load_weights,
    read_tensors,
    save_model,
)
from asr.model.las import LAS
from asr.speech.augment import WaveformAugmenter, augment_features
from asr.speech.batches import Batch, BatchDataset, BatchSampler, Skipped, TeacherRows
from asr.train.card import model_card
from asr.train.evaluation import dev_waveform, evaluate, trusting
from asr.train.examples import digest, measured, read_utterances, trainable
from asr.train.folder import FolderLock, best_folder, claim_folder, drop_all_but, no_best, open_folder
from asr.train.journal import Journal, computed
from asr.train.learner import Learner
from asr.train.loading import loading_processes
from asr.train.memory import enough_memory
from asr.train.run import check_pieces, computation, from_main, make_accelerator, remarks, run_tokenizer, step_seed
from asr.train.signals import Interruption, ignore_signals
from asr.train.sitting import Sitting
from asr.train.state import Place
from asr.train.teacher import Student, bare, check_targets, read_targets


class Trainer:
    """One run: a config, its data, its network, and the folder that they live in."""

    def __init__(self, config: Config, restart: bool = False):
        self.accelerator = make_accelerator(config.train.precision)
        self.config, self.folder = config, config.output
        self.lock = FolderLock(self.folder, self.accelerator)
        with self.lock.released_on_error():
            if self.accelerator.is_main_process:
                open_folder(config, restart, MAY_CHANGE, self.lock)
            self._prepare(restart)

    def _prepare(self, restart: bool) -> None:
        """Read the data, build the network, and claim the folder."""
        config = self.config
        train, dev = read_utterances(config.data.train, "data.train"), read_utterances(config.data.dev, "data.dev")
        start = config.train.start_folder
        whole = start if config.train.start_with == "all" else None
        self.named_pieces = whole / TOKENIZER if whole else config.tokenizer.model
        self.tokenizer = run_tokenizer(config, restart, self.named_pieces, self.accelerator, lambda: [u.text or "" for u in train])
        torch.manual_seed(config.seed)
        self.network = LAS(config.model, len(self.tokenizer))
        if start:
            load_weights(self.network, read_tensors(start / WEIGHTS), start / WEIGHTS, None if whole else ("frontend", "listener"))
        self.teacher = read_targets(config)
        self.student = Student(self.network, self.teacher, config.train.teacher_layer) if self.teacher else self.network
        lm = whole / LM if whole and config.decode.lm_weight else None
        self.lm = load_lm(lm, self.accelerator.device) if lm and lm.is_dir() else None
        augmenter = WaveformAugmenter(config.augment, config.model.frontend.sample_rate)
        (readable, unreadable), (dev_examples, dev_unreadable) = from_main(
            self.accelerator, lambda: (measured(train, self.tokenizer), measured(dev, self.tokenizer))
        )
        examples, unfit = trainable(readable, self.network, self.tokenizer, config.data, augmenter.fastest)
        for what, usable, left_out in (("data.train", examples, unreadable + unfit), ("data.dev", dev_examples, dev_unreadable)):
            if not usable:
                more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
                raise ConfigError(f"no utterance of {what} can be used: {left_out[0].id}: {left_out[0].reason}{more}")
        rate = config.model.frontend.sample_rate
        self.taught = check_targets(self.teacher, examples, config.data.teacher) if self.teacher else ""
        self.data = BatchDataset(examples, rate, config.seed, augmenter, self.teacher)
        self.dev = BatchDataset(dev_examples, rate, config.seed)
        self.workers = loading_processes(config, augmenter.slowest, self.accelerator.num_processes)

        # The last: a mistake in what is asked for harms no run.
        claim_folder(config, restart, MAY_CHANGE, self.tokenizer, self.accelerator, self.lock)
        self.journal = Journal(self.folder, self.accelerator.is_main_process)
        self.journal.skipped("data.train", unreadable + unfit)
        self.journal.skipped("data.dev", dev_unreadable)

    def run(self) -> Path:
        """Train, or go on training, to the end; returns the folder of the finished model.

        Raises Interrupted after Ctrl-C or SIGTERM, with a checkpoint written.
        """
        with self.lock:
            return self._finish(self._train())

    def _train(self) -> Place:
        """The loop, from where the run stands to its end."""
        config, accelerator = self.config.train, self.accelerator
        self._remember_audio()
        network = self.student.to(accelerator.device)
        average = copy.deepcopy(network)
        learner = Learner(network, average, config)
        place = learner.resume(self.folder, accelerator, self.journal.say) or self._start(network, average)
        if place.examples not in ("", plan := digest(self.data.examples)):
            self.journal.say("the training data are not what they were: of this epoch some is heard twice and some not at all")
        place.examples = plan
        check_pieces(place, self.tokenizer, self.folder)
        place.best = [b for b in place.best if best_folder(self.folder, b[1]).is_dir()]
        model = accelerator.prepare_model(network)
        self.journal.begin(self._introduction(), place, computation(accelerator))

        sampler = BatchSampler(
            self.data.examples, config.batch_seconds, config.device_seconds, self.config.seed, config.epochs,
            accelerator.process_index, accelerator.num_processes, place.epoch, place.step_in_epoch, config.sorted_epochs,
        )  # fmt: skip
        loader = DataLoader(
            self.data, batch_size=None, sampler=sampler, num_workers=self.workers, pin_memory=accelerator.device.type == "cuda",
            multiprocessing_context="fork" if self.workers else None,  # they share the audio that is remembered
            worker_init_fn=ignore_signals,
        )  # fmt: skip
        sums = torch.zeros(5, device=accelerator.device)  # four losses, and how many utterances could not be read
        skipped: list[Skipped] = []
        still_steps = config.still_steps if config.start_from and config.start_with == "listener" else 0

        with Interruption(accelerator.is_main_process) as interruption, self.journal.display(config.epochs):
            if place.step == 0 and config.start_from and config.start_with == "all":
                self._evaluate(bare(average), place)  # what it starts from is kept if nothing better comes of it
            sitting = Sitting(self.folder, learner, place, accelerator, interruption)
            for batch in loader if not sitting.over else ():
                share = batch.share
                network.train()
                # One seed for each step and process: no random state to save, none to lose.
                torch.manual_seed(step_seed(self.config.seed, place.step, accelerator.process_index, sum(share.examples)))
                memory = enough_memory(len(batch.waveforms), batch.waveforms.shape[1] / self.data.sample_rate)
                with memory, contextlib.nullcontext() if share.last else accelerator.no_sync(model):
                    sums[:4] += self._backward(model, batch)
                skipped += batch.skipped
                sums[4] += len(batch.skipped)
                if not share.last:
                    continue

                epochs = share.epoch + share.step / share.steps
                progress = sitting.progress(epochs)
                if place.step < still_steps:
                    for parameter in self.network.listener.parameters():
                        parameter.grad = None
                norm = learner.step(place.step, progress)
                if not math.isfinite(norm):
                    self.journal.say(f"step {place.step}: left out, its gradient is not finite")

                *losses, unread = sitting.stepped(share.epoch, share.step, share.steps, share.seconds, sums)
                sums.zero_()
                if unread:
                    self.journal.skipped("training", gather_object(skipped))
                    skipped.clear()
                *losses, distance = losses
                total, attention, ctc = (loss / share.tokens for loss in losses)
                figures = {
                    "loss": total, "attention_loss": attention, "ctc_loss": ctc, "gradient_norm": norm,
                    "learning_rate": learner.learning_rate, "audio_seconds": share.seconds,
                }  # fmt: skip
                shown = f"loss {total:.3f} · ctc {ctc:.3f} · grad {norm:.2f} · {place.heard / place.seconds:.0f}× real time"
                if self.teacher:
                    figures["teacher_distance"] = distance / share.seconds
                    shown = f"teacher {distance / share.seconds:.3f} · {shown}"
                self.journal.step(place, epochs, progress, figures, shown)

                evaluated = sitting.over or (place.step_in_epoch == 0 and place.epoch % config.evaluate_epochs == 0)
                if evaluated:
                    self._evaluate(bare(average), place)
                sitting.end_step(evaluated)
                if evaluated and accelerator.is_main_process:  # that no checkpoint names
                    drop_all_but(learner.best_steps(self.folder), self.folder)
                if sitting.over:
                    break
            sitting.end()
        return place

    def _backward(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Gradients of one share; returns the sums of its losses (4,), the last the distance to the teacher times the seconds of a state."""
        device = self.accelerator.device
        features, frames = self.network.frontend(batch.waveforms.to(device, non_blocking=True), batch.samples.to(device))
        if batch.share.epoch >= self.config.augment.start_epoch:
            features = augment_features(features, frames, batch.dice.to(device), self.config.augment, self.network.frontend.config)
        inputs = (
            features, frames, batch.targets.to(device), batch.target_lengths.to(device),
            self.config.train.label_smoothing, self.config.train.scheduled_sampling,
        )  # fmt: skip
        # Processes' gradients are averaged, and the loss of a step is a mean over all its tokens.
        scale = batch.weight * self.accelerator.num_processes / batch.share.tokens
        if batch.teacher is None or not isinstance(self.student, Student):
            losses = model(*inputs)
            self.accelerator.backward(losses.total * scale)
            return torch.stack([*losses, torch.zeros_like(losses.total)]).detach() * batch.weight
        losses = model(TeacherRows(*(t.to(device) for t in batch.teacher)), *inputs)
        distance = losses.distance * self.student.state_seconds  # the teacher's share is a mean over the seconds of the step
        weight = self.config.train.teacher_weight * batch.weight * self.accelerator.num_processes / batch.share.seconds
        self.accelerator.backward(losses.total * scale + distance * weight)
        return torch.stack([*losses[:3], distance]).detach() * batch.weight

    # ------------------------------------------------------------ before the loop

    def _introduction(self) -> list[str]:
        examples, config = self.data.readable, self.config.train
        hours, millions = sum(e.seconds for e in examples) / 3600, sum(p.numel() for p in self.network.parameters()) / 1e6
        left_out = f", {self.journal.skips['data.train']} left out" if self.journal.skips["data.train"] else ""
        lines = [f"training on {len(examples)} utterances ({hours:.2f} h{left_out}), {millions:.1f} M parameters, {config.epochs} epochs"]
        if (processes := self.accelerator.num_processes) > 1:
            lines.append(f"on {processes} processes, {config.batch_seconds:g} s of audio a step over all of them")
        if self.taught:
            lines.append(f"{self.taught}, weight {config.teacher_weight:g}")
        return lines + remarks(self.config, self.tokenizer, self.named_pieces, self.accelerator) + self.lock.remarks

    def _remember_audio(self) -> None:
        for what, data in (("data.train", self.data), ("data.dev", self.dev)):
            results = self.journal.track(data.remember(self.config.data.cache_hours), f"reading {what}", len(data))
            # What any process could not read none uses.
            unreadable: dict[int, Skipped] = dict(gather_object([(i, skipped) for i, skipped in enumerate(results) if skipped]))
            self.journal.skipped(what, list(unreadable.values()))
            if len(unreadable) == len(data):
                raise ConfigError(f"{what}: no recording could be read")
            # Of the training data they keep their places in the plan: how much is remembered must not change it.
            data.drop(unreadable) if data is self.dev else data.give_up(unreadable)

    def _fit_normalisation(self) -> None:
        """Mean and deviation of each mel band over up to 500 training utterances."""
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

    def _start(self, network: nn.Module, average: nn.Module) -> Place:
        """The beginning of a run."""
        if not self.config.train.start_from:
            self._fit_normalisation()
        average.load_state_dict(network.state_dict())
        return Place()

    # ------------------------------------------------------------ at intervals

    def _evaluate(self, average: LAS, place: Place) -> None:
        """Dev WER of the averaged weights; keeps them if they are among the best."""
        beam = self.config.train.dev_beam
        final = self.config.decode  # of which bonuses for length make up for the language model, and stay away with it
        quick = DecodeConfig(
            beam=beam,
            ctc_weight=final.ctc_weight if beam > 1 else 0.0,
            eos_threshold=final.eos_threshold,
            max_tokens_per_state=final.max_tokens_per_state,
        )
        model = self._trained(average)
        result = evaluate(model, self.dev, quick, self.config.train.device_seconds, self.accelerator).score
        wer = round(100 * result.words.rate, 4)
        best = sorted([*place.best, (wer, place.step)], key=lambda b: (b[0], -b[1]))[: self.config.train.keep_best]
        kept = {step for _, step in best}
        if self.accelerator.is_main_process:
            first = dev_waveform(self.dev, 0)
            picture = attention_picture(model, first, self.dev.examples[0].tokens) if len(first) else None
            cer = 100 * result.characters.rate
            shown = f"dev WER {wer:.2f} % · CER {cer:.2f} %{' (best so far)' if best[0][1] == place.step else ''}"
            self.journal.evaluation(place, {"dev_wer": wer, "dev_cer": cer}, shown, picture)
            if place.step in kept:
                save_model(best_folder(self.folder, place.step), model)
        place.best = best  # on every process alike: at the end all load them

    def _finish(self, place: Place) -> Path:
        """Choose between the best checkpoint and the average of the best, by dev WER with the final search; write the model folder."""
        self.accelerator.wait_for_everyone()
        steps = from_main(self.accelerator, lambda: self._whole_best(place))
        if not steps:
            raise no_best(self.folder)
        candidates = [self._load_best(step) for step in steps]
        choices = {f"the checkpoint of step {steps[0]}": _mean(candidates[:1])}
        if len(candidates) > 1:
            choices[f"the average of the best {len(candidates)} checkpoints"] = _mean(candidates)
        models = {name: replace(self._trained(network), lm=self.lm) for name, network in choices.items()}
        results = {}
        for name, model in models.items():
            results[name] = evaluate(model, self.dev, model.search, self.config.train.device_seconds, self.accelerator)
            self.journal.say(f"{name}: dev WER {100 * results[name].score.words.rate:.2f} % with beam {self.config.decode.beam}")
        name = min(results, key=lambda n: results[n].score.words.rate)
        decode = trusting(self.config.decode, results[name].evidence, len(self.tokenizer))
        if decode != self.config.decode:
            self.journal.say(
                f"its CTC head is less sure than the embedded model's: decode.doubtful_below={decode.doubtful_below:.2f} "
                f"decode.invented_below={decode.invented_below:.2f}, by which 19 of 20 dev texts are trusted"
            )
        if self.accelerator.is_main_process:
            config = models[name].config.model_copy(update={"decode": decode})
            card = model_card(
                self.config, name, results[name].score, self.data.readable, place, self.lm is not None, computed(self.journal.computations)
            )
            save_model(self.folder / "model", replace(models[name], config=config, card=card), half=True)
            drop_all_but({step for _, step in place.best}, self.folder)
        self.accelerator.wait_for_everyone()
        return self.folder / "model"

    def _whole_best(self, place: Place) -> list[int]:
        """The steps of the kept weights that can be loaded, best first. Reports the others."""
        steps = []
        for _, step in place.best:
            try:
                self._load_best(step)
            except AsrError as e:
                self.journal.say(f"{'; '.join(str(e).splitlines())}: these weights are left out")
            else:
                steps.append(step)
        return steps

    def _load_best(self, step: int) -> LAS:
        return load_model(best_folder(self.folder, step), self.accelerator.device).network

    def _trained(self, network: LAS) -> TrainedModel:
        return TrainedModel(network, self.tokenizer, self.config.folder_config())


MAY_CHANGE = {  # when a run goes on: how often it is looked at, and what fits in memory
    "data.cache_hours", "data.workers", "train.checkpoint_minutes", "train.evaluate_epochs", "train.keep_best", "train.dev_beam",
    "train.device_seconds",
}  # fmt: skip


def _mean(networks: list[LAS]) -> LAS:
    """A network whose weights are the mean of others', rounded to the 16 bits that they are kept in: what is measured is what is kept."""
    states = [network.state_dict() for network in networks]
    mean = {name: torch.stack([s[name] for s in states]).mean(0).half() for name in states[0]}
    result = LAS(networks[0].config, networks[0].vocabulary).to(networks[0].frontend.mean.device).eval()
    result.load_state_dict(mean)
    return result

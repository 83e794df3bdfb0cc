"""The training loop, from a recipe to a model folder.

Read `Trainer.run` from top to bottom. Everything drawn at random depends on the seed and on where the run stands, so a run
that was killed and resumed ends with the weights of one that was not.

Shapes: B utterances, N samples, T frames, F mel bands.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader

from asr.config import Config, DecodeConfig
from asr.config_file import dump_config, load_config
from asr.errors import AsrError, ConfigError
from asr.files import write_atomically
from asr.model.checkpoint import TOKENIZER, WEIGHTS, TrainedModel, load_model, load_weights, read_tensors, save_model
from asr.model.las import LAS
from asr.speech.augment import WaveformAugmenter, augment_features
from asr.speech.batches import Batch, BatchDataset, BatchSampler
from asr.text.tokenizer import Tokenizer
from asr.train.card import model_card
from asr.train.evaluation import attention_picture, evaluate
from asr.train.examples import measured, read_utterances, trainable
from asr.train.journal import Journal, Measurement
from asr.train.schedule import learning_rate
from asr.train.signals import Interruption
from asr.train.state import MovingAverage, Place, load_state, save_state

STATES_KEPT = 2  # checkpoints to resume from: the newest, and the one before in case of damage


class Interrupted(AsrError):
    """Training was asked to stop, and has left a checkpoint to go on from."""

    exit_code = 130


class Trainer:
    """One run: a config, its data, its network, and the folder that they live in."""

    def __init__(self, config: Config, restart: bool = False):
        bf16 = config.train.precision == "bf16" or (
            config.train.precision == "auto" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        )
        # Told that there is no GPU, accelerate joins several processes by gloo; otherwise each would train alone.
        self.accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=not torch.cuda.is_available())
        self.config, self.folder = config, config.output
        self.journal = Journal(self.folder, self.accelerator.is_main_process)
        if self.accelerator.is_main_process:
            self._claim_folder(restart)
        self.accelerator.wait_for_everyone()

        train, dev = read_utterances(config.data.train, "data.train"), read_utterances(config.data.dev, "data.dev")
        self.tokenizer = self._tokenizer([u.text or "" for u in train])
        torch.manual_seed(config.seed)
        self.network = LAS(config.model, len(self.tokenizer))
        if config.train.start_from:
            load_weights(self.network, read_tensors(config.train.start_from / WEIGHTS), config.train.start_from / WEIGHTS)
        augmenter = WaveformAugmenter(config.augment, config.model.frontend.sample_rate)
        readable, unreadable = measured(train, self.tokenizer)
        examples, unfit = trainable(readable, self.network, config.data, augmenter.fastest)
        dev_examples, dev_unreadable = measured(dev, self.tokenizer)
        self.journal.skipped("data.train", unreadable + unfit)
        self.journal.skipped("data.dev", dev_unreadable)
        if not examples or not dev_examples:
            raise ConfigError(f"no utterance of {'data.dev' if examples else 'data.train'} can be used")
        rate = config.model.frontend.sample_rate
        self.data = BatchDataset(examples, rate, config.seed, augmenter)
        self.dev = BatchDataset(dev_examples, rate, config.seed)

    def run(self) -> Path:
        """Train, or go on training, to the end; returns the folder of the finished model.

        Raises Interrupted after Ctrl-C or SIGTERM, with a checkpoint written.
        """
        config, accelerator = self.config.train, self.accelerator
        self._remember_audio()
        network = self.network.to(accelerator.device)
        average = LAS(self.config.model, len(self.tokenizer)).to(accelerator.device)
        averaging = MovingAverage(network, average, config.ema_decay)
        optimizer = torch.optim.AdamW(_decayed(network, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98))
        place = self._start(network, averaging, optimizer)
        model = accelerator.prepare_model(network)
        self.journal.begin(self.config, place, network, self.data.examples, accelerator.num_processes)

        sampler = BatchSampler(
            self.data.examples, config.batch_seconds, config.device_seconds, self.config.seed, config.epochs,
            accelerator.process_index, accelerator.num_processes, place.epoch, place.step_in_epoch, config.sorted_epochs,
        )  # fmt: skip
        loader = DataLoader(
            self.data, batch_size=None, sampler=sampler, num_workers=self.config.data.workers,
            pin_memory=accelerator.device.type == "cuda", persistent_workers=False,
        )  # fmt: skip
        last_checkpoint = clock = time.monotonic()
        sums = torch.zeros(3, device=accelerator.device)

        with Interruption() as interruption, self.journal.display(config.epochs):
            for batch in loader:
                share = batch.share
                network.train()
                # One seed for each step and process: no random state to save, none to lose.
                torch.manual_seed(_seed(self.config.seed, place.step, accelerator.process_index, sum(share.examples)))
                with contextlib.nullcontext() if share.last else accelerator.no_sync(model):
                    sums += self._backward(model, batch)
                self.journal.skipped("training", list(batch.skipped))
                if not share.last:
                    continue

                progress = (share.epoch + share.step / share.steps) / config.epochs
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(place.step, progress, config)
                norm = nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
                if torch.isfinite(norm):
                    optimizer.step()
                    averaging.update(place.step)
                else:
                    self.journal.say(f"step {place.step}: left out, its gradient is not finite")
                optimizer.zero_grad(set_to_none=True)

                now = time.monotonic()
                place.step += 1
                place.seconds, clock = place.seconds + now - clock, now
                place.audio_seconds += share.seconds
                ends_epoch = share.step + 1 == share.steps
                place.epoch, place.step_in_epoch = (share.epoch + 1, 0) if ends_epoch else (share.epoch, share.step + 1)
                # One exchange between the processes: their losses, and what any of them wants to do next.
                wishes = torch.tensor([interruption.asked, now - last_checkpoint > 60 * config.checkpoint_minutes], device=sums.device)
                *losses, stop, due = accelerator.reduce(torch.cat([sums, wishes.to(sums)]), "sum").tolist()
                sums.zero_()
                total, attention, ctc = (loss / share.tokens for loss in losses)
                rate = optimizer.param_groups[0]["lr"]
                self.journal.step(place, progress, Measurement(total, attention, ctc, float(norm), rate, share.seconds))

                evaluated = ends_epoch and (place.epoch % config.evaluate_epochs == 0 or place.epoch == config.epochs)
                if evaluated:
                    self._evaluate(average, place)
                if evaluated or stop or due:
                    self._save(network, average, optimizer, place)
                    last_checkpoint = time.monotonic()
                if stop:
                    raise Interrupted(f"stopped at step {place.step}; the same command goes on from there")
                clock = time.monotonic()
        return self._finish(place)

    def _backward(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Gradients of one share; returns the sums of its three losses (3,)."""
        device = self.accelerator.device
        features, frames = self.network.frontend(batch.waveforms.to(device, non_blocking=True), batch.samples.to(device))
        features = augment_features(features, frames, batch.dice.to(device), self.config.augment)
        losses = model(
            features, frames, batch.targets.to(device), batch.target_lengths.to(device),
            self.config.train.label_smoothing, self.config.train.scheduled_sampling,
        )  # fmt: skip
        # Processes' gradients are averaged, and the loss of a step is a mean over all its tokens.
        scale = batch.weight * self.accelerator.num_processes / batch.share.tokens
        self.accelerator.backward(losses.total * scale)
        return torch.stack(losses).detach() * batch.weight

    # ------------------------------------------------------------ before the loop

    def _claim_folder(self, restart: bool) -> None:
        """Make the run's folder ours: new, emptied on request, or with a run of the same config in it.

        What a run left that never came to a checkpoint (a mistyped path, say) binds nobody.
        """
        record = self.folder / "config.yaml"
        if restart:
            for name in ("states", "best", "model", "tensorboard"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            for name in ("config.yaml", "tokenizer.model", "log.jsonl"):
                (self.folder / name).unlink(missing_ok=True)
        if not any((self.folder / "states").glob("step-*")):
            (self.folder / "tokenizer.model").unlink(missing_ok=True)
        elif record.is_file():
            before, now = (c.model_dump(mode="json") for c in (load_config(Config, record), self.config))
            changed = [
                f"{a}.{b}" for a in ("model", "tokenizer", "data", "augment", "train") for b in now[a] if before[a].get(b) != now[a][b]
            ]
            changed = [key for key in changed if key not in RESUMABLE] + ["seed"] * (before["seed"] != now["seed"])
            if changed:
                raise ConfigError(
                    f"{self.folder}: holds a run with another {', '.join(changed)}: choose another folder with output=DIR, or begin anew with --restart"
                )
        write_atomically(record, dump_config(self.config))

    def _tokenizer(self, texts: list[str]) -> Tokenizer:
        """The run's own, the one the config names, or one learnt from the training text."""
        path = self.folder / "tokenizer.model"
        if self.accelerator.is_main_process and not path.is_file():
            start = self.config.train.start_from
            named = start / TOKENIZER if start else self.config.tokenizer.model
            tokenizer = Tokenizer.load(named) if named else Tokenizer.train(texts, self.config.tokenizer)
            write_atomically(path, tokenizer.serialized)
        self.accelerator.wait_for_everyone()
        return Tokenizer.load(path)

    def _remember_audio(self) -> None:
        for what, data in (("data.train", self.data), ("data.dev", self.dev)):
            results = self.journal.track(data.remember(self.config.data.cache_hours), f"reading {what}", len(data))
            self.journal.skipped(what, [s for s in results if s])
            data.drop([i for i, s in enumerate(results) if s])
            if not data.examples:
                raise ConfigError(f"{what}: no recording could be read")

    def _fit_normalisation(self) -> None:
        """Mean and deviation of each mel band over up to 500 training utterances."""
        frontend = self.network.frontend
        total = torch.zeros(frontend.config.mels, dtype=torch.float64)
        squares, frames = torch.zeros_like(total), 0
        for i in range(0, len(self.data.examples), max(1, len(self.data.examples) // 500)):
            with contextlib.suppress(AsrError):
                waveform = torch.from_numpy(self.data.read(i))[None].to(frontend.mean.device)
                features = frontend.log_mel(waveform)[0].double().cpu()
                total += features.sum(0)
                squares += features.square().sum(0)
                frames += len(features)
        if not frames:
            raise ConfigError("data.train: no recording could be read")
        frontend.fit(total, squares, frames)

    def _start(self, network: nn.Module, averaging: MovingAverage, optimizer: torch.optim.Optimizer) -> Place:
        """Go back to the newest checkpoint, or begin."""
        states = sorted((self.folder / "states").glob("step-*"))
        if states:
            return load_state(states[-1], network, averaging.average, optimizer)
        if not self.config.train.start_from:
            self._fit_normalisation()
        averaging.average.load_state_dict(network.state_dict())
        return Place()

    # ------------------------------------------------------------ at intervals

    def _save(self, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, place: Place) -> None:
        if self.accelerator.is_main_process:
            folder = self.folder / "states"
            try:
                save_state(folder / f"step-{place.step:08d}", network, average, optimizer, place)
            except OSError as e:
                kept = sorted(folder.glob("step-*"))
                still = f"; {kept[-1]} is whole, and the same command goes on from it" if kept else ""
                raise AsrError(f"{e.filename}: checkpoint not written: {e.strerror}{still}") from None
            for old in sorted(folder.glob("step-*"))[:-STATES_KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def _evaluate(self, average: LAS, place: Place) -> None:
        """Dev WER of the averaged weights; keeps them if they are among the best."""
        quick = DecodeConfig(
            beam=self.config.train.dev_beam, ctc_weight=self.config.decode.ctc_weight if self.config.train.dev_beam > 1 else 0.0
        )
        model = self._trained(average)
        result = evaluate(model, self.dev, quick, self.config.train.device_seconds, self.accelerator)
        wer = round(100 * result.words.rate, 4)
        best = sorted([*place.best, (wer, place.step)], key=lambda b: (b[0], -b[1]))[: self.config.train.keep_best]
        kept = {step for _, step in best}
        if self.accelerator.is_main_process:
            picture = attention_picture(model, torch.from_numpy(self.dev.read(0)), self.dev.examples[0].tokens)
            self.journal.evaluation(place, result, picture)
            if place.step in kept:
                save_model(self.folder / "best" / f"step-{place.step:08d}", model)
            for folder in (self.folder / "best").glob("step-*"):
                if int(folder.name.removeprefix("step-")) not in kept:
                    shutil.rmtree(folder, ignore_errors=True)
        place.best = best  # on every process alike: at the end all load them

    def _finish(self, place: Place) -> Path:
        """Choose between the best checkpoint and the average of the best, by dev WER with the final search; write the model folder."""
        self.accelerator.wait_for_everyone()
        candidates = [self._load_best(step) for _, step in place.best]
        choices = {f"the checkpoint of step {place.best[0][1]}": _mean(candidates[:1])}
        if len(candidates) > 1:
            choices[f"the average of the best {len(candidates)} checkpoints"] = _mean(candidates)
        results = {}
        for name, network in choices.items():
            results[name] = evaluate(
                self._trained(network), self.dev, self.config.decode, self.config.train.device_seconds, self.accelerator
            )
            self.journal.say(f"{name}: dev WER {100 * results[name].words.rate:.2f} % with beam {self.config.decode.beam}")
        name = min(results, key=lambda n: results[n].words.rate)
        if self.accelerator.is_main_process:
            card = model_card(self.config, name, results[name], self.data.examples, place)
            save_model(self.folder / "model", TrainedModel(choices[name], self.tokenizer, self.config.folder_config(), card), half=True)
        self.accelerator.wait_for_everyone()
        return self.folder / "model"

    def _load_best(self, step: int) -> LAS:
        return load_model(self.folder / "best" / f"step-{step:08d}", self.accelerator.device).network

    def _trained(self, network: LAS) -> TrainedModel:
        return TrainedModel(network, self.tokenizer, self.config.folder_config())


RESUMABLE = {  # keys that may change when a run goes on: how often it is looked at, and what fits in memory
    "data.cache_hours", "data.workers", "train.checkpoint_minutes", "train.evaluate_epochs", "train.keep_best", "train.dev_beam",
    "train.device_seconds", "data.dev",
}  # fmt: skip


def _seed(*numbers: int) -> int:
    """One seed out of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _decayed(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Parameter groups: weight matrices decay, biases and norms do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]


def _mean(networks: list[LAS]) -> LAS:
    """A network whose weights are the mean of others', rounded to the 16 bits that they are kept in: what is measured is what is kept."""
    states = [network.state_dict() for network in networks]
    mean = {name: torch.stack([s[name] for s in states]).mean(0).half() for name in states[0]}
    result = LAS(networks[0].config, networks[0].vocabulary).to(networks[0].frontend.mean.device).eval()
    result.load_state_dict(mean)
    return result

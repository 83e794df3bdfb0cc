"""Training of a language model, from a recipe to a model folder. Read `LMTrainer._train` from top to bottom.

Shapes: B sentences, L tokens.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from asr.config import LMRecipe
from asr.model.checkpoint import TOKENIZER, TrainedLM, load_lm, load_weights, read_tensors, save_lm
from asr.model.kinds import build_language_model
from asr.model.lm import LanguageModel
from asr.model.run_folder import WEIGHTS
from asr.train.card import command_line
from asr.train.folder import best_folder, delete_best_except, missing_best
from asr.train.journal import computed
from asr.train.learner import Learner
from asr.train.run import Run, explained_mismatch, step_seed
from asr.train.sentences import Sentences, SentenceSampler, read_sentences
from asr.train.session import Session
from asr.train.signals import Interruption
from asr.train.state import Position
from asr.version import version


class LMTrainer(Run[LMRecipe]):
    """Training of a language model. `run` trains and returns the folder of the finished model."""

    MAY_CHANGE = frozenset({"train.checkpoint_minutes", "train.evaluate_steps"})

    def _prepare(self, restart: bool) -> None:
        config = self.config
        train, dev = read_sentences(config.data.train, "data.train"), read_sentences(config.data.dev, "data.dev")
        start = self._start_model()
        self.tokenizer = self._make_tokenizer(restart, start / TOKENIZER if start else config.tokenizer.model, lambda: train)
        self.data = Sentences(train, self.tokenizer, config.data.max_tokens, "data.train")
        self.dev = Sentences(dev, self.tokenizer, max_tokens=1_000_000, what="data.dev")
        torch.manual_seed(config.seed)
        self.network = build_language_model(len(self.tokenizer), config.model)
        if start:
            with explained_mismatch(config, start):
                load_weights(self.network, read_tensors(start / WEIGHTS), start / WEIGHTS)

    def _train(self) -> Position:
        config, accelerator, device = self.config.train, self.accelerator, self.accelerator.device
        network = self.network.to(device)
        average = build_language_model(len(self.tokenizer), self.config.model).to(device)
        average.load_state_dict(network.state_dict())
        learner = Learner(network, average, config)
        position = self._resume(learner, Position)
        model = accelerator.prepare_model(network)
        self._begin(self._introduction(), position)
        sampler = SentenceSampler(self.data, config.batch_tokens, self.config.seed, config.epochs, position.epoch, position.step_in_epoch)

        with Interruption(accelerator.is_main_process) as interruption, self.journal.display(config.epochs):
            if position.step == 0 and config.start_from:
                self._evaluate(average, position)  # the initial weights are kept if training improves nothing
            session = Session(self.folder, learner, position, accelerator, interruption, self.finish_only)
            if self.finish_only and position.step not in {step for _, step in position.best}:
                self._evaluate(average, position)
                session.finish_step(evaluated=True)
            for epoch, step, steps, batch in sampler if not session.over else ():
                network.train()
                torch.manual_seed(step_seed(self.config.seed, position.step, accelerator.process_index))
                # Every process takes part of the batch, and gradients are averaged. A process without a sentence must take part in the
                # exchange, so it computes another's with a loss of zero.
                part = batch[accelerator.process_index :: accelerator.num_processes]
                tokens = int(self.data.lengths[batch].sum())
                sentences, lengths = (x.to(device) for x in self.data.batch(part or batch[:1]))
                loss = model(sentences, lengths).sum() * bool(part)
                accelerator.backward(loss * (accelerator.num_processes / tokens))

                epochs = epoch + step / steps
                progress = session.progress(epochs)
                norm = self._step(learner, position, progress)
                (total,) = session.record_step(epoch, step, steps, tokens, loss.detach()[None])
                figures = {"loss": total / tokens, "gradient_norm": norm, "learning_rate": learner.learning_rate}
                shown = f"loss {total / tokens:.3f} · grad {norm:.2f} · {position.heard / position.seconds / 1000:.0f} k tokens a second"
                self.journal.step(position, epochs, progress, figures, shown)

                evaluated = session.over or position.step % config.evaluate_steps == 0
                if evaluated:
                    self._evaluate(average, position)
                session.finish_step(evaluated)
                if session.over:
                    break
            session.finish()
        return position

    def _introduction(self) -> list[str]:
        data, millions = self.data, sum(p.numel() for p in self.network.parameters()) / 1e6
        truncated = f", {data.truncated} truncated to {self.config.data.max_tokens} tokens" if data.truncated else ""
        parts = {"data.train": data, "data.dev": self.dev}
        return [
            *(
                f"{name}: {part.skipped} sentences skipped, with characters that are not in the vocabulary"
                for name, part in parts.items()
                if part.skipped
            ),
            f"training on {len(data)} sentences ({data.words / 1e6:.2f} M words, {data.total / 1e6:.2f} M tokens{truncated}), "
            f"{millions:.1f} M parameters, {self.config.train.epochs} epochs",
        ]

    def _evaluate(self, average: LanguageModel, position: Position) -> None:
        """Measure the perplexity of the averaged weights on the dev text, and keep them if they are the best."""
        nats = negative_log_likelihood(average, self.dev, self.config.train.batch_tokens)
        words, pieces = perplexity(nats, self.dev.words + len(self.dev)), perplexity(nats, self.dev.total)
        first = not position.best
        best = first or words < position.best[0][0]
        shown = f"dev perplexity {words:.1f} a word, {pieces:.2f} a piece{' (best so far)' if best and not first else ''}"
        self.journal.evaluation(position, {"dev_perplexity": words, "dev_piece_perplexity": pieces}, shown)
        if best:
            position.best = [(words, position.step)]
            if self.accelerator.is_main_process:
                save_lm(best_folder(self.folder, position.step), self._trained(average))

    def _finish(self, position: Position) -> Path:
        """Write the best weights, rounded to the 16 bits in which they are saved, with a card."""
        self.accelerator.wait_for_everyone()
        if not position.best:
            raise missing_best(self.folder)
        if self.accelerator.is_main_process:
            network = load_lm(best_folder(self.folder, position.best[0][1]), self.accelerator.device).network
            network.load_state_dict({name: tensor.half() for name, tensor in network.state_dict().items()})
            nats = negative_log_likelihood(network, self.dev, self.config.train.batch_tokens)
            words = perplexity(nats, self.dev.words + len(self.dev))
            self.journal.say(f"the weights of step {position.best[0][1]}: dev perplexity {words:.1f} a word")
            save_lm(self.folder / "model", self._trained(network, self._card(position, words)), half=True)
            delete_best_except({step for _, step in position.best}, self.folder)
        self.accelerator.wait_for_everyone()
        return self.folder / "model"

    def _trained(self, network: LanguageModel, card: str = "") -> TrainedLM:
        return TrainedLM(network, self.tokenizer, self.config.folder_config(), card)

    def _card(self, position: Position, words: float) -> str:
        config, data, dev = self.config, self.data, self.dev
        names = [", ".join(f"`{p.name}`" for p in paths) for paths in (config.data.train, config.data.dev)]
        return f"""# Model card

A language model, trained with `las-asr` {version()} for the search of a speech recogniser of the same pieces.

| | |
|---|---|
| training text | {names[0]}: {len(data)} sentences, {data.words} words |
| development text | {names[1]}: {len(dev)} sentences, {dev.words} words; chooses the weights |
| dev perplexity | {words:.1f} a word, end-of-sentence counted |
| network | {config.model.description}, {len(self.tokenizer)} pieces |
| command | `{command_line()}` |
| started from | {f"`{config.train.start_from}`" if config.train.start_from else "random weights"} |
| training | {position.heard / data.total:.2f} epochs, {position.step} steps, {position.seconds / 60:.0f} min, seed {config.seed} |
| precision | {computed(self.journal.computations)} (`train.precision: {config.train.precision}`) |
"""


@torch.inference_mode()
def negative_log_likelihood(network: LanguageModel, sentences: Sentences, batch_tokens: int) -> float:
    """Return -log p of all sentences together, EOS included (nats)."""
    network.eval()
    device = next(network.parameters()).device
    plan = SentenceSampler(sentences, batch_tokens, seed=0, epochs=1).plan(0)
    return sum(float(network(*(x.to(device) for x in sentences.batch(batch))).double().sum()) for batch in plan)


def perplexity(nats: float, count: int) -> float:
    """Return e to the power of the mean over `count` words or tokens."""
    return math.exp(min(nats / count, 700.0))

"""Training of a text restorer, from a recipe to a model folder. Read `RestorerTrainer._train` from top to bottom.

Shapes: B windows, W words, P pieces of a word.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from asr.config import RestorerRecipe
from asr.model.checkpoint import TOKENIZER, load_weights, read_tensors
from asr.model.run_folder import WEIGHTS
from asr.readable.network import RestorerNetwork
from asr.readable.restorer import TrainedRestorer, load_restorer, save_restorer
from asr.score.labels import LabelCounts
from asr.text.labels import Mark
from asr.train.card import command_line
from asr.train.cased_text import IGNORED, Batch, CasedText, Document, WindowSampler, read_documents
from asr.train.folder import best_folder, delete_best_except, missing_best
from asr.train.journal import computed
from asr.train.learner import Learner
from asr.train.run import Run, explained_mismatch, step_seed
from asr.train.session import Session
from asr.train.signals import Interruption
from asr.train.state import Position
from asr.version import version

TOKENIZER_LINES = 200_000  # passages that the pieces are learnt from
PASSAGE = 40  # words of such a passage
SHOWN = (Mark.FULL_STOP, Mark.COMMA, Mark.QUESTION, Mark.EXCLAMATION, Mark.COLON, Mark.DASH)


class RestorerTrainer(Run[RestorerRecipe]):
    """Training of a text restorer. `run` trains and returns the folder of the finished model."""

    MAY_CHANGE = frozenset({"train.checkpoint_minutes", "train.evaluate_steps"})

    def _prepare(self, restart: bool) -> None:
        config = self.config
        train, self.dev = read_documents(config.data.train, "data.train"), read_documents(config.data.dev, "data.dev")
        start = self._start_model()
        given = start / TOKENIZER if start else config.tokenizer.model
        self.tokenizer = self._make_tokenizer(restart, given, lambda: _passages(train))
        self.documents, self.data = len(train), CasedText(train, self.tokenizer)
        torch.manual_seed(config.seed)
        self.network = RestorerNetwork(len(self.tokenizer), config.model)
        if start:
            with explained_mismatch(config, start):
                load_weights(self.network, read_tensors(start / WEIGHTS), start / WEIGHTS)

    def _train(self) -> Position:
        config, accelerator, device = self.config.train, self.accelerator, self.accelerator.device
        network = self.network.to(device)
        average = RestorerNetwork(len(self.tokenizer), self.config.model).to(device)
        average.load_state_dict(network.state_dict())
        learner = Learner(network, average, config)
        position = self._resume(learner, Position)
        model = accelerator.prepare_model(network)
        self._begin(self._introduction(), position)
        sampler = WindowSampler(
            self.data, self.config.data, config.batch_words, self.config.seed, config.epochs, position.epoch, position.step_in_epoch
        )

        with Interruption(accelerator.is_main_process) as interruption, self.journal.display(config.epochs):
            if position.step == 0 and config.start_from:
                self._evaluate(average, position)  # the initial weights are kept if training improves nothing
            session = Session(self.folder, learner, position, accelerator, interruption, self.finish_only)
            if self.finish_only and position.step not in {step for _, step in position.best}:
                self._evaluate(average, position)
                session.finish_step(evaluated=True)
            for epoch, step, steps, examples in sampler if not session.over else ():
                network.train()
                seed = step_seed(self.config.seed, position.step, accelerator.process_index)
                torch.manual_seed(seed)
                # Every process takes part of the batch, and gradients are averaged. A process without a window must take part in the
                # exchange, so it computes another's with a loss of zero.
                part = examples[accelerator.process_index :: accelerator.num_processes]
                words = sum(example.end - example.start for example in examples)
                batch = self.data.batch(part or examples[:1], self.config.data.pauses, np.random.default_rng(seed))
                loss = label_loss(model, batch, device) * bool(part)
                accelerator.backward(loss * (accelerator.num_processes / words))

                epochs = epoch + step / steps
                progress = session.progress(epochs)
                norm = self._step(learner, position, progress)
                (total,) = session.record_step(epoch, step, steps, words, loss.detach()[None])
                figures = {"loss": total / words, "gradient_norm": norm, "learning_rate": learner.learning_rate}
                shown = f"loss {total / words:.3f} · grad {norm:.2f} · {position.heard / position.seconds / 1000:.1f} k words a second"
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
        millions = sum(p.numel() for p in self.network.parameters()) / 1e6
        return [
            f"training on {self.documents} documents ({len(self.data) / 1e6:.2f} M words), {len(self.tokenizer)} pieces, "
            f"{millions:.2f} M parameters, {self.config.train.epochs} epochs"
        ]

    def _evaluate(self, average: RestorerNetwork, position: Position) -> None:
        """Measure the labels of the averaged weights on the dev text, without pauses, and keep the weights if they are the best."""
        counts = measure(self._trained(average), self.dev)
        error = error_rate(counts)
        first = not position.best
        best = first or error < position.best[0][0]
        shown = f"dev {_figures(counts)}{' (best so far)' if best and not first else ''}"
        self.journal.evaluation(position, {f"dev_{name}": value for name, value in counts.summary(SHOWN).items()}, shown)
        if best:
            position.best = [(error, position.step)]
            if self.accelerator.is_main_process:
                save_restorer(best_folder(self.folder, position.step), self._trained(average))

    def _finish(self, position: Position) -> Path:
        """Write the best weights, rounded to the 16 bits in which they are saved, with a card."""
        self.accelerator.wait_for_everyone()
        if not position.best:
            raise missing_best(self.folder)
        if self.accelerator.is_main_process:
            network = load_restorer(best_folder(self.folder, position.best[0][1]), self.accelerator.device).network
            network.load_state_dict({name: tensor.half() for name, tensor in network.state_dict().items()})
            counts = measure(self._trained(network), self.dev)
            self.journal.say(f"the weights of step {position.best[0][1]}: dev {_figures(counts)}")
            save_restorer(self.folder / "model", self._trained(network, self._card(position, counts)), half=True)
            delete_best_except({step for _, step in position.best}, self.folder)
        self.accelerator.wait_for_everyone()
        return self.folder / "model"

    def _trained(self, network: RestorerNetwork, card: str = "") -> TrainedRestorer:
        return TrainedRestorer(network, self.tokenizer, self.config.folder_config(), card)

    def _card(self, position: Position, counts: LabelCounts) -> str:
        config = self.config
        names = [", ".join(f"`{p.name}`" for p in paths) for paths in (config.data.train, config.data.dev)]
        marks = ", ".join(f"{mark.name.lower().replace('_', ' ')} {counts.f1(mark):.3f}" for mark in SHOWN)
        return f"""# Model card

A text restorer, trained with `las-asr` {version()}: it labels words with capitals and punctuation.

| | |
|---|---|
| language | {config.language} |
| training text | {names[0]}: {self.documents} documents, {len(self.data)} words |
| development text | {names[1]}: {len(self.dev)} documents, {counts.words} words; chooses the weights |
| dev F1 of marks | {marks}; without pauses |
| dev case accuracy | {counts.case_accuracy:.2%}; of names {counts.name_accuracy:.2%} |
| network | BiLSTM, {config.model.layers} x {config.model.hidden} units per direction, {len(self.tokenizer)} pieces |
| command | `{command_line()}` |
| started from | {f"`{config.train.start_from}`" if config.train.start_from else "random weights"} |
| training | {position.heard / len(self.data):.2f} epochs, {position.step} steps, {position.seconds / 60:.0f} min, seed {config.seed} |
| precision | {computed(self.journal.computations)} (`train.precision: {config.train.precision}`) |
"""


def _passages(documents: list[Document]) -> list[str]:
    """Return passages to learn the pieces from, evenly spread over all documents."""
    places = [(document, start) for document in documents for start in range(0, len(document.ids), PASSAGE)]
    chosen = places[:: -(-len(places) // TOKENIZER_LINES)]
    return [" ".join(document.table[i] for i in document.ids[start : start + PASSAGE]) for document, start in chosen]


def label_loss(network: torch.nn.Module, batch: Batch, device: torch.device) -> Tensor:
    """Return -log p of the case and of the mark of all words together (nats)."""
    cases, marks = network(batch.pieces.to(device), batch.pauses.to(device), batch.lengths.to(device))
    pairs = ((cases, batch.cases), (marks, batch.marks))
    losses = [cross_entropy(x.transpose(1, 2), labels.to(device), ignore_index=IGNORED, reduction="sum") for x, labels in pairs]
    return losses[0] + losses[1]


def measure(restorer: TrainedRestorer, documents: list[Document]) -> LabelCounts:
    """Label the words of documents, each as one recording without pauses, and compare."""
    counts = LabelCounts()
    restorer.network.eval()
    for document in documents:
        counts.add(document.labelled, restorer.label(document.words))
    return counts


def error_rate(counts: LabelCounts) -> float:
    """Return the figure by which the best weights are chosen, in percent: the mean error of full stop, comma, question mark and case."""
    right = [counts.f1(mark) for mark in (Mark.FULL_STOP, Mark.COMMA, Mark.QUESTION)]
    return 100 * (1 - (sum(right) + counts.case_accuracy) / 4)


def _figures(counts: LabelCounts) -> str:
    marks = " ".join(f"{mark.text.strip()} {counts.f1(mark):.3f}" for mark in SHOWN)
    return f"F1 {marks}, case {counts.case_accuracy:.2%}, names {counts.name_accuracy:.2%}"

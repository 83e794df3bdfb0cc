"""Training a language model, from a recipe to a model folder. Read `LMTrainer._train` from top to bottom.

It has the manners of `asr.train.trainer`: checkpoints to go on from, one seed for each step, the averaged weights judged on dev text.

Shapes: B sentences, L tokens.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from asr.config import LMRecipe
from asr.model.checkpoint import TOKENIZER, WEIGHTS, TrainedLM, load_lm, load_weights, read_tensors, save_lm
from asr.model.lm import LanguageModel
from asr.train.card import command
from asr.train.folder import FolderLock, best_folder, claim_folder, drop_all_but, no_best, open_folder
from asr.train.journal import Journal, computed
from asr.train.learner import Learner
from asr.train.run import check_pieces, computation, make_accelerator, remarks, run_tokenizer, step_seed
from asr.train.sentences import Sentences, SentenceSampler, read_sentences
from asr.train.signals import Interruption
from asr.train.sitting import Sitting
from asr.train.state import Place
from asr.version import version

MAY_CHANGE = {"train.checkpoint_minutes", "train.evaluate_steps"}  # when a run goes on


class LMTrainer:
    """One run: a recipe, its text, its network, and the folder that they live in."""

    def __init__(self, config: LMRecipe, restart: bool = False):
        self.config, self.folder = config, config.output
        self.accelerator = make_accelerator(config.train.precision)
        self.lock = FolderLock(self.folder, self.accelerator)
        with self.lock.released_on_error():
            if self.accelerator.is_main_process:
                open_folder(config, restart, MAY_CHANGE, self.lock)
            self._prepare(restart)

    def _prepare(self, restart: bool) -> None:
        """Read the text, build the network, and claim the folder."""
        config = self.config
        train, dev = read_sentences(config.data.train, "data.train"), read_sentences(config.data.dev, "data.dev")
        start = config.train.start_folder
        self.named_pieces = start / TOKENIZER if start else config.tokenizer.model
        self.tokenizer = run_tokenizer(config, restart, self.named_pieces, self.accelerator, lambda: train)
        self.data = Sentences(train, self.tokenizer, config.data.max_tokens, "data.train")
        self.dev = Sentences(dev, self.tokenizer, max_tokens=1_000_000, what="data.dev")
        torch.manual_seed(config.seed)
        self.network = LanguageModel(len(self.tokenizer), config.model)
        if start:
            load_weights(self.network, read_tensors(start / WEIGHTS), start / WEIGHTS)
        # The last: a mistake in what is asked for harms no run.
        claim_folder(config, restart, MAY_CHANGE, self.tokenizer, self.accelerator, self.lock)
        self.journal = Journal(self.folder, self.accelerator.is_main_process)

    def run(self) -> Path:
        """Train, or go on training, to the end; returns the folder of the finished model.

        Raises Interrupted after Ctrl-C or SIGTERM, with a checkpoint written.
        """
        with self.lock:
            return self._finish(self._train())

    def _train(self) -> Place:
        """The loop, from where the run stands to its end."""
        config, accelerator, device = self.config.train, self.accelerator, self.accelerator.device
        network = self.network.to(device)
        average = LanguageModel(len(self.tokenizer), self.config.model).to(device)
        average.load_state_dict(network.state_dict())
        learner = Learner(network, average, config)
        place = learner.resume(self.folder, accelerator, self.journal.say) or Place()
        check_pieces(place, self.tokenizer, self.folder)
        place.best = [b for b in place.best if best_folder(self.folder, b[1]).is_dir()]
        model = accelerator.prepare_model(network)
        self.journal.begin(self._introduction(), place, computation(accelerator))
        sampler = SentenceSampler(self.data, config.batch_tokens, self.config.seed, config.epochs, place.epoch, place.step_in_epoch)

        with Interruption(accelerator.is_main_process) as interruption, self.journal.display(config.epochs):
            if place.step == 0 and config.start_from:
                self._evaluate(average, place)  # what it starts from is kept if nothing better comes of it
            sitting = Sitting(self.folder, learner, place, accelerator, interruption)
            for epoch, step, steps, batch in sampler if not sitting.over else ():
                network.train()
                torch.manual_seed(step_seed(self.config.seed, place.step, accelerator.process_index))
                # Every process takes its share, and they average their gradients. One that is left without a sentence must take part
                # all the same: with another's, which counts nothing here.
                share = batch[accelerator.process_index :: accelerator.num_processes]
                tokens = int(self.data.lengths[batch].sum())
                sentences, lengths = (x.to(device) for x in self.data.batch(share or batch[:1]))
                loss = model(sentences, lengths).sum() * bool(share)
                accelerator.backward(loss * (accelerator.num_processes / tokens))

                epochs = epoch + step / steps
                progress = sitting.progress(epochs)
                norm = learner.step(place.step, progress)
                if not math.isfinite(norm):
                    self.journal.say(f"step {place.step}: left out, its gradient is not finite")

                (total,) = sitting.stepped(epoch, step, steps, tokens, loss.detach()[None])
                figures = {"loss": total / tokens, "gradient_norm": norm, "learning_rate": learner.learning_rate}
                shown = f"loss {total / tokens:.3f} · grad {norm:.2f} · {place.heard / place.seconds / 1000:.0f} k tokens a second"
                self.journal.step(place, epochs, progress, figures, shown)

                evaluated = sitting.over or place.step % config.evaluate_steps == 0
                if evaluated:
                    self._evaluate(average, place)
                sitting.end_step(evaluated)
                if evaluated and accelerator.is_main_process:  # that no checkpoint names
                    drop_all_but(learner.best_steps(self.folder), self.folder)
                if sitting.over:
                    break
            sitting.end()
        return place

    def _introduction(self) -> list[str]:
        data, millions = self.data, sum(p.numel() for p in self.network.parameters()) / 1e6
        cut = f", {data.cut} cut to {self.config.data.max_tokens} tokens" if data.cut else ""
        parts = {"data.train": data, "data.dev": self.dev}
        return [
            *(
                f"{name}: {part.left_out} sentences left out, for characters that no piece has"
                for name, part in parts.items()
                if part.left_out
            ),
            f"training on {len(data)} sentences ({data.words / 1e6:.2f} M words, {data.total / 1e6:.2f} M tokens{cut}), "
            f"{millions:.1f} M parameters, {self.config.train.epochs} epochs",
            *remarks(self.config, self.tokenizer, self.named_pieces, self.accelerator),
            *self.lock.remarks,
        ]

    def _evaluate(self, average: LanguageModel, place: Place) -> None:
        """Perplexity of the averaged weights on the dev text; keeps them if they are the best."""
        nats = negative_log_likelihood(average, self.dev, self.config.train.batch_tokens)
        words, pieces = perplexity(nats, self.dev.words + len(self.dev)), perplexity(nats, self.dev.total)
        best = not place.best or words < place.best[0][0]
        shown = f"dev perplexity {words:.1f} a word, {pieces:.2f} a piece{' (best so far)' if best else ''}"
        self.journal.evaluation(place, {"dev_perplexity": words, "dev_piece_perplexity": pieces}, shown)
        if best:
            place.best = [(words, place.step)]
            if self.accelerator.is_main_process:
                save_lm(best_folder(self.folder, place.step), self._trained(average))

    def _finish(self, place: Place) -> Path:
        """The best weights, rounded to the 16 bits that they are kept in, with a card."""
        self.accelerator.wait_for_everyone()
        if not place.best:
            raise no_best(self.folder)
        if self.accelerator.is_main_process:
            network = load_lm(best_folder(self.folder, place.best[0][1]), self.accelerator.device).network
            network.load_state_dict({name: tensor.half() for name, tensor in network.state_dict().items()})
            nats = negative_log_likelihood(network, self.dev, self.config.train.batch_tokens)
            words = perplexity(nats, self.dev.words + len(self.dev))
            self.journal.say(f"the weights of step {place.best[0][1]}: dev perplexity {words:.1f} a word")
            save_lm(self.folder / "model", self._trained(network, self._card(place, words)), half=True)
            drop_all_but({step for _, step in place.best}, self.folder)
        self.accelerator.wait_for_everyone()
        return self.folder / "model"

    def _trained(self, network: LanguageModel, card: str = "") -> TrainedLM:
        return TrainedLM(network, self.tokenizer, self.config.folder_config(), card)

    def _card(self, place: Place, words: float) -> str:
        config, data, dev = self.config, self.data, self.dev
        names = [", ".join(f"`{p.name}`" for p in paths) for paths in (config.data.train, config.data.dev)]
        return f"""# Model card

A language model, trained with `las-asr` {version()} for the search of a speech recogniser of the same pieces.

| | |
|---|---|
| training text | {names[0]}: {len(data)} sentences, {data.words} words |
| development text | {names[1]}: {len(dev)} sentences, {dev.words} words; chooses the weights |
| dev perplexity | {words:.1f} a word, end-of-sentence counted |
| network | LSTM, {config.model.layers} x {config.model.hidden} units, {len(self.tokenizer)} pieces |
| command | `{command()}` |
| started from | {f"`{config.train.start_from}`" if config.train.start_from else "random weights"} |
| training | {place.heard / data.total:.2f} epochs, {place.step} steps, {place.seconds / 60:.0f} min, seed {config.seed} |
| precision | {computed(self.journal.computations)} (`train.precision: {config.train.precision}`) |
"""


@torch.inference_mode()
def negative_log_likelihood(network: LanguageModel, sentences: Sentences, batch_tokens: int) -> float:
    """-log p of all sentences together, ends counted (nats)."""
    network.eval()
    device = network.output.weight.device
    plan = SentenceSampler(sentences, batch_tokens, seed=0, epochs=1).plan(0)
    return sum(float(network(*(x.to(device) for x in sentences.batch(batch))).double().sum()) for batch in plan)


def perplexity(nats: float, count: int) -> float:
    """e to the nats of each of `count` things."""
    return math.exp(min(nats / count, 700.0))

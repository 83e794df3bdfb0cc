"""Training a language model, from outside and from inside: counts, perplexity, resuming, errors."""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests_support import RECIPES

from asr.config import LMRecipe, TokenizerConfig
from asr.config_file import dump_config, load_recipe
from asr.errors import AsrError, ConfigError, ModelError, UsageError
from asr.model.checkpoint import load_lm, load_model, read_tensors
from asr.model.run_folder import find_model
from asr.text.tokenizer import EOS, Tokenizer
from asr.train import lm_trainer
from asr.train import session as sessions
from asr.train.lm_trainer import LMTrainer, negative_log_likelihood
from asr.train.log import read_log
from asr.train.sentences import Sentences, SentenceSampler, read_sentences
from asr.train.session import Interrupted

WORDS = ["LOW", "MID", "HIGH"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """After LOW comes MID, after MID comes HIGH, always: a model that has learnt it is sure of all but the end."""
    random = np.random.default_rng(0)
    lines = [" ".join(WORDS[(start + i) % 3] for i in range(random.integers(1, 6))) for start in random.integers(0, 3, 200)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


@pytest.fixture
def lm_config(text: Path, tmp_path: Path) -> LMRecipe:
    return LMRecipe.model_validate(
        {
            "kind": "language_model",
            "output": str(tmp_path / "run"),
            "data": {"train": [str(text)], "dev": [str(text)]},
            "tokenizer": {"kind": "char", "vocab_size": 20},
            "model": {"embedding": 8, "hidden": 24},
            "train": {
                "epochs": 6,
                "batch_tokens": 300,
                "learning_rate": 0.02,
                "warmup_steps": 5,
                "evaluate_steps": 20,
                "ema_decay": 0.9,
                "precision": "fp32",
            },
        }
    )


def test_a_run_learns_and_reports_its_perplexity(lm_config: LMRecipe) -> None:
    model = load_lm(LMTrainer(lm_config).run())
    sentences = Sentences(read_sentences(lm_config.data.dev, "data.dev"), model.tokenizer, 1000)
    nats = negative_log_likelihood(model.network, sentences, 500)
    with torch.no_grad():  # one by one, by the definition
        assert nats == pytest.approx(sum(model.network(*sentences.batch([i])).item() for i in range(len(sentences))), rel=1e-5)
    words = math.exp(nats / (sentences.words + len(sentences)))
    assert words < 3  # of five that are possible: three to start with, then go on or end
    log = [json.loads(line) for line in (lm_config.output / "log.jsonl").read_text().splitlines()]
    assert f"| dev perplexity | {words:.1f} a word" in model.card
    assert min(line["dev_perplexity"] for line in log if "dev_perplexity" in line) == pytest.approx(words, rel=0.01)  # 16-bit weights


def test_stopped_and_resumed_equals_never_stopped(lm_config: LMRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LMTrainer(lm_config).run()

    class Impatient(SentenceSampler):
        def __iter__(self) -> Iterator[tuple[int, int, int, list[int]]]:
            for i, item in enumerate(super().__iter__()):
                if i == 7:
                    asked.append(True)
                yield item

    asked: list[bool] = []

    class Interruption:
        requested = property(lambda self: bool(asked))

        def __init__(self, speaks: bool) -> None: ...

        def __enter__(self) -> Interruption:
            return self

        def __exit__(self, *error: object) -> None: ...

    other = lm_config.model_copy(update={"output": tmp_path / "other"})
    with monkeypatch.context() as patch:
        patch.setattr(lm_trainer, "SentenceSampler", Impatient)
        patch.setattr(lm_trainer, "Interruption", Interruption)
        with pytest.raises(Interrupted, match="stopped at step 8"):
            LMTrainer(other).run()
    resumed = LMTrainer(other).run()
    one, two = (read_tensors(folder / "model.safetensors") for folder in (whole, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)


def stop_at(config: LMRecipe, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train up to a step, and stop as Ctrl-C does."""
    record_step = sessions.Session.record_step

    def interrupted(self: sessions.Session, *arguments: Any) -> list[float]:
        self.interruption.requested = self.position.step + 1 >= step
        return record_step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(sessions.Session, "record_step", interrupted)
        with pytest.raises(Interrupted, match=f"stopped at step {step}, with a checkpoint"):
            LMTrainer(config).run()


def test_a_stopped_run_of_the_recipe_is_used_finished_and_continued(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "my lm"
    small = [
        f"output={run}", f"data.train={text}", f"data.dev={text}", "tokenizer={kind: char, vocab_size: 20}", "model.embedding=8", "model.hidden=16",
        "train.batch_tokens=300", "train.evaluate_steps=10", "train.precision=fp32",
    ]  # fmt: skip

    def recipe(*overrides: str) -> LMRecipe:
        config = load_recipe(RECIPES / "librispeech" / "lm.yaml", [*small, *overrides])
        assert isinstance(config, LMRecipe)
        return config

    def dev_figures() -> dict[int, float]:
        return {r["step"]: r["dev_perplexity"] for r in read_log(run) if "dev_perplexity" in r}

    stop_at(recipe("train.epochs=40"), 4, monkeypatch)
    with pytest.raises(UsageError, match=rf"^{run}: is a training run without an evaluated checkpoint: wait"):
        load_lm(run)
    LMTrainer(recipe("train.epochs=1", "train.steps=2"), finish=True).run()  # its limits do not matter
    assert find_model(run) == (run / "model", f"{run}: a training run; using its finished model {run / 'model'}")
    assert list(dev_figures()) == [4]

    stop_at(recipe("train.epochs=40"), 23, monkeypatch)  # it goes on
    step = min(dev_figures(), key=dev_figures().__getitem__)
    best = run / "best" / f"step-{step:08d}"
    state = "a training run, continued after its model of step 4"
    assert find_model(run) == (best, f"{run}: {state}; using its best checkpoint {best} (dev perplexity {dev_figures()[step]:.1f})")
    assert load_lm(run).tokenizer.serialized == (run / "tokenizer.model").read_bytes()
    with pytest.raises(ConfigError, match=r"train\.steps=20 is not above the 23 steps that the run has done \(its limit: null\)"):
        LMTrainer(recipe("train.epochs=40", "train.steps=20"))
    LMTrainer(recipe("train.epochs=40", "train.steps=25")).run()
    LMTrainer(recipe("train.epochs=50", "train.steps=31")).run()  # raised after its end
    assert max(dev_figures()) == 31
    assert find_model(run)[0] == run / "model"
    with pytest.raises(
        ConfigError, match=r"another seed \(1; asked for: 2\), train\.batch_tokens \(300; asked for: 400\): keep its values"
    ):
        LMTrainer(recipe("train.epochs=50", "seed=2", "train.batch_tokens=400"))

    capsys.readouterr()
    again = recipe(f"train.start_from={run}", f"output={tmp_path / 'again'}", "train.steps=1")
    LMTrainer(again).run()
    assert f"train.start_from={run}: a training run; using its finished model {run / 'model'}\n" in capsys.readouterr().err


def test_a_run_starts_from_a_language_model(lm_config: LMRecipe, tmp_path: Path) -> None:
    first = LMTrainer(lm_config).run()
    still = {"start_from": first, "epochs": 1, "learning_rate": 1e-9, "final_learning_rate": 0.0}
    again = lm_config.model_copy(update={"output": tmp_path / "again", "train": lm_config.train.model_copy(update=still)})
    before, after = load_lm(first), load_lm(LMTrainer(again).run())
    sentences = Sentences(read_sentences(lm_config.data.dev, "data.dev"), before.tokenizer, 1000)
    likelihoods = [negative_log_likelihood(model.network, sentences, 500) for model in (before, after)]
    assert likelihoods[1] == pytest.approx(likelihoods[0], rel=1e-3)  # 16-bit weights
    assert after.tokenizer.serialized == before.tokenizer.serialized

    # With so large a step that everything is forgotten, the weights that it began with are the best.
    wild = lm_config.train.model_copy(update={"start_from": first, "epochs": 1, "learning_rate": 10.0, "warmup_steps": 0, "ema_decay": 0.0})
    kept = load_lm(LMTrainer(again.model_copy(update={"output": tmp_path / "wild", "train": wild})).run())
    for name, tensor in before.network.state_dict().items():
        assert torch.equal(kept.network.state_dict()[name], tensor), name

    wider = again.model_copy(update={"output": tmp_path / "wider", "model": again.model.model_copy(update={"hidden": 32})})
    with pytest.raises(ConfigError, match=r"its network is another: model\.hidden=32 here, \d+ in the model: set model\.hidden="):
        LMTrainer(wider)


def test_two_processes_follow_the_trajectory_of_one(lm_config: LMRecipe, tmp_path: Path) -> None:
    long, short = " ".join(WORDS * 20), tmp_path / "short.txt"
    short.write_text("\n".join([long, *["LOW MID"] * 30]) + "\n", encoding="utf-8")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def trained(name: str, launcher: list[str]) -> tuple[list[float], dict[str, torch.Tensor]]:
        tree = json.loads(lm_config.model_dump_json()) | {"output": str(tmp_path / name)}
        tree["data"]["train"], tree["model"]["dropout"] = [str(short)], 0.0
        tree["train"] |= {"precision": "fp32", "epochs": 5}
        path = tmp_path / f"{name}.yaml"
        path.write_text(dump_config(LMRecipe.model_validate(tree)), encoding="utf-8")
        done = subprocess.run([*launcher, "-m", "asr", "train", str(path)], env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        (state,) = sorted((tmp_path / name / "states").glob("step-*"))[-1:]
        return [line["loss"] for line in lines if "loss" in line], read_tensors(state / "training.safetensors")

    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    (one, weights), (two, others) = trained("one", [sys.executable]), trained("two", launch)
    tokenizer = Tokenizer.load(tmp_path / "one" / "tokenizer.model")
    sentences = Sentences(read_sentences([short], "data.train"), tokenizer, lm_config.data.max_tokens)
    plan = SentenceSampler(sentences, lm_config.train.batch_tokens, lm_config.seed, 1).plan(0)
    assert min(map(len, plan)) == 1  # the second process is left without a sentence
    assert len(one) == 5 * len(plan)
    assert two == pytest.approx(one, rel=1e-4)
    for name in weights:
        torch.testing.assert_close(others[name], weights[name], rtol=1e-3, atol=1e-4, msg=name)


def test_another_recipe_cannot_use_the_folder(lm_config: LMRecipe) -> None:
    LMTrainer(lm_config).run()
    bigger = lm_config.model_copy(update={"model": lm_config.model.model_copy(update={"hidden": 32})})
    with pytest.raises(ConfigError, match=r"another model\.hidden \(\d+; asked for: 32\)"):
        LMTrainer(bigger)


def test_a_folder_with_a_model_and_a_run_are_safe_from_mistakes(lm_config: LMRecipe, tiny_folder: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(tiny_folder, tmp_path / "mine"))
    before = {path: path.read_bytes() for path in mine.iterdir()}
    with pytest.raises(UsageError, match=rf"{mine}: holds a model"):
        LMTrainer(lm_config.model_copy(update={"output": mine}), restart=True)
    assert {path: path.read_bytes() for path in mine.iterdir()} == before

    done = LMTrainer(lm_config).run()
    nowhere = lm_config.data.model_copy(update={"train": (tmp_path / "nope.txt",)})
    with pytest.raises(ConfigError, match=r"nope\.txt: no such file"):
        LMTrainer(lm_config.model_copy(update={"data": nowhere}), restart=True)
    assert load_lm(done)
    shutil.rmtree(lm_config.output / "best")
    with pytest.raises(AsrError, match=r"/run/best: the weights .* are gone"):
        LMTrainer(lm_config).run()


def test_the_pieces_must_be_those_of_the_recogniser(lm_config: LMRecipe, tiny_folder: Path) -> None:
    recogniser = load_model(tiny_folder)
    short = lm_config.model_copy(update={"train": lm_config.train.model_copy(update={"epochs": 1})})
    with pytest.raises(ModelError, match="its pieces are not the recogniser's"):
        recogniser.with_lm(LMTrainer(short).run())
    pieces = TokenizerConfig(kind="char", vocab_size=20, model=tiny_folder / "tokenizer.model")
    own = short.model_copy(update={"output": short.output.parent / "own", "tokenizer": pieces})
    fused = recogniser.with_lm(LMTrainer(own).run())
    assert fused.lm is not None
    assert fused.with_lm(None).lm is None


def test_the_kind_of_a_recipe_decides_its_training(lm_config: LMRecipe, tmp_path: Path) -> None:
    path = tmp_path / "lm.yaml"
    path.write_text(dump_config(lm_config))
    assert load_recipe(path) == lm_config
    assert load_recipe(path, ["train.epochs=9"]).train.epochs == 9
    path.write_text("kind: language_model\naugment: {warp: 0}\n")
    with pytest.raises(ConfigError, match=r"augment: unknown key"):
        load_recipe(path)


# ---------------------------------------------------------------- text


def test_sentences_come_from_text_and_manifests(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ONE TWO\n\n  THREE \n", encoding="utf-8")
    (tmp_path / "b.json").write_text('{"audio_filepath": "x.wav", "text": "FOUR"}\n', encoding="utf-8")
    assert read_sentences([tmp_path / "a.txt", tmp_path / "b.json"], "data.train") == ["ONE TWO", "THREE", "FOUR"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"\xff\xfe\x00", "UTF-8"), (b"\n \n", "holds no text")],
)
def test_text_that_cannot_be_used_is_named(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"a\.txt: .*{message}"):
        read_sentences([path], "data.train")
    with pytest.raises(ConfigError, match=r"data\.dev names no text"):
        read_sentences([], "data.dev")


def test_sentences_that_the_pieces_cannot_write_are_left_out() -> None:
    tokenizer = Tokenizer.train(["LOW MID HIGH"] * 3, TokenizerConfig(kind="char", vocab_size=20))
    sentences = Sentences(["LOW", "low mid high", "MID HIGH", "MID 5"], tokenizer, max_tokens=20)
    assert (len(sentences), sentences.words, sentences.skipped) == (2, 3, 2)
    with pytest.raises(ConfigError, match=r"data\.dev: the model's pieces cannot write 5 of 'MID 5': normalise the texts"):
        Sentences(["MID 5", "low"], tokenizer, 20, "data.dev")


def test_batches_hold_every_sentence_once_and_keep_their_size() -> None:
    texts = ["LOW " * (1 + i % 7) for i in range(60)]
    tokenizer = Tokenizer.train(texts, TokenizerConfig(kind="char", vocab_size=20))
    sentences = Sentences(texts, tokenizer, max_tokens=20)
    assert sentences.truncated == sum(len(tokenizer.encode(t)) > 20 for t in texts) > 0
    whole = [[*tokenizer.encode(t), EOS] for t in texts]
    expected = [tokens if len(tokens) <= 21 else tokens[:20] for tokens in whole]  # what is cut does not end there
    assert sentences.total == sum(map(len, expected))
    plan = SentenceSampler(sentences, 100, seed=1, epochs=1).plan(0)
    assert sorted(i for batch in plan for i in batch) == list(range(60))
    for batch in plan:
        padded, lengths = sentences.batch(batch)
        assert padded.shape[1] * len(batch) <= 100
        for row, length, i in zip(padded.tolist(), lengths.tolist(), batch, strict=True):
            assert row[:length] == expected[i]
            assert not any(row[length:])


def test_a_run_ends_with_its_minutes(lm_config: LMRecipe) -> None:
    train = lm_config.train.model_copy(update={"epochs": 100_000, "evaluate_steps": 100_000, "minutes": 0.03})
    folder = LMTrainer(lm_config.model_copy(update={"train": train})).run()
    records = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    rates = [r["learning_rate"] for r in records if "learning_rate" in r]
    [seconds] = [r["seconds"] for r in records if "dev_perplexity" in r]
    assert 1.8 <= seconds < 10
    assert rates[-1] < 0.05 * max(rates)
    assert len(rates) == json.loads(next((folder.parent / "states").glob("*/training.json")).read_text(encoding="utf-8"))["step"]


def test_the_gradient_is_of_the_loss_of_a_token(lm_config: LMRecipe) -> None:
    """Of one step over all sentences, worked out anew; AdamW goes as far along any multiple of it."""
    train = lm_config.train.model_copy(update={"batch_tokens": 100_000, "steps": 1})
    model = lm_config.model.model_copy(update={"dropout": 0.0})
    trainer = LMTrainer(lm_config.model_copy(update={"model": model, "train": train}))
    network = copy.deepcopy(trainer.network)
    trainer.run()
    (logged,) = (line for line in read_log(lm_config.output) if "loss" in line)
    targets, lengths = trainer.data.batch(list(range(len(trainer.data))))
    loss = network(targets, lengths).sum() / lengths.sum()
    loss.backward()
    assert logged["loss"] == pytest.approx(loss.item(), rel=1e-4)
    gradients = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    assert logged["gradient_norm"] == pytest.approx(gradients.norm().item(), rel=1e-3)

"""Training a text restorer: it learns, resumes exactly, and names what is wrong with its text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from asr.cli import app
from asr.config import LMRecipe, RestorerRecipe
from asr.config_file import dump_config, load_recipe
from asr.errors import ConfigError
from asr.model.checkpoint import read_tensors
from asr.readable.restorer import load_restorer
from asr.text.labels import Mark, labelled_words
from asr.train import restorer_trainer
from asr.train.cased_text import IGNORED, CasedText, Example, WindowSampler, read_documents, simulated_pauses
from asr.train.log import read_log
from asr.train.restorer_trainer import RestorerTrainer, error_rate, label_loss, measure
from asr.train.session import Interrupted

SENTENCES = ["Did Anna come?", "She came, and Bob went.", "Stop!", "The FBI saw it.", "We went, and Anna saw the boat."]


@pytest.fixture
def recipe(tmp_path: Path) -> RestorerRecipe:
    random = np.random.default_rng(0)
    documents = ["\n".join(" ".join(random.choice(SENTENCES, 3)) for _ in range(5)) for _ in range(12)]
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    return RestorerRecipe.model_validate(
        {
            "kind": "text_restorer",
            "output": str(tmp_path / "run"),
            "data": {"train": [str(path)], "dev": [str(path)], "window_words": 24},
            "tokenizer": {"vocab_size": 60},
            "model": {"embedding": 16, "hidden": 16, "layers": 1},
            "train": {
                "epochs": 30,
                "batch_words": 240,
                "learning_rate": 0.02,
                "warmup_steps": 5,
                "evaluate_steps": 40,
                "ema_decay": 0.9,
                "precision": "fp32",
            },
        }
    )


def test_a_run_learns_the_labels_of_its_text(recipe: RestorerRecipe) -> None:
    restorer = load_restorer(RestorerTrainer(recipe).run())
    counts = measure(restorer, read_documents(recipe.data.dev, "data.dev"))
    assert counts.f1(Mark.FULL_STOP) > 0.98
    assert counts.f1(Mark.QUESTION) > 0.98
    assert counts.case_accuracy > 0.99
    assert counts.name_accuracy > 0.99
    assert f"names {counts.name_accuracy:.2%}" in restorer.card
    assert min(line["dev_case_accuracy"] for line in read_log(recipe.output) if "dev_case_accuracy" in line) <= counts.case_accuracy
    assert 0 <= error_rate(counts) < 2


def test_stopped_and_resumed_equals_never_stopped(recipe: RestorerRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 3})})
    whole = RestorerTrainer(short).run()
    asked: list[bool] = []

    class Impatient(WindowSampler):
        def __iter__(self) -> Iterator[tuple[int, int, int, list[Example]]]:
            for i, item in enumerate(super().__iter__()):
                if i == 5:
                    asked.append(True)
                yield item

    class Interruption:
        requested = property(lambda self: bool(asked))

        def __init__(self, speaks: bool) -> None: ...

        def __enter__(self) -> Interruption:
            return self

        def __exit__(self, *error: object) -> None: ...

    other = short.model_copy(update={"output": tmp_path / "other"})
    with monkeypatch.context() as patch:
        patch.setattr(restorer_trainer, "WindowSampler", Impatient)
        patch.setattr(restorer_trainer, "Interruption", Interruption)
        with pytest.raises(Interrupted, match="stopped at step 6"):
            RestorerTrainer(other).run()
    resumed = RestorerTrainer(other).run()
    one, two = (read_tensors(folder / "model.safetensors") for folder in (whole, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_loss_of_a_batch_is_the_sum_of_its_windows(recipe: RestorerRecipe) -> None:
    trainer = RestorerTrainer(recipe)
    network = trainer.network.eval()
    examples = trainer.data and WindowSampler(trainer.data, recipe.data, 240, 1, 1).plan(0)[0]
    batches = [trainer.data.batch(some, 0.0, np.random.default_rng(0)) for some in (examples, *([e] for e in examples))]
    together, *alone = [label_loss(network, batch, torch.device("cpu")).item() for batch in batches]
    assert together == pytest.approx(sum(alone), rel=1e-5)


def test_an_epoch_has_every_word_once_unless_a_whole_recording_leaves_some(recipe: RestorerRecipe) -> None:
    text = RestorerTrainer(recipe).data
    none = recipe.data.model_copy(update={"whole": 0.0})
    plan = WindowSampler(text, none, 240, seed=1, epochs=1).plan(0)
    assert sorted(i for batch in plan for e in batch for i in range(e.start, e.end)) == list(range(len(text)))
    plans = [WindowSampler(text, recipe.data, 240, seed=1, epochs=2).plan(epoch) for epoch in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    whole = [e for batch in plans[0] for e in batch if e.whole]
    assert whole
    assert all({e.start, e.end} <= {*text.sentences.tolist()} for e in whole)
    for example in whole[:3]:
        batch = text.batch([example], 1.0, np.random.default_rng(0))
        assert batch.lengths.item() == example.end - example.start + 2
        assert batch.cases[0, 0] == batch.cases[0, -1] == batch.marks[0, 0] == IGNORED


def test_pauses_are_longer_at_the_end_of_a_sentence() -> None:
    marks = np.array([Mark.NONE, Mark.COMMA, Mark.FULL_STOP] * 2000, np.int8)
    pauses = simulated_pauses(marks, np.random.default_rng(0))
    assert np.isnan(pauses[-1])
    medians = [np.nanmedian(pauses[marks == mark]) for mark in (Mark.NONE, Mark.COMMA, Mark.FULL_STOP)]
    assert medians == sorted(medians)
    assert np.nanmin(pauses) >= 0


def test_documents_end_with_an_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("One. Two?\nThree\n\n\n  \n123 ...\n\n--\n\nFour", encoding="utf-8")
    documents = read_documents([path], "data.train")
    assert [document.words for document in documents] == [["one", "two", "three"], ["123"], ["four"]]
    assert documents[0].labelled == list(labelled_words("One. Two?\nThree"))
    from asr.text.tokenizer import Tokenizer

    config = RestorerRecipe.model_validate({"kind": "text_restorer", "tokenizer": {"kind": "char", "vocab_size": 30}})
    text = CasedText(documents, Tokenizer.train(["one two three four 123"], config.tokenizer))
    assert (len(text), text.sentences.tolist()) == (5, [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"\xff\xfe\x00", "UTF-8"), (b"\n ... \n", "holds no words")])
def test_text_that_cannot_be_used_is_named(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"a\.txt: .*{message}"):
        read_documents([path], "data.train")
    with pytest.raises(ConfigError, match=r"data\.dev names no text"):
        read_documents([], "data.dev")


def test_a_recipe_is_trained_by_its_kind(recipe: RestorerRecipe, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    path = tmp_path / "restore.yaml"
    path.write_text(dump_config(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe
    done = CliRunner().invoke(app, ["train", str(path), "train.epochs=1"])
    assert done.exit_code == 0, done.output
    assert (recipe.output / "model" / "model.safetensors").is_file()
    other = LMRecipe.model_validate(
        {"kind": "language_model", "output": str(recipe.output), "data": recipe.data.model_dump(include={"train", "dev"})}
    )
    path.write_text(dump_config(other), encoding="utf-8")
    done = CliRunner().invoke(app, ["train", str(path)])
    assert done.exit_code != 0
    path.write_text("kind: text_restorer\ndata: {min_seconds: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"data.min_seconds: unknown key"):
        load_recipe(path)


def test_the_recipe_of_the_repository_is_valid() -> None:
    recipe = load_recipe(Path(__file__).resolve().parents[2] / "recipes" / "text" / "restore.yaml")
    assert isinstance(recipe, RestorerRecipe)
    assert recipe.folder_config().tokenizer.vocab_size == 6000

"""Parts that share no speaker, of the sizes that were asked for, and the same ones every time."""

from __future__ import annotations

import json
import random
import shlex
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources_support import record, write
from typer.testing import CliRunner, Result

from asr.cli import app
from asr.config import EMBEDDED, Config
from asr.config_file import load_recipe
from asr.errors import ManifestError, UsageError
from asr.prepare.splitting import Size, Split, split_manifest
from asr.speech.manifest import read_manifest
from asr.text.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
NONE = Size("0", 0, "")


def line(name: str, speaker: str | None, seconds: float = 1.0, text: str = "word", **more: object) -> dict[str, object]:
    known = {"id": name, "audio_filepath": f"{name}.wav", "duration": seconds, "text": text}
    return known | ({} if speaker is None else {"speaker": speaker}) | more


def manifest(path: Path, lines: list[dict[str, object]]) -> Path:
    return write(path, "".join(json.dumps(record) + "\n" for record in lines))


def corpus(path: Path, speakers: int, each: int = 10, seconds: float = 2.0) -> Path:
    return manifest(path, [line(f"s{s}-{i}", f"s{s}", seconds, f"sentence {i} of {s}") for s in range(speakers) for i in range(each)])


def split(path: Path, dev: str = "10%", test: str = "10%", **more: object) -> tuple[dict[str, list[str]], Split]:
    """Ids by part."""
    done = split_manifest(path, Size.parse(dev, "--dev"), Size.parse(test, "--test"), **more)  # type: ignore[arg-type]
    return {part.name: [u.id for u in read_manifest(part.manifest)] for part in done.parts}, done


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["manifest", "split", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def speakers(ids: list[str]) -> set[str]:
    return {name.split("-")[0] for name in ids}


def test_parts_share_no_speaker_and_lose_no_utterance(tmp_path: Path) -> None:
    parts, done = split(corpus(tmp_path / "m.json", 30))
    assert sorted(parts) == ["dev", "test", "train"]
    assert sorted(name for ids in parts.values() for name in ids) == sorted(f"s{s}-{i}" for s in range(30) for i in range(10))
    assert not any(speakers(parts[a]) & speakers(parts[b]) for a, b in combinations(parts, 2))
    assert [len(speakers(parts[p])) for p in ("train", "dev", "test")] == [24, 3, 3]
    assert [(p.name, p.manifest.name, p.utterances, p.milliseconds, p.words, len(p.speakers)) for p in done.parts] == [
        ("train", "m.train.json", 240, 480_000, 960, 24), ("dev", "m.dev.json", 30, 60_000, 120, 3), ("test", "m.test.json", 30, 60_000, 120, 3)
    ]  # fmt: skip


def test_lines_are_kept_as_they_are_and_in_their_order(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.json", [line(f"s{s}-0", f"s{s}", s + 1, lang="en", offset=0.5, room=[s]) for s in range(20)])
    whole = {u.id: u for u in read_manifest(path)}
    parts, done = split(path, output=tmp_path / "parts")
    for part in done.parts:
        assert part.manifest.parent == tmp_path / "parts"
        assert parts[part.name] == [name for name in whole if name in parts[part.name]]
        for u in read_manifest(part.manifest):
            assert (u.audio_filepath, u.duration, u.offset, u.extra) == (
                whole[u.id].audio_filepath.resolve(), whole[u.id].duration, 0.5, whole[u.id].extra
            )  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds=st.lists(st.floats(0.5, 9.0), min_size=40, max_size=80),
    seed=st.integers(0, 1000),
    units=st.sampled_from([("10%", "15%"), ("12", "8"), ("20%", "9")]),
)
def test_sizes_are_met_and_the_order_of_lines_does_not_matter(
    tmp_path: Path, seconds: list[float], seed: int, units: tuple[str, str]
) -> None:
    lines = [line(f"s{i % 20}-{i}", f"s{i % 20}", s) for i, s in enumerate(seconds)]
    parts, done = split(manifest(tmp_path / "a.json", lines), *units, seed=seed)
    random.Random(seed).shuffle(lines)
    again, _ = split(manifest(tmp_path / "b.json", lines), *units, seed=seed)
    assert {name: set(ids) for name, ids in parts.items()} == {name: set(ids) for name, ids in again.items()}
    whole = sum(round(1000 * s) for s in seconds)
    for part, asked in zip(("dev", "test"), units, strict=True):
        (found,) = (p for p in done.parts if p.name == part)
        got, wanted = (found.milliseconds, whole * float(asked[:-1]) / 100) if asked.endswith("%") else (found.utterances, float(asked))
        assert wanted / 2 <= got <= 2 * wanted
        free = speakers(parts["train"])
        sizes = [sum(round(1000 * s) if asked.endswith("%") else 1 for i, s in enumerate(seconds) if f"s{i % 20}" == name) for name in free]
        assert all(abs(got + size - wanted) >= abs(got - wanted) - 1 for size in sizes)  # no speaker of train would bring it closer


def test_the_seed_chooses_and_the_test_part_does_not_move(tmp_path: Path) -> None:
    path = corpus(tmp_path / "m.json", 40)
    first, _ = split(path, seed=1)
    assert split(path, seed=1)[0] == first
    assert len({tuple(split(path, seed=seed)[0]["test"]) for seed in range(5)}) == 5
    assert split(path, dev="20%", seed=1)[0]["test"] == first["test"]
    assert split(path, dev="0", seed=1)[0].keys() == {"train", "test"}


def test_the_choice_is_the_same_on_every_machine(tmp_path: Path) -> None:
    """Worked out by hand: blake2b of `1 test speaker s…` and `1 dev speaker s…`."""
    from hashlib import blake2b

    def first(part: str, names: set[str]) -> str:
        return min(names, key=lambda name: blake2b(f"1 {part} speaker {name}".encode()).digest())

    names = {f"s{i}" for i in range(10)}
    test = first("test", names)
    parts, _ = split(corpus(tmp_path / "m.json", 10))
    assert (speakers(parts["test"]), speakers(parts["dev"])) == ({test}, {first("dev", names - {test})})


def test_counts_hours_and_shares(tmp_path: Path) -> None:
    path = corpus(tmp_path / "m.json", 20, each=10, seconds=36.0)  # 0.1 h a speaker
    assert [len(ids) for ids in split(path, "20", "0.3h")[0].values()] == [150, 20, 30]
    assert [len(ids) for ids in split(path, "5%", "0")[0].values()] == [190, 10]


def test_other_keys_keep_together(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.json", [line(f"{i}", f"s{i}", book=f"b{i % 10}", number=i % 10) for i in range(100)])
    for by in ("book", "number"):
        parts, _ = split(path, by=by)
        assert [len(parts[p]) for p in ("dev", "test")] == [10, 10]
        assert len({int(name) % 10 for name in parts["dev"]}) == 1
    parts, _ = split(path, by="utterance")
    assert [len(parts[p]) for p in ("dev", "test")] == [10, 10]
    assert len({int(name) % 10 for name in parts["dev"]}) > 1


def test_utterances_without_speaker_are_placed_one_by_one_with_a_warning(tmp_path: Path) -> None:
    lines = [line(f"s{i}-0", f"s{i}", 5) for i in range(10)] + [line(f"x{i}", None) for i in range(50)]
    result = run(manifest(tmp_path / "m.json", lines))
    assert result.exit_code == 0
    assert result.stderr == "warning: 50 utterances have no speaker: each is a group of its own\n"


def test_sentences_of_dev_and_test_are_left_out_of_train(tmp_path: Path) -> None:
    prompts = ["The cat sat.", "Dogs bark!", "Birds fly", "", "Fish swim"]
    lines = [line(f"s{s}-{i}", f"s{s}", text=text if i < 4 else f"alone {s}") for s in range(10) for i, text in enumerate(prompts)]
    lines += [line("s99-0", "s99", 5, "THE CAT, SAT"), line("s99-1", "s99", 5, "the cat sat down")]
    path = manifest(tmp_path / "m.json", lines)
    parts, done = split(path, "5", "0", disjoint_texts=True)
    dev = {u.text.casefold().strip(".!") for u in read_manifest(tmp_path / "m.dev.json") if u.text}
    assert "the cat sat" in dev  # every s0 to s9 has it
    train = read_manifest(tmp_path / "m.train.json")
    assert len(parts["dev"]) == 5
    assert {u.text for u in train if not u.id.startswith("s99")} == {"", *(f"alone {s}" for s in range(10))} - {
        f"alone {parts['dev'][0][1]}"
    }
    assert [u.id for u in train if u.speaker == "s99"] == ["s99-1"]
    assert done.repeated_texts == 9 * 3 + 1
    assert len(parts["train"]) + len(parts["dev"]) + done.repeated_texts == len(lines)
    assert (
        "28 utterances left out of train: their sentences are in dev or test"
        in run(path, "--dev", 5, "--test", 0, "--disjoint-texts").stdout
    )


def test_missing_durations_are_measured(tmp_path: Path) -> None:
    lines = []
    for i in range(10):
        record(tmp_path / f"s{i}-0.wav", 2.0)
        lines.append(line(f"s{i}-0", f"s{i}", offset=0.5) | {"duration": None})
    _, done = split(manifest(tmp_path / "m.json", lines))
    assert [p.milliseconds for p in done.parts] == [12_000, 1_500, 1_500]


@pytest.mark.parametrize(
    ("speakers", "sizes", "more", "said"),
    [
        (
            2,
            ("10%", "10%"),
            [],
            "2 speakers cannot make 3 parts: ask for fewer (--test 0), or split by utterance (--by utterance)",
        ),
        (1, ("10%", "0"), [], "1 speakers cannot make 2 parts: ask for fewer (--test 0), or split by utterance (--by utterance)"),
        (
            4,
            ("5%", "0"),
            [],
            "--dev 5%: too few speakers, or too large ones (4): the nearest that whole speakers come to is 25%: ask for --dev 25%, or ",
        ),
        (
            4,
            ("3", "0"),
            [],
            "--dev 3: too few speakers, or too large ones (4): the nearest that whole speakers come to is 10: ask for --dev 10, or ",
        ),
        (
            4,
            ("0", "0.001h"),
            [],
            "--test 0.001h: too few speakers, or too large ones (4): the nearest that whole speakers come to is 0.01h: ",
        ),
        (4, ("60%", "40%"), [], "--test 40% and --dev 60%: that leaves nothing to train on"),
        (4, ("400", "0"), [], "--dev 400: that leaves nothing to train on"),
        (10, ("10%", "10%"), ["--by", "room"], "no utterance has the key room: use --by speaker or utterance"),
        (3, ("1%", "98%"), [], "3 speakers are too few for parts of these sizes: nothing is left to train on, or split "),
        (3, ("60%", "39%"), [], "3 speakers are too few for parts of these sizes: nothing is left to train on, or split "),
    ],
)
def test_speakers_that_are_too_few(tmp_path: Path, speakers: int, sizes: tuple[str, str], more: list[str], said: str) -> None:
    path = corpus(tmp_path / "m.json", speakers)
    result = run(path, "--dev", sizes[0], "--test", sizes[1], *more)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {path}: {said}"), result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_the_advice_helps(tmp_path: Path) -> None:
    path = corpus(tmp_path / "m.json", 4)
    assert run(path, "--dev", "25%", "--test", "0").exit_code == 0
    assert run(path, "--by", "utterance").exit_code == 0


@pytest.mark.parametrize("size", ["x", "5 %%", "100%", "-1", "1.5", "", "5m", "nan", "1e3"])
def test_sizes_that_are_none(tmp_path: Path, size: str) -> None:
    result = run(corpus(tmp_path / "m.json", 10), f"--dev={size}")
    assert result.exit_code == 2
    assert f"error: --dev {size}: expected a share of the hours (5%), hours (1.5h) or a number of utterances (200)" in result.stderr


def test_nothing_to_do_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one of them must be more than 0"):
        split_manifest(corpus(tmp_path / "m.json", 10), NONE, NONE)


def test_manifests_that_cannot_be_read(tmp_path: Path) -> None:
    assert "no such manifest" in run(tmp_path / "gone.json").stderr
    table = write(tmp_path / "t.csv", "path,text\na.wav,x\n")
    assert (
        run(table).stderr == f"error: {table}:1: not JSON: Expecting value: is this a manifest? asr manifest from converts other layouts\n"
    )
    assert "the manifest is empty" in run(write(tmp_path / "e.json", "\n")).stderr
    bad = write(tmp_path / "b.json", '{"audio_filepath": "a.wav", "duration": 1}\n{}\n{"audio_filepath": 1}\n')
    with pytest.raises(ManifestError) as caught:
        split(bad)
    assert caught.value.problems == [f"{bad}:2: audio_filepath is missing", f"{bad}:3: audio_filepath is 1, expected a path"]
    assert run(manifest(tmp_path / "n.json", [line("a", None)])).stderr.endswith(
        "asr manifest from --speaker-from finds speakers in paths\n"
    )


def test_all_sentences_are_everybodys(tmp_path: Path) -> None:
    path = manifest(tmp_path / "m.json", [line(f"s{s}-{i}", f"s{s}", text=f"prompt {i}") for s in range(10) for i in range(3)])
    assert "every sentence of train is in dev or test as well" in run(path, "--disjoint-texts").stderr
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


HAN = "".join(map(chr, range(0x4E00, 0x4E00 + 200)))


@pytest.mark.parametrize(("text", "start_with", "pieces"), [("GO ON", "all", 256), ("ÜBER", "listener", 128), (HAN, "listener", 400)])
def test_the_next_command_names_the_parts(tmp_path: Path, text: str, start_with: str, pieces: int) -> None:
    """It trains the embedded model on, or its listener alone where the texts have letters that the model does not write."""
    path = manifest(tmp_path / "my data.json", [line(f"s{s}-{i}", f"s{s}", text=text) for s in range(10) for i in range(3)])
    next_, asr, train, recipe, *overrides = shlex.split(run(path).stdout.splitlines()[-1])
    assert (next_, asr, train) == ("next:", "asr", "train")
    config = load_recipe(ROOT / recipe, overrides)
    assert isinstance(config, Config)
    assert (config.train.start_folder, config.train.start_with, config.tokenizer.vocab_size) == (EMBEDDED, start_with, pieces)
    assert config.data.train == (tmp_path / "my data.train.json",)
    assert config.data.dev == (tmp_path / "my data.dev.json",)
    assert config.output == Path("runs/my data")
    Tokenizer.train([text] * 24, config.tokenizer)  # there are pieces enough for all letters


def test_the_manifest_is_not_overwritten_by_a_part_that_links_to_it(tmp_path: Path) -> None:
    path = corpus(tmp_path / "m.json", 30)
    before = path.read_bytes()
    (tmp_path / "m.train.json").symlink_to(path)
    result = run(path)
    expected = f"error: part {tmp_path / 'm.train.json'}: would overwrite an input of this command: name another file\n"
    assert (result.exit_code, result.stderr) == (2, expected)
    assert path.read_bytes() == before

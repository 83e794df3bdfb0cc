"""The mini recipe's data: nothing that is developed on may be trained on, nor a voice that may be one of those."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests_support import recipe_script

from asr.speech.manifest import Utterance, read_manifest
from asr.text.tokenizer import Tokenizer

RATE = 16_000
DEV_TEXT = "THE STAIRCASE GROANED BENEATH MISTER DREW'S WEIGHT AND THEN FELL"
SHORT_DEV_TEXT = DEV_TEXT.replace("MISTER", "MR")
CV_TEXT = "THE DAWES BROTHERS FOUNDED THE PURE OIL COMPANY"
CV_NUMBER = 37_029_634
BOOK = "OF ZEAL AND ZEBRAS"
PROSE = ["WHAT I MEAN IS THIS", "THEY WONDERED WHETHER THE TRAVELLERS HAD COME BY QUAY OR BY FJORD", "A VEXED JUDGE QUIZZED HIM"]


mini_data = recipe_script("librispeech/mini_data.py")


def clip(number: int | str) -> Utterance:
    return Utterance(f"common_voice_en_{number}", Path("a.opus"))


# ---------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("common_voice_en_37029621", 37_029_621),
        ("common_voice_en_0", 0),
        ("common_voice_en_12-0.50", None),
        ("common_voice_en_", None),
        ("common_voice_de_37029621", None),
        ("x_common_voice_en_5", None),
        ("common_voice_en_٣", None),
        ("cv1dev-000001", None),
        ("84-121123-0001", None),
    ],
)
def test_clip_number(name: str, number: int | None) -> None:
    assert mini_data.clip_number(Utterance(name, Path("a.opus"))) == number


def test_neighbours_are_25_numbers_around_each_dev_clip() -> None:
    numbers = [100, 1000]
    inside = [*range(75, 126), *range(975, 1026)]
    assert mini_data.NEIGHBOURS == 25
    assert [n for n in range(1200) if mini_data.is_neighbour(clip(n), numbers)] == inside


def test_clips_without_dev_neighbours() -> None:
    assert not mini_data.is_neighbour(clip(5), [])
    assert not mini_data.is_neighbour(Utterance("84-121-0000", Path("a.flac")), [5])


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("B C D E", 3, {"B C D", "C D E"}),
        ("B  C   D", 3, {"B C D"}),
        ("B C D", 3, {"B C D"}),
        ("B C", 3, set()),
        ("", 3, set()),
    ],
)
def test_runs(text: str, words: int, found: set[str]) -> None:
    assert mini_data.runs(text, words) == found


def test_lines_that_share_a_run_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    references = ["A B C D E F G H I J", "K L M N"]
    lines = ["X B C D E F G H I Y", "B C D E F G H X", "K L M N", "H I J K L M N O", "NOTHING OF IT", "KEPT APART"]
    assert mini_data.without_runs(lines, {"KEPT APART"}, references) == [lines[1], lines[2], lines[3], lines[4]]
    assert capsys.readouterr().out == "lines left out for a run of 8 words that stands in dev-clean as well: 1\n"
    assert mini_data.without_runs(lines[1:], set(), references) == lines[1:]
    assert not capsys.readouterr().out


# ---------------------------------------------------------------- a small folder of corpora


def write_audio(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(RATE, 0.1), RATE)


def write_corpus(data: Path, name: str, texts: dict[str, str | None], **keys: object) -> None:
    lines = []
    for i, text in texts.items():
        write_audio(data / name / "audio" / f"{i}.flac")
        record = {"id": i, "audio_filepath": f"audio/{i}.flac", "duration": 1.0, "text": text, **keys}
        lines.append(json.dumps({key: value for key, value in record.items() if value is not None}) + "\n")
    (data / name / f"{name}.json").write_text("".join(lines))


def write_librispeech(data: Path, subset: str, speaker: str, texts: list[str]) -> None:
    folder = data / "LibriSpeech" / subset / speaker / "1"
    for i in range(len(texts)):
        write_audio(folder / f"{speaker}-1-{i:04d}.flac")
    (folder / f"{speaker}-1.trans.txt").write_text("".join(f"{speaker}-1-{i:04d} {text}\n" for i, text in enumerate(texts)))


def write_an4(data: Path) -> None:
    (data / "an4/etc").mkdir(parents=True)
    for part, name in (("an4_train", "an1-fash-b"), ("an4_test", "an1-marh-b")):
        (data / f"an4/etc/{part}.fileids").write_text(f"{name.split('-')[1]}/{name}\n")
        (data / f"an4/etc/{part}.transcription").write_text(f"<s> GO {part[4:].upper()} </s> ({name})\n")
        write_audio(data / f"an4/wav/{name.split('-')[1]}/{name}.flac")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A few utterances of every corpus, some of which must not be trained on."""
    data = tmp_path / "data"
    write_librispeech(data, "train-clean-100", "19", ["NORTHANGER ABBEY", DEV_TEXT])
    write_librispeech(data, "dev-clean", "84", [DEV_TEXT])
    write_an4(data)
    for corpus in mini_data.REAL:
        write_corpus(data, corpus, {f"{corpus}-1": f"TEXT OF {corpus.upper().replace('-', ' ')}"}, speaker=corpus)
    write_corpus(data, "commonvoice-more", {f"common_voice_en_{CV_NUMBER}": CV_TEXT}, speaker="cv-1")
    clips = {f"common_voice_en_{CV_NUMBER + i}": f"NEAR BY {'I' * abs(i)}" for i in (-26, -25, 7, 25, 26)}
    write_corpus(data, "commonvoice", clips)
    strays = data / "commonvoice-strays" / "commonvoice-strays.json"
    record = json.loads(strays.read_text(encoding="utf-8"))
    by_dev_speaker = json.dumps({**record, "id": "cv1-1", "text": "BY A DEV SPEAKER", "speaker": "cv-1"})
    strays.write_text(f"{json.dumps(record)}\n{by_dev_speaker}\n", encoding="utf-8")
    write_corpus(data, "commonvoice-v1", {"cv1dev-000001": CV_TEXT, "cv1dev-000002": "THEN WHY"})
    write_corpus(data, "pseudo", {**clips, "common_voice_en_1": "FAR AWAY", "common_voice_en_2": CV_TEXT})
    write_corpus(data, "synthetic-kokoro", {"kokoro-1": "AY AY YOUNG MAN", "kokoro-2": DEV_TEXT, "kokoro-3": SHORT_DEV_TEXT})
    write_corpus(data, "noise", {"rain": None})
    (data / "text").mkdir()
    (data / "text/lm_prose.txt").write_text("\n".join([*PROSE * 20, DEV_TEXT, SHORT_DEV_TEXT, CV_TEXT, *PROSE]) + "\n")
    (data / "text/train_clean_100.txt").write_text("NORTHANGER ABBEY\n" * 5)
    (data / "text/lm_books.txt").write_text(f"{BOOK}\n{DEV_TEXT} AND STOOD\n")
    return data


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "mini"


def run(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["mini_data.py", "--data", str(data), "--output", str(output)])
    monkeypatch.setattr(mini_data, "TokenizerConfig", lambda kind, vocab_size: smaller(kind))
    mini_data.main()


def smaller(kind: str) -> object:
    """Pieces for so little text; what the recipe asks for is looked at in a test of its own."""
    from asr.config import TokenizerConfig

    return TokenizerConfig.model_validate({"kind": kind, "vocab_size": 40})


def ids(output: Path, name: str) -> list[str]:
    return [u.id for u in read_manifest(output / f"{name}.json")]


def test_dev_texts_and_neighbours_are_kept_out(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path) -> None:
    run(monkeypatch, data, output)
    far = [f"common_voice_en_{CV_NUMBER - 26}", f"common_voice_en_{CV_NUMBER + 26}"]
    others = [f"{c}-1" for c in mini_data.REAL if not c.startswith("commonvoice")]
    assert ids(output, "real") == ["19-1-0000", "an1-fash-b", others[0], *far, "commonvoice-strays-1", "cv1dev-000002", *others[1:]]
    assert ids(output, "pseudo") == [*far, "common_voice_en_1"]
    assert ids(output, "synthetic") == ["kokoro-1"]
    trained_on = [u for name in ("real", "pseudo", "synthetic") for u in read_manifest(output / f"{name}.json")]
    developed_on = [u for name in ("dev-clean", "cv-dev") for u in read_manifest(output / f"{name}.json")]
    assert not {u.text for u in trained_on} & {u.text for u in developed_on}
    assert not {u.audio_filepath for u in trained_on} & {u.audio_filepath for u in developed_on}


def test_the_development_sets(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path) -> None:
    run(monkeypatch, data, output)
    assert ids(output, "dev-clean") == ["84-1-0000"]
    assert ids(output, "cv-dev") == [f"common_voice_en_{CV_NUMBER}"]
    assert ids(output, "noise") == ["rain"]


def test_the_language_model_sees_no_dev_text(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path) -> None:
    run(monkeypatch, data, output)
    lines = (output / "lm.txt").read_text().splitlines()
    assert not {DEV_TEXT, CV_TEXT} & set(lines)
    assert lines[:65] == [*PROSE * 21, "NORTHANGER ABBEY", "NORTHANGER ABBEY"]
    assert {"GO TRAIN", "THEN WHY", "TEXT OF LJSPEECH"} < set(lines)
    assert "GO TEST" not in lines
    assert "AY AY YOUNG MAN" not in lines  # made of the prose
    assert lines[-1] == BOOK


def test_shared_runs_are_counted_in_the_speech_and_left_out_of_the_text(
    monkeypatch: pytest.MonkeyPatch, data: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = DEV_TEXT.split()
    write_corpus(data, "synthetic-kokoro", {"kokoro-1": " ".join(["AND", *words[:9]])})  # two runs of eight
    with (data / "text/lm_prose.txt").open("a") as f:
        f.write(" ".join(words[:7]) + "\n" + " ".join([*words[2:], "AGAIN"]) + "\n")  # one
    run(monkeypatch, data, output)
    told = capsys.readouterr().out.splitlines()
    at = told.index("runs of 8 words that dev-clean shares with the training texts: 2")
    assert told[at + 1 : at + 3] == sorted(["  " + " ".join(words[:8]), "  " + " ".join(words[1:9])])
    assert "lines left out for a run of 8 words that stands in dev-clean as well: 1" in told
    lines = (output / "lm.txt").read_text().splitlines()
    assert " ".join(words[:7]) in lines
    assert " ".join([*words[2:], "AGAIN"]) not in lines


def test_tokens_are_learnt_from_the_text(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path) -> None:
    asked = []
    monkeypatch.setattr(mini_data, "TOKEN_LINES", 20)
    train = Tokenizer.train
    monkeypatch.setattr(mini_data.Tokenizer, "train", lambda lines, config: asked.append(list(lines)) or train(PROSE, smaller("unigram")))
    run(monkeypatch, data, output)
    assert len(asked[0]) == 20
    assert set(asked[0]) <= set((output / "lm.txt").read_text().splitlines()) - {BOOK}  # pieces are as they were without novels
    assert Tokenizer.load(output / "unigram256.model").decode(Tokenizer.load(output / "unigram256.model").encode(PROSE[0])) == PROSE[0]
    again = output.with_name("again")
    run(monkeypatch, data, again)
    assert asked[1] == asked[0]  # the same lines every time


def test_the_recipe_asks_for_256_unigram_pieces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    train = Tokenizer.train
    monkeypatch.setattr(mini_data.Tokenizer, "train", lambda lines, config: asked.append(config) or train(PROSE, smaller("unigram")))
    mini_data.make_tokens(tmp_path / "a.model", PROSE)
    assert [(config.kind, config.vocab_size) for config in asked] == [("unigram", 256)]
    assert mini_data.TOKEN_LINES == 200_000


def test_tokens_that_are_there_stay(monkeypatch: pytest.MonkeyPatch, data: Path, output: Path) -> None:
    output.mkdir()
    (output / "unigram256.model").write_bytes(b"a training uses it")
    run(monkeypatch, data, output)
    assert (output / "unigram256.model").read_bytes() == b"a training uses it"


# ---------------------------------------------------------------- what is not there


@pytest.mark.parametrize("missing", [*mini_data.REAL, "commonvoice-more", "pseudo", "synthetic-kokoro", "noise", "an4", "text"])
def test_all_corpora_but_librispeech_are_optional(
    monkeypatch: pytest.MonkeyPatch, data: Path, output: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    (data / missing).rename(data.parent / "elsewhere")
    run(monkeypatch, data, output)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == (3 if missing == "text" else 1)
    assert told[0].startswith(f"{data}/{missing}")
    assert told[0].endswith(": not there: done without")
    assert "19-1-0000" in ids(output, "real")
    assert not [u for u in read_manifest(output / "real.json") if u.extra.get("corpus") == missing]


def test_a_part_that_is_no_longer_there_leaves_no_old_manifest(
    monkeypatch: pytest.MonkeyPatch, data: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, data, output)
    (data / "pseudo/pseudo.json").unlink()
    run(monkeypatch, data, output)
    assert not (output / "pseudo.json").exists()
    assert "pseudo.json: nothing to write: take it out of the recipe" in capsys.readouterr().out


def break_all(data: Path) -> None:
    data.rename(data.parent / "elsewhere")


def break_librispeech(data: Path) -> None:
    (data / "LibriSpeech").rename(data / "elsewhere")


def break_dev(data: Path) -> None:
    (data / "LibriSpeech/dev-clean").rename(data / "elsewhere")


def break_manifest(data: Path) -> None:
    (data / "vctk/vctk.json").write_text("no JSON\n")


BROKEN = {
    break_all: (2, "error: --data {data}: no such folder"),
    break_librispeech: (2, "error: {data}: holds no LibriSpeech"),
    break_dev: (2, "error: {data}/LibriSpeech: dev-clean not there"),
    break_manifest: (1, "error: {data}/vctk/vctk.json:1: not JSON"),
}


@pytest.mark.parametrize("breaker", BROKEN, ids=lambda f: f.__name__)
def test_unusable_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch, data: Path, output: Path, capsys: pytest.CaptureFixture[str], breaker
) -> None:
    breaker(data)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, data, output)
    code, message = BROKEN[breaker]
    assert stopped.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message.format(data=data))
    assert not (output / "real.json").exists()


def test_titles_are_spelled_out() -> None:
    assert mini_data.spelled_out("MR BROWN AND MRS DREW MET DR MRS") == "MISTER BROWN AND MISSUS DREW MET DOCTOR MISSUS"


def test_damaged_recordings_are_counted_and_listed(
    monkeypatch: pytest.MonkeyPatch, data: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, data, output)
    assert "left out" not in capsys.readouterr().err
    (data / "LibriSpeech/train-clean-100/19/1/19-1-0000.flac").write_bytes(b"")
    (data / "an4/wav/marh/an1-marh-b.flac").write_bytes(b"")
    run(monkeypatch, data, output)
    listed = {"LibriSpeech": output / "librispeech/problems.txt", "AN4": output / "an4/problems.txt"}
    told = [f"{corpus}: 1 missing or damaged, and left out: {path} lists them" for corpus, path in listed.items()]
    assert capsys.readouterr().err.splitlines() == told
    for path, name in zip(listed.values(), ("19-1-0000.flac", "an1-marh-b.flac"), strict=True):
        (line,) = path.read_text().splitlines()
        assert name in line
    write_audio(data / "an4/wav/marh/an1-marh-b.flac")
    run(monkeypatch, data, output)
    assert not listed["AN4"].exists()

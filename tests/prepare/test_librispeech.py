"""LibriSpeech to manifests: small corpora written here, downloads of a stand-in, and a part of the real one where it is to be had."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import FILTER, SHARED_DATA
from typer.testing import CliRunner, Result

from asr.cli import app
from asr.errors import AsrError, UsageError
from asr.prepare import librispeech, librispeech_download
from asr.prepare.librispeech import prepare_librispeech
from asr.prepare.librispeech_download import UTTERANCES, corpus_folder, download_librispeech
from asr.prepare.tokens import sample_text
from asr.speech.manifest import Utterance, read_manifest
from asr.text.tokenizer import Tokenizer

RATE = 16_000
SPEAKERS = """; the meaning of the fields
;ID  |SEX| SUBSET           |MINUTES| NAME
19   | F | train-clean-100  | 25.19 | Kara Shallenberg
26   | M | train-clean-100  | 25.08 | Denny Sayers
103  | F | train-clean-100  | 25.10 | Karen | Savage
84   | F | dev-clean        |  8.02 | Christie Nowak
"""
TEXTS = ["NORTHANGER ABBEY", "THIS LITTLE WORK WAS FINISHED IN THE YEAR EIGHTEEN O THREE"]

UNPACKS = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="torchaudio unpacks with tarfile.data_filter")


def write_chapter(subset: Path, speaker: str, chapter: str, ending: str = ".flac") -> Path:
    """A chapter of two utterances, of one second and of two."""
    folder = subset / speaker / chapter
    folder.mkdir(parents=True)
    lines = []
    for i, text in enumerate(TEXTS):
        name = f"{speaker}-{chapter}-{i:04d}"
        soundfile.write(folder / f"{name}{ending}", np.full(RATE * (i + 1), 0.1), RATE)
        lines.append(f"{name} {text}\n")
    (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    return folder


def write_corpus(data: Path, subsets: tuple[str, ...] = ("train-clean-100", "dev-clean")) -> Path:
    corpus = data / "LibriSpeech"
    for name in subsets:
        for speaker, chapter in (
            [("103", "1240"), ("19", "227"), ("19", "198"), ("26", "495")] if name.startswith("train") else [("84", "121")]
        ):
            write_chapter(corpus / name, speaker, chapter)
    (corpus / "SPEAKERS.TXT").write_text(SPEAKERS)
    return corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three training speakers with four chapters, and one to develop on."""
    return write_corpus(tmp_path)


@pytest.fixture
def chapter(corpus: Path) -> Path:
    return corpus / "dev-clean/84/121"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["prepare", "librispeech", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


def manifest(output: Path, name: str) -> list[Utterance]:
    return read_manifest(output / f"{name}.json", need_text=True)


# ---------------------------------------------------------------- what is there


def test_the_official_layout(corpus: Path, tmp_path: Path) -> None:
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    assert [part.name for part in prepared.parts] == ["train-clean-100", "dev-clean"]
    assert (prepared.problems, prepared.left_out, prepared.problems_file) == ([], 0, None)
    found = manifest(tmp_path / "out", "train-clean-100")
    assert [u.id for u in found] == [f"{c}-000{i}" for c in ("19-198", "19-227", "26-495", "103-1240") for i in (0, 1)]  # by number
    second = found[1]
    assert (second.text, second.duration, second.speaker) == (TEXTS[1], 2.0, "19")
    assert second.audio_filepath == corpus / "train-clean-100/19/198/19-198-0001.flac"
    assert second.extra == {"gender": "F", "subset": "train-clean-100"}
    assert [u.id for u in manifest(tmp_path / "out", "dev-clean")] == ["84-121-0000", "84-121-0001"]


def test_statistics(corpus: Path, tmp_path: Path) -> None:
    write_chapter(corpus / "dev-clean", "777", "1")  # a speaker of whom SPEAKERS.TXT says nothing
    (corpus / "dev-clean/84/121/84-121-0000.flac").unlink()
    prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert list(statistics) == ["train-clean-100", "dev-clean"]
    assert statistics["train-clean-100"] == {
        "utterances": 8,
        "official_utterances": 28_539,
        "hours": round(12 / 3600, 3),
        "speakers": 3,
        "speakers_by_gender": {"F": 2, "M": 1},
        "words": 4 * (2 + 11),
        "problems": 0,
    }
    assert statistics["dev-clean"]["speakers_by_gender"] == {"F": 1, "unknown": 1}
    assert statistics["dev-clean"]["problems"] == 1


def test_the_subsets_are_all_the_official_ones(tmp_path: Path) -> None:
    write_corpus(tmp_path, tuple(UTTERANCES))
    assert [part.name for part in prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None).parts] == list(UTTERANCES)
    assert sum(UTTERANCES.values()) == 292_367  # as the corpus's own README adds up
    assert set(librispeech_download.ARCHIVE_GIGABYTES) == set(UTTERANCES)


def test_without_a_list_of_speakers_there_are_no_genders(corpus: Path, tmp_path: Path) -> None:
    (corpus / "SPEAKERS.TXT").unlink()
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    statistics = json.loads((tmp_path / "out/statistics.json").read_text())
    assert statistics["train-clean-100"]["speakers_by_gender"] == {"unknown": 3}
    assert "gender" not in manifest(tmp_path / "out", "train-clean-100")[0].extra
    assert prepared.problems == []


def test_the_corpus_folder_itself_does_too(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_librispeech(tmp_path, tmp_path / "a", vocab_size=None)
    prepare_librispeech(corpus, tmp_path / "b", vocab_size=None)
    monkeypatch.chdir(corpus)
    prepare_librispeech(Path(), tmp_path / "c")
    wanted = (tmp_path / "a/dev-clean.json").read_bytes()
    assert wanted == (tmp_path / "b/dev-clean.json").read_bytes() == (tmp_path / "c/dev-clean.json").read_bytes()


def test_a_folder_of_another_name_that_holds_subsets(corpus: Path, tmp_path: Path) -> None:
    corpus.rename(tmp_path / "LS")
    assert corpus_folder(tmp_path / "LS") == tmp_path / "LS"
    assert len(prepare_librispeech(tmp_path / "LS", tmp_path / "out", vocab_size=None).parts) == 2


@pytest.mark.parametrize("ending", [".wav", ".ogg", ".mp3", ".opus", ".FLAC"])
def test_every_audio_ending_is_found(tmp_path: Path, ending: str) -> None:
    if ending == ".opus":  # soundfile knows the format by the ending .ogg alone
        folder = write_chapter(tmp_path / "dev-clean", "84", "121", ".ogg")
        for i in (0, 1):
            soundfile.write(folder / f"84-121-000{i}.ogg", np.full(RATE * (i + 1), 0.1), RATE, format="OGG", subtype="OPUS")
            (folder / f"84-121-000{i}.ogg").rename(folder / f"84-121-000{i}.opus")
    else:
        write_chapter(tmp_path / "dev-clean", "84", "121", ending)
    assert prepare_librispeech(tmp_path, tmp_path / "out").problems == []
    dev = manifest(tmp_path / "out", "dev-clean")
    assert [u.audio_filepath.suffix for u in dev] == [ending] * 2
    assert [u.duration for u in dev] == pytest.approx([1.0, 2.0], abs=0.1)


def test_the_original_of_two_formats_is_used(chapter: Path, tmp_path: Path) -> None:
    for ending in (".mp3", ".wav"):
        soundfile.write(chapter / f"84-121-0000{ending}", np.full(5 * RATE, 0.1), RATE)
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", ["dev-clean"], vocab_size=None)
    dev = prepared.parts[0]
    assert prepared.problems == []
    assert manifest(tmp_path / "out", dev.name)[0].audio_filepath.suffix == ".flac"


def test_files_that_are_no_speech_are_nobody_s_problem(chapter: Path, tmp_path: Path) -> None:
    for name in ("notes.txt", "84-121-0000.TextGrid", ".DS_Store", "._84-121-0000.flac", "._84-121.trans.txt"):
        (chapter / name).write_bytes(b"\x00\xff")
    (chapter.parent / "README").touch()
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", ["dev-clean"], vocab_size=None)
    dev = prepared.parts[0]
    assert prepared.problems == []
    assert dev.utterances == 2


# ---------------------------------------------------------------- what is missing or damaged


def remove_audio(chapter: Path) -> None:
    (chapter / "84-121-0001.flac").unlink()


def damage_audio(chapter: Path) -> None:
    (chapter / "84-121-0001.flac").write_bytes(b"damaged" * 100)


def empty_audio(chapter: Path) -> None:
    (chapter / "84-121-0001.flac").write_bytes(b"")


def rewrite(chapter: Path, old: str, new: str) -> None:
    path = chapter / "84-121.trans.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def remove_text(chapter: Path) -> None:
    rewrite(chapter, f" {TEXTS[1]}", "  ")


def remove_line(chapter: Path) -> None:
    rewrite(chapter, f"84-121-0001 {TEXTS[1]}\n", "\n")


def repeat_line(chapter: Path) -> None:
    rewrite(chapter, "84-121-0001", "84-121-0000")


MISSING = {
    remove_audio: ["121/84-121.trans.txt:2: 84-121-0001 has no recording beside it"],
    damage_audio: ["121/84-121-0001.flac: cannot be decoded"],
    empty_audio: ["121/84-121-0001.flac: the file is empty"],
    remove_text: ["121/84-121.trans.txt:2: 84-121-0001 has no text"],
    remove_line: ["121/84-121-0001.flac: no line in 84-121.trans.txt"],
    repeat_line: ["121/84-121.trans.txt:2: 84-121-0000 is repeated", "121/84-121-0001.flac: no line in 84-121.trans.txt"],
}


@pytest.mark.parametrize("breaker", MISSING, ids=lambda f: f.__name__)
def test_a_missing_part_leaves_the_others_intact(chapter: Path, tmp_path: Path, breaker: Callable[[Path], None]) -> None:
    breaker(chapter)
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    assert [u.id for u in manifest(tmp_path / "out", "dev-clean")] == ["84-121-0000"]
    assert [part.utterances for part in prepared.parts] == [8, 1]
    assert prepared.left_out == len(prepared.problems) == len(MISSING[breaker])
    for problem, told in zip(prepared.problems, MISSING[breaker], strict=True):
        assert told in problem
    assert (tmp_path / "out/problems.txt").read_text().splitlines() == prepared.problems


def test_a_stray_recording_is_reported(chapter: Path, tmp_path: Path) -> None:
    soundfile.write(chapter / "84-121-0099.flac", np.zeros(RATE), RATE)
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", ["dev-clean"], vocab_size=None)
    dev = prepared.parts[0]
    assert prepared.problems == [f"{chapter}/84-121-0099.flac: no line in 84-121.trans.txt"]
    assert dev.utterances == 2


def test_a_chapter_without_transcripts_is_reported(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "train-clean-100/19/198"
    (folder / "19-198.trans.txt").unlink()
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", ["train-clean-100"], vocab_size=None)
    train = prepared.parts[0]
    assert prepared.problems == [f"{folder}: no transcripts (19-198.trans.txt) for 2 recordings"]
    assert train.utterances == 6


def test_a_transcript_that_is_not_utf8_names_its_line(chapter: Path, corpus: Path, tmp_path: Path) -> None:
    path = chapter / "84-121.trans.txt"
    path.write_bytes(b"84-121-0000 FINE\n84-121-0001 CAF\xc9\n")
    write_chapter(corpus / "dev-clean", "777", "1")
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", ["dev-clean"], vocab_size=None)
    dev = prepared.parts[0]
    assert prepared.problems == [f"{path}:2: not UTF-8 text: the 2 recordings beside it are left out"]
    assert [u.speaker for u in manifest(tmp_path / "out", dev.name)] == ["777", "777"]


def test_an_empty_subset_has_no_manifest(corpus: Path, tmp_path: Path) -> None:
    (corpus / "dev-other").mkdir()
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", ["dev-other"], vocab_size=None)
    dev = prepared.parts[0]
    assert (dev.utterances, len(prepared.problems)) == (0, 1)
    assert "dev-other: nothing to use: expected SPEAKER/CHAPTER/ID.flac" in prepared.problems[0]
    assert not (tmp_path / "out/dev-other.json").exists()


def test_solved_problems_leave_the_list(chapter: Path, tmp_path: Path) -> None:
    samples = (chapter / "84-121-0001.flac").read_bytes()
    remove_audio(chapter)
    prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    assert (tmp_path / "out/problems.txt").is_file()
    (chapter / "84-121-0001.flac").write_bytes(samples)
    prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    assert not (tmp_path / "out/problems.txt").exists()


@pytest.mark.parametrize(
    ("subsets", "message"),
    [
        (["train-clean-1000"], r"--subsets: LibriSpeech has no 'train-clean-1000': choose from train-clean-100, "),
        (["dev-clean", "test-other"], r"LibriSpeech: test-other not there, only train-clean-100, dev-clean: .*--download"),
    ],
)
def test_a_subset_that_is_unknown_or_absent(corpus: Path, tmp_path: Path, subsets: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prepare_librispeech(tmp_path, tmp_path / "out", subsets, vocab_size=None)
    assert not (tmp_path / "out").exists()


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no LibriSpeech: give the folder around its subsets \(train-clean-100, .*--download"):
        prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    assert not (tmp_path / "out").exists()


def test_a_crash_while_writing_leaves_the_old_files(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    prepare_librispeech(tmp_path, out, vocab_size=None)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    remove_audio(corpus / "dev-clean/84/121")

    def crash(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="No space left"):
        prepare_librispeech(tmp_path, out, vocab_size=None)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_progress_is_shown_by_chapter(corpus: Path, tmp_path: Path) -> None:
    told: list[list[object]] = []

    @contextmanager
    def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
        told.append([what, total, 0])

        def advance(steps: int) -> None:
            told[-1][2] += steps  # type: ignore[operator]

        yield advance

    prepare_librispeech(tmp_path, tmp_path / "out", progress=progress, vocab_size=None)
    assert told == [["reading the chapters of train-clean-100", 4, 4], ["reading the chapters of dev-clean", 1, 1]]


def test_a_stop_does_not_wait_for_the_chapters_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        (tmp_path / f"dev-clean/{number}/1").mkdir(parents=True)
    read = []

    def read_chapter(folder: Path, genders: dict[str, str]) -> tuple[list[Utterance], list[str]]:
        read.append(folder)
        return [], []

    @contextmanager
    def stop_at_once(what: str, total: int) -> Iterator[Callable[[int], None]]:
        def stop(steps: int) -> None:
            raise KeyboardInterrupt

        yield stop

    class OneByOne(librispeech.ThreadPoolExecutor):
        def __init__(self) -> None:
            super().__init__(max_workers=1)

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            stopped.append(cancel_futures)
            super().shutdown(wait, cancel_futures=cancel_futures)

    stopped: list[bool] = []
    monkeypatch.setattr(librispeech, "_read_chapter", read_chapter)
    monkeypatch.setattr(librispeech, "ThreadPoolExecutor", OneByOne)
    with pytest.raises(KeyboardInterrupt):
        prepare_librispeech(tmp_path, tmp_path / "out", progress=stop_at_once, vocab_size=None)
    assert stopped[0] is True


# ---------------------------------------------------------------- the command


def test_a_partial_corpus_is_prepared_and_reported_as_partial(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--data", ".", "--vocab-size", 32)
    assert result.exit_code == 0, result.output
    assert "data/librispeech/train-clean-100.json: 8 of 28,539 utterances: a part" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("next: asr train recipes/librispeech/100.yaml tokenizer.vocab_size=32 ")
    row = next(line for line in result.stdout.splitlines() if line.startswith("│ train-clean-100"))
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["train-clean-100", "8", "0.00", "3", "2", "1", "52"]
    assert result.stderr == ""


def test_a_whole_subset_is_reported_as_whole(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UTTERANCES, "dev-clean", 2)
    result = run("--data", tmp_path, "--output", tmp_path / "out", "--subsets", "dev-clean")
    assert "dev-clean.json: 2 of 2 utterances: the whole" in result.stdout
    assert f"next: asr evaluate --manifest {tmp_path}/out/dev-clean.json" in result.stdout
    assert not list((tmp_path / "out").glob("*.model"))  # nothing to train on: no tokens


def test_damage_is_exit_code_1_and_all_else_is_written(corpus: Path, tmp_path: Path) -> None:
    for path in (corpus / "train-clean-100").rglob("*.flac"):
        if path.name != "19-198-0001.flac":
            path.write_bytes(b"damaged")
    result = run("--data", tmp_path, "--output", tmp_path / "out", "--vocab-size", 24)
    assert result.exit_code == 1
    assert len([line for line in result.stderr.splitlines() if line.startswith("left out: ")]) == 5  # the first few
    assert f"7 left out in all; {tmp_path}/out/problems.txt lists them" in result.stderr
    assert len((tmp_path / "out/problems.txt").read_text().splitlines()) == 7
    assert len(manifest(tmp_path / "out", "train-clean-100")) == 1
    assert (tmp_path / "out/unigram24.model").is_file()


@pytest.mark.parametrize("option", [["--subsets", "dev-clean, dev-other"], ["--subsets", "dev-other", "--subsets", "dev-clean"]])
def test_subsets_parted_by_commas_or_repeated(tmp_path: Path, option: list[str]) -> None:
    write_corpus(tmp_path, ("train-clean-100", "dev-clean", "dev-other"))
    assert run("--data", tmp_path, "--output", tmp_path / "out", *option).exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["dev-clean.json", "dev-other.json", "statistics.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subsets", "dev-cleam"], "error: --subsets: LibriSpeech has no 'dev-cleam'"),
        (["--download"], "error: --download: say which subsets: --subsets train-clean-100,dev-clean"),
        (["--text", "nothing.txt"], "error: --text nothing.txt: no such file"),
        (["--text", "."], "error: --text .: is a folder, expected a text file"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(corpus: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run("--data", tmp_path, "--output", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(message)
    assert not (tmp_path / "out").exists()


def test_three_training_subsets_are_the_recipe_of_960_hours(tmp_path: Path) -> None:
    write_corpus(tmp_path, ("train-clean-100", "train-clean-360", "train-other-500", "dev-clean"))
    out = tmp_path / "out"
    result = run("--data", tmp_path, "--output", out, "--vocab-size", 24)
    train = ",".join(f"{out}/{name}.json" for name in ("train-clean-100", "train-clean-360", "train-other-500"))
    assert result.stdout.splitlines()[-1] == (
        f"next: asr train recipes/librispeech/960.yaml data.train=[{train}] data.dev=[{out}/dev-clean.json]"
        f" tokenizer.vocab_size=24 tokenizer.model={out}/unigram24.model"
    )


def test_the_recipes_want_what_the_command_writes() -> None:
    folder = Path(__file__).resolve().parents[2] / "recipes/librispeech"
    for recipe in ("100.yaml", "960.yaml"):
        for word in (folder / recipe).read_text().replace("[", " ").replace("]", " ").replace(",", " ").replace("}", " ").split():
            if word.startswith("data/librispeech/") and word.endswith(".json"):
                assert Path(word).stem in UTTERANCES
            elif word.startswith("data/librispeech/"):
                assert Path(word).name.startswith("unigram")


# ---------------------------------------------------------------- tokens


def test_tokens_are_made_of_the_training_transcripts(corpus: Path, tmp_path: Path) -> None:
    (corpus / "dev-clean/84/121/84-121.trans.txt").write_text("84-121-0000 QUIZ\n84-121-0001 QUIZ\n")
    assert run("--data", tmp_path, "--output", tmp_path / "out", "--vocab-size", 32).exit_code == 0
    tokenizer = Tokenizer.load(tmp_path / "out/unigram32.model")
    assert len(tokenizer) <= 32
    assert tokenizer.decode(tokenizer.encode(TEXTS[0])) == TEXTS[0]
    letters = set("".join(tokenizer.pieces[3:])) - {"▁"}
    assert letters == set("".join(TEXTS)) - {" "}  # neither Q nor Z: of dev-clean nothing is learnt


def test_tokens_of_more_text(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "cased.txt").write_text("“Quiz,” he said;\n\n")
    with gzip.open(tmp_path / "more.txt.gz", "wt") as f:
        f.write("A JINX\n")
    texts = ["--text", tmp_path / "cased.txt", "--text", tmp_path / "more.txt.gz"]
    assert run("--data", tmp_path, "--output", tmp_path / "out", "--vocab-size", 40, *texts).exit_code == 0
    letters = set("".join(Tokenizer.load(tmp_path / "out/unigram40.model").pieces[3:]))
    assert set("QZJX") < letters
    assert not letters & set("“”,;quiz")


def test_a_large_text_is_sampled_evenly_and_always_alike(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{'A' * (i // 1000 + 1)}\n" for i in range(10_000)))
    lines = sample_text([path], most=2_000)
    assert len(lines) == 2_000
    assert lines == sample_text([path], most=2_000)
    for tenth in range(1, 11):
        assert 150 < sum(len(line) == tenth for line in lines) < 250  # 200 in the mean, 12.6 their standard deviation
    assert len(sample_text([path])) == 10_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"FINE\nCAF\xc9\n", r"--text .*a\.txt: not UTF-8 text"),
        ("a.txt.gz", b"plain text", r"--text .*a\.txt\.gz: not gzip, or cut short"),
        ("a.txt.gz", gzip.compress(b"TEXT\n" * 1000, mtime=0)[:-12], r"--text .*a\.txt\.gz: not gzip, or cut short"),
    ],
)
def test_text_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        sample_text([tmp_path / name])


def test_too_little_text_for_the_pieces_comes_after_the_manifests(corpus: Path, tmp_path: Path) -> None:
    result = run("--data", tmp_path, "--output", tmp_path / "out", "--vocab-size", 4)
    assert result.exit_code == 2
    assert "error: tokenizer: unigram with vocab_size 4 cannot be trained" in result.stderr
    assert len(manifest(tmp_path / "out", "train-clean-100")) == 8


# ---------------------------------------------------------------- downloads, of a stand-in for torchaudio's dataset


class Server:
    """Stands in for torchaudio's LIBRISPEECH: makes the archive where that would fetch it, and unpacks it as that does."""

    def __init__(self, work: Path):
        self.work = work
        self.fetched: list[str] = []
        self.on_fetch: Callable[[Path], None] = lambda archive: None
        self.on_unpack: Callable[[Path], None] = lambda root: None

    def archive(self, name: str, path: Path) -> None:
        corpus = write_corpus(self.work / name, (name,))
        with tarfile.open(path, "w:gz") as tar:
            tar.add(corpus, "LibriSpeech")
        shutil.rmtree(self.work / name)

    def __call__(self, root: Path, url: str, download: bool) -> None:
        assert download
        archive = Path(root) / f"{url}.tar.gz"
        if not archive.is_file():
            self.on_fetch(archive)
            self.archive(url, archive)
            self.fetched.append(url)
        with tarfile.open(archive) as tar:
            for member in tar:
                tar.extract(member, root, filter="data")
                self.on_unpack(Path(root))


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Server:
    import torchaudio.datasets

    stand_in = Server(tmp_path_factory.mktemp("server"))
    monkeypatch.setattr(torchaudio.datasets, "LIBRISPEECH", stand_in)
    monkeypatch.setattr(librispeech_download, "ARCHIVE_GIGABYTES", dict.fromkeys(UTTERANCES, 0.001))
    return stand_in


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@UNPACKS
def test_download(server: Server, tmp_path: Path) -> None:
    result = run("--data", tmp_path, "--output", tmp_path / "out", "--download", "--subsets", "dev-clean,test-clean")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [f"{name}: fetching 0.001 GB, then unpacking …" for name in ("dev-clean", "test-clean")]
    chapters = ["84-121-0000.flac", "84-121-0001.flac", "84-121.trans.txt"]
    expected = ["SPEAKERS.TXT", *(f"{s}/84/121/{name}" for s in ("dev-clean", "test-clean") for name in chapters)]
    assert files(tmp_path / "LibriSpeech") == expected
    assert sorted(p.name for p in (tmp_path / "LibriSpeech").iterdir()) == ["SPEAKERS.TXT", "dev-clean", "test-clean"]  # no leftovers
    assert manifest(tmp_path / "out", "dev-clean")[0].extra["gender"] == "F"


@UNPACKS
def test_what_is_there_is_not_fetched(server: Server, corpus: Path, tmp_path: Path) -> None:
    before = files(corpus / "dev-clean")
    (corpus / "test-clean").mkdir()  # an empty folder is not a subset
    assert [name for name, _ in download_librispeech(tmp_path, ["dev-clean", "test-clean"])] == ["test-clean"]
    assert server.fetched == ["test-clean"]
    assert files(corpus / "dev-clean") == before
    assert len(files(corpus / "test-clean")) == 3


def test_without_download_nothing_is_fetched(server: Server, corpus: Path, tmp_path: Path) -> None:
    assert run("--data", tmp_path, "--output", tmp_path / "out", "--subsets", "dev-other").exit_code == 2
    assert server.fetched == []


@UNPACKS
def test_stopped_while_fetching(server: Server, tmp_path: Path) -> None:
    def stop(archive: Path) -> None:
        archive.with_name(f"{archive.name}.0123.partial").write_bytes(b"half")
        raise KeyboardInterrupt

    server.on_fetch = stop
    with pytest.raises(KeyboardInterrupt):
        list(download_librispeech(tmp_path, ["dev-clean"]))
    assert not (tmp_path / "LibriSpeech/dev-clean").exists()
    with pytest.raises(UsageError, match="holds no LibriSpeech"):
        prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None)
    server.on_fetch = lambda archive: None
    assert [name for name, _ in download_librispeech(tmp_path, ["dev-clean"])] == ["dev-clean"]
    assert not list(tmp_path.rglob("*.partial"))
    assert prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None).parts[0].utterances == 2


@UNPACKS
def test_stopped_while_unpacking(server: Server, tmp_path: Path) -> None:
    def stop(root: Path) -> None:
        if list(root.rglob("*.flac")):
            raise KeyboardInterrupt

    server.on_unpack = stop
    with pytest.raises(KeyboardInterrupt):
        list(download_librispeech(tmp_path, ["dev-clean"]))
    assert not (tmp_path / "LibriSpeech/dev-clean").exists()  # half a subset is not in its place
    assert server.fetched == ["dev-clean"]
    stale = next(tmp_path.rglob("*.flac")).with_name("84-121-0077.flac")
    stale.touch()
    server.on_unpack = lambda root: None
    assert list(download_librispeech(tmp_path, ["dev-clean"])) == [("dev-clean", 0.0)]  # nothing left to fetch
    assert server.fetched == ["dev-clean"]  # the archive was there, and unpacked anew
    assert prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None).problems == []
    assert not list(tmp_path.rglob("*.tar.gz"))


@UNPACKS
def test_an_archive_in_the_data_folder_is_used_and_kept(server: Server, tmp_path: Path) -> None:
    server.archive("dev-clean", tmp_path / "dev-clean.tar.gz")
    assert list(download_librispeech(tmp_path, ["dev-clean"])) == [("dev-clean", 0.0)]
    assert server.fetched == []
    assert (tmp_path / "dev-clean.tar.gz").is_file()
    assert prepare_librispeech(tmp_path, tmp_path / "out", vocab_size=None).parts[0].utterances == 2


@UNPACKS
@pytest.mark.parametrize(
    "error", [OSError("<urlopen error [Errno -2]\n Name or service not known>"), RuntimeError('invalid hash value (expected "76f8")')]
)
def test_a_download_that_fails_is_one_line(server: Server, tmp_path: Path, error: Exception) -> None:
    def fail(archive: Path) -> None:
        raise error

    server.on_fetch = fail
    result = run("--data", tmp_path, "--output", tmp_path / "out", "--download", "--subsets", "dev-clean")
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last == f"error: dev-clean: could not be fetched ({' '.join(str(error).split())}): the same command tries again"
    assert not (tmp_path / "LibriSpeech/dev-clean").exists()


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"no archive at all", lambda b: b""], ids=["cut", "text", "empty"]
)
@UNPACKS
@pytest.mark.parametrize("own", [True, False])
def test_a_damaged_archive(server: Server, tmp_path: Path, damage: Callable[[bytes], bytes], own: bool) -> None:
    archive = tmp_path / "dev-clean.tar.gz" if own else tmp_path / "LibriSpeech/.fetching/dev-clean/dev-clean.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    server.archive("dev-clean", archive)
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(AsrError, match=r"dev-clean\.tar\.gz: the archive is damaged .*run the same command again"):
        list(download_librispeech(tmp_path, ["dev-clean"]))
    assert archive.exists() is own  # another's file is not ours to delete
    assert not (tmp_path / "LibriSpeech/dev-clean").exists()
    archive.unlink(missing_ok=True)
    assert list(download_librispeech(tmp_path, ["dev-clean"])) == [("dev-clean", 0.001)]
    assert server.fetched == ["dev-clean"]


@UNPACKS
def test_too_small_a_disk_is_reported_before_any_work(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librispeech_download, "ARCHIVE_GIGABYTES", {"train-clean-360": 1e9})
    with pytest.raises(AsrError, match=r"train-clean-360 needs 2000000000\.0 GB of disk while it is unpacked, and [\d.]+ GB are free"):
        list(download_librispeech(tmp_path, ["train-clean-360"]))
    assert server.fetched == []


def test_an_unknown_subset_is_not_fetched(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="LibriSpeech has no 'dev-cleam'"):
        list(download_librispeech(tmp_path, ["dev-clean", "dev-cleam"]))
    assert server.fetched == []
    assert not (tmp_path / "LibriSpeech").exists()


def test_a_python_that_cannot_unpack_is_refused_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    with pytest.raises(AsrError, match=r"^dev-clean: Python [\d.]+ cannot unpack archives safely: use .* or unpack dev-clean.tar.gz"):
        list(download_librispeech(tmp_path, ["dev-clean"]))


def test_torchaudio_has_the_same_subsets() -> None:
    from torchaudio.datasets import librispeech as theirs

    assert set(theirs._DATA_SUBSETS) == set(UTTERANCES)


# ---------------------------------------------------------------- the real corpus


@pytest.mark.parametrize(("archive", "name"), [("librispeech-dev-clean-part.tar", "dev-clean")])
def test_a_part_of_the_real_corpus(tmp_path: Path, archive: str, name: str) -> None:
    path = SHARED_DATA / archive
    if not path.is_file():
        pytest.skip(f"the LibriSpeech recordings are not on this machine: no {path}")
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path, **FILTER)
    lines = [line for p in tmp_path.rglob("*.trans.txt") for line in p.read_text().splitlines()]
    assert len(lines) > 500
    prepared = prepare_librispeech(tmp_path, tmp_path / "out", [name], vocab_size=None)
    assert prepared.problems == []
    found = manifest(tmp_path / "out", name)
    assert sorted(f"{u.id} {u.text}" for u in found) == sorted(lines)
    assert prepared.parts[0].words == sum(len(line.split()) - 1 for line in lines)
    assert {u.speaker for u in found} == {p.name for p in (tmp_path / "LibriSpeech" / name).iterdir()}
    assert all(1 < (u.duration or 0) < 36 for u in found)
    assert all(u.audio_filepath.stem == u.id for u in found)

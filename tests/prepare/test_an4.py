"""AN4 to manifests: a small corpus written here, and the real one where it is to be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import UsageError
from asr.prepare.an4 import prepare_an4
from asr.speech.manifest import Utterance, read_manifest

RATE = 16_000
TRAIN = ["fash", "fbbh", "fclc", "mblb", "mcrt", "mjbh", "mkem", "msct"]
TEST = ["fcaw", "marh"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Ten speakers with two utterances each, in AN4's layout."""
    corpus = tmp_path / "an4"
    (corpus / "etc").mkdir(parents=True)
    for part, folder, speakers in (("an4_train", "an4_clstk", TRAIN), ("an4_test", "an4test_clstk", TEST)):
        fileids, transcripts = [], []
        for speaker in speakers:
            (corpus / "wav" / folder / speaker).mkdir(parents=True)
            for i, text in enumerate(["HELLO", "G M  E [noise] ++UM++ THREE"]):
                name = f"an{i}-{speaker}-b"
                fileids.append(f"{folder}/{speaker}/{name}")
                transcripts.append(f"<s> {text} </s> ({name})" if part == "an4_train" else f"{text} ({name})")
                soundfile.write(corpus / "wav" / f"{fileids[-1]}.sph", np.full(RATE * (i + 1), 0.1), RATE, format="NIST")
        (corpus / "etc" / f"{part}.fileids").write_text("\n".join(fileids) + "\n")
        (corpus / "etc" / f"{part}.transcription").write_text("\n".join(transcripts) + "\n")
    return corpus


def parts(output: Path) -> dict[str, list[Utterance]]:
    return {name: read_manifest(output / f"{name}.json", need_text=True) for name in ("train", "dev", "train_all", "test")}


def speakers(utterances: list[Utterance]) -> set[str | None]:
    return {u.speaker for u in utterances}


def test_a_small_corpus(small: Path, tmp_path: Path) -> None:
    prepared = prepare_an4(small, tmp_path / "out", dev_speakers=3)
    found = parts(tmp_path / "out")
    assert prepared.problems == []
    assert {part.name: part.utterances for part in prepared.parts} == {name: len(utterances) for name, utterances in found.items()}
    assert not (tmp_path / "out/problems.txt").exists()
    assert {name: len(utterances) for name, utterances in found.items()} == {"train": 10, "dev": 6, "train_all": 16, "test": 4}
    assert not speakers(found["train"]) & speakers(found["dev"])
    assert speakers(found["train"]) | speakers(found["dev"]) == speakers(found["train_all"]) == set(TRAIN)
    assert sorted(str(s)[0] for s in speakers(found["dev"])) == ["f", "m", "m"]  # as 3 women are to 5 men
    first, second = found["test"][:2]
    assert (first.id, first.text, first.duration, first.speaker) == ("an0-fcaw-b", "HELLO", 1.0, "fcaw")
    assert (second.text, second.duration) == ("G M E THREE", 2.0)
    assert first.audio_filepath == small / "wav/an4test_clstk/fcaw/an0-fcaw-b.sph"


def test_the_folder_around_the_corpus_does_too(small: Path, tmp_path: Path) -> None:
    prepare_an4(small, tmp_path / "a", dev_speakers=3)
    prepare_an4(small.parent, tmp_path / "b", dev_speakers=3)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_every_audio_ending_is_found(small: Path, tmp_path: Path) -> None:
    old = small / "wav/an4test_clstk/fcaw/an0-fcaw-b.sph"
    samples, _ = soundfile.read(old)
    old.unlink()
    soundfile.write(old.with_suffix(".flac"), samples, RATE)
    assert prepare_an4(small, tmp_path / "out").problems == []
    assert parts(tmp_path / "out")["test"][0].audio_filepath == old.with_suffix(".flac")


def test_what_is_missing_or_damaged_is_told_and_left_out(small: Path, tmp_path: Path) -> None:
    folder = small / "wav/an4test_clstk/fcaw"
    (folder / "an0-fcaw-b.sph").unlink()
    (folder / "an1-fcaw-b.sph").write_bytes(b"damaged")
    with (small / "etc/an4_test.transcription").open("a") as f:
        f.write("a line that is none\n")
    transcripts = small / "etc/an4_train.transcription"
    transcripts.write_text("".join(transcripts.read_text().splitlines(keepends=True)[1:]))
    prepared = prepare_an4(small, tmp_path / "out")
    counts = {part.name: part.utterances for part in prepared.parts}
    assert (counts["test"], counts["train_all"]) == (2, 15)
    assert len(prepared.problems) == prepared.left_out == 4
    assert (tmp_path / "out/problems.txt").read_text().splitlines() == prepared.problems
    for told in (
        "an4_clstk/fash/an0-fash-b: no transcript",
        "test.transcription:5: expected",
        "an4test_clstk/fcaw/an0-fcaw-b: no recording",
    ):
        assert any(told in problem for problem in prepared.problems)
    assert any("an1-fcaw-b.sph: cannot be decoded" in problem for problem in prepared.problems)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not AN4: there is no etc/an4_train\.fileids"):
        prepare_an4(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_half_a_corpus_is_refused(small: Path, tmp_path: Path) -> None:
    (small / "etc/an4_test.transcription").unlink()
    with pytest.raises(UsageError, match=r"an4_test\.transcription: no such file"):
        prepare_an4(small, tmp_path / "out")


def test_the_real_corpus(an4: Path, tmp_path: Path) -> None:
    prepared = prepare_an4(an4, tmp_path / "out")
    found = parts(tmp_path / "out")
    assert prepared.problems == []
    assert (len(found["train_all"]), len(found["test"])) == (948, 130)
    assert {u.id for u in found["train"]} | {u.id for u in found["dev"]} == {u.id for u in found["train_all"]}
    assert len(found["train"]) + len(found["dev"]) == 948
    assert len(speakers(found["dev"])) == 7
    assert {str(s)[0] for s in speakers(found["dev"])} == {"f", "m"}
    groups = [speakers(found[name]) for name in ("train", "dev", "test")]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 84
    assert sum(u.duration or 0 for u in found["train_all"]) / 3600 == pytest.approx(0.71, abs=0.01)
    assert set("".join(u.text or "" for u in found["train_all"] + found["test"])) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ' ")
    assert found["test"][0].text == "RUBOUT G M E F THREE NINE"

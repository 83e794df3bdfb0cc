"""Kaldi's data folders, and the commands in their wav.scp, which are read and never run."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources_support import read, record, write

from asr.errors import UsageError
from asr.prepare.kaldi import read_kaldi
from asr.prepare.kaldi_pipe import ScpEntry, Unusable, parse_entry
from asr.speech.manifest import Utterance


def folder(path: Path, **files: str) -> Path:
    for name, content in files.items():
        write(path / ("wav.scp" if name == "scp" else name), content)
    return path


def test_recordings_that_are_utterances(tmp_path: Path) -> None:
    a, b = record(tmp_path / "a.wav"), record(tmp_path / "b c.wav")
    data = folder(
        tmp_path / "data",
        scp=f"ann-1 {a}\nbob-1\t{b} \n\n",
        text="ann-1 GOOD  DAY\nbob-1\tYES\n",
        utt2spk="ann-1 ann\nbob-1 bob\n",
        spk2gender="ann f\n",
        utt2lang="bob-1 en\n",
    )
    listing = read_kaldi(data)
    assert read(listing) == (
        [
            Utterance("ann-1", a, "GOOD  DAY", None, 0.0, "ann", None, {"gender": "f"}, f"{data}/text:1"),
            Utterance("bob-1", b, "YES", None, 0.0, "bob", "en", {}, f"{data}/text:2"),
        ],
        [],
    )
    assert listing.total == 2
    assert listing.notes() == []


def test_segments_are_parts_of_recordings(tmp_path: Path) -> None:
    a = record(tmp_path / "a.wav", 3.0)
    data = folder(tmp_path, scp=f"rec {a}\n", segments="u1 rec 0.5 1.75\nu2 rec 2 -1\n", text="u2 TO THE END\nu1 PART\n")
    utterances, problems = read(read_kaldi(data))
    assert [(u.id, u.audio_filepath, u.offset, u.duration) for u in utterances] == [("u2", a, 2.0, None), ("u1", a, 0.5, 1.25)]
    assert problems == []


def test_relative_paths_are_of_here_then_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder(tmp_path / "data", scp="u1 wav/a.wav\nu2 wav/b.wav\n", text="u1 A\nu2 B\n")
    here = tmp_path / "here"
    for path in (here / "wav/a.wav", data / "wav/a.wav", data / "wav/b.wav"):
        record(path)
    monkeypatch.chdir(here)
    listing = read_kaldi(data)
    assert [u.audio_filepath for u in read(listing)[0]] == [Path("wav/a.wav"), data / "wav/b.wav"]
    assert listing.notes() == [f"recordings found in the working directory (1), {data} (1)"]
    other = record(tmp_path / "other/wav/a.wav")
    assert read(read_kaldi(data, tmp_path / "other"))[0][0].audio_filepath == other


def test_every_unusable_line_is_reported(tmp_path: Path) -> None:
    a = record(tmp_path / "a.wav")
    data = folder(
        tmp_path,
        scp=f"r1 {a}\nr2 {tmp_path}/gone.wav\nr3\nr1 {a}\nr4 sox {a} -t wav - speed 0.9 |\n",
        segments="u1 r1 0 1\nu2 r2 0 1\nu3 r9 0 1\nu4 r1 1 0.5\nu5 r1 zero 1\nu6 r1 0 1 B\nu7 r4 0 1\nu8 r1 0 1\nu9 r1 0\n",
        text="u1 GOOD\nu2 X\nu3 X\nu4 X\nu5 X\nu6 X\nu7 X\nu9 X\nu10 X\nu1\n",
    )
    utterances, problems = read(read_kaldi(data))
    assert [u.id for u in utterances] == ["u1", "u1"]  # whoever writes the manifest tells ids that are there twice
    assert utterances[1].text == ""
    assert [p.replace(f"{tmp_path}/", "") for p in problems] == [
        "wav.scp:3: r3 stands alone, expected a value behind it",
        "wav.scp:4: r1 is repeated",
        "text:2: u2: wav.scp:2: gone.wav: no such recording",
        "text:3: u3: recording r9 is not in wav.scp",
        "segments:4: u4: begins at 1 and ends at 0.5 s, expected 0 <= start < end",
        "segments:5: u5: is `r1 zero 1`, expected a recording, a start and an end (s)",
        "segments:6: u6: names a channel, which a manifest cannot: write each channel to a file of its own",
        "text:7: u7: wav.scp:5: `sox a.wav -t wav - speed 0.9 |`: commands are not run, and this one may change the sound: "
        "write its output to a file and name that",
        "segments:9: u9: is `r1 0`, expected a recording, a start and an end (s)",
        "text:9: u10 is not in segments",
        "segments:8: u8 has no line in text",
    ]


def test_a_recording_without_text_is_reported(tmp_path: Path) -> None:
    data = folder(tmp_path, scp=f"u1 {record(tmp_path / 'a.wav')}\nu2 b.wav\n", text="u1 A\n")
    assert read(read_kaldi(data))[1] == [f"{data}/wav.scp:2: u2 has no line in text"]


@pytest.mark.parametrize(("there", "lacking"), [("scp", "no text,"), ("text", r"no wav\.scp,"), ("other", r"no wav\.scp and no text,")])
def test_a_folder_without_kaldi_files_is_refused(tmp_path: Path, there: str, lacking: str) -> None:
    with pytest.raises(UsageError, match=lacking):
        read_kaldi(folder(tmp_path, **{there: "a b\n"}))


def test_one_channel_is_meant(tmp_path: Path) -> None:
    one, two = record(tmp_path / "one.wav"), record(tmp_path / "two.wav", channels=2)
    data = folder(tmp_path, scp=f"u1 sph2pipe -f wav -p -c 1 {one} |\nu2 sph2pipe -f wav -c 2 {two} |\nu3 sph2pipe -f wav {two} |\n")
    utterances, problems = read(read_kaldi(folder(data, text="u1 A\nu2 B\nu3 C\n")))
    assert [u.audio_filepath for u in utterances] == [one, two]
    assert problems == [
        f"{data}/text:2: u2: {data}/wav.scp:2: {two} has 2 channels, and one of them is meant: write each to a file of its own"
    ]


def test_commands_are_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    commands = [f"touch {trace} |", f"sox $(touch {trace}) -t wav - |", f"cat `touch {trace}` |", f"cat {tmp_path}/a.wav; touch {trace} |"]
    record(tmp_path / "a.wav")
    scp = "".join(f"u{i} {command}\n" for i, command in enumerate(commands))
    utterances, problems = read(read_kaldi(folder(tmp_path, scp=scp, text="".join(f"u{i} X\n" for i in range(len(commands))))))
    assert (utterances, len(problems), trace.exists()) == ([], len(commands), False)


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("/c/a b.flac", ScpEntry("/c/a b.flac")),
        ("flac -c -d -s /c/a.flac |", ScpEntry("/c/a.flac")),
        ("  /opt/kaldi/tools/sph2pipe -f wav -p -c 1 '/c/a b.sph' |", ScpEntry("/c/a b.sph", one_channel=True)),
        ("sph2pipe -f wav /c/a.sph|", ScpEntry("/c/a.sph")),
        ("sox /c/#1.mp3 -t wav -r 16000 - |", ScpEntry("/c/#1.mp3")),
        ("ffmpeg -v error -i /c/a.m4a -f wav -ar 16000 - |", ScpEntry("/c/a.m4a")),
        ("flac -cds a.flac | sox -t wav - -r 8000 -t wav - |", ScpEntry("a.flac")),
        ("cat a.wav |", ScpEntry("a.wav")),
    ],
)
def test_files_and_commands_that_only_decode_one(entry: str, source: ScpEntry) -> None:
    assert parse_entry(entry.strip()) == source


@pytest.mark.parametrize(
    "entry",
    [
        "sox a.wav -t wav - remix 2 |",
        "sox a.wav -t wav - trim 0 5 |",
        "sox -v 0.5 a.wav -t wav - |",
        "sox a.wav b.wav -t wav - |",
        "ffmpeg -ss 10 -i a.mp4 -f wav - |",
        "wav-reverberate --shift-output=true rir.wav a.wav - |",
        "flac -c -d a.flac && rm a.flac |",
        "flac -c -d - < a.flac |",
        "flac -c -d 'a.flac |",
        "cat a.wav | tee b.wav |",
        "sph2pipe -f |",
        "|",
        "| gzip -c > a.gz",
        "/c/raw.ark:1042",
        "raw.1.ark:20[0:5]",
    ],
)
def test_entries_that_change_the_sound_are_refused(entry: str) -> None:
    with pytest.raises(Unusable, match=r"expected a recording|commands are not run"):
        parse_entry(entry)

"""Files joined byte by byte are read to their end; bytes that are not read are reported, tags and padding are not."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings_support import RATE, copy, encode, film, lag, noise, program, read, sound_frame

from asr.errors import AudioError
from asr.speech.audio import load_audio, load_whole, probe
from asr.speech.joined import find_recordings

Writer = Callable[[Path, np.ndarray], Path]


def by_soundfile(form: str, subtype: str = "PCM_16") -> Writer:
    def write(path: Path, samples: np.ndarray) -> Path:
        soundfile.write(path, samples, RATE, format=form, subtype=subtype)
        return path

    return write


def by_ffmpeg(codec: str, container: str, rate: int = RATE, **options: str) -> Writer:
    return lambda path, samples: encode(path, samples, codec, rate, container, **options)


JOINED: dict[str, Writer] = {
    "wav": by_soundfile("WAV"),
    "24-bit wav": by_soundfile("WAV", "PCM_24"),
    "adpcm wav": by_soundfile("WAV", "IMA_ADPCM"),
    "rf64": by_soundfile("RF64"),
    "w64": by_soundfile("W64"),
    "aiff": by_soundfile("AIFF"),
    "au": by_soundfile("AU"),
    "caf": by_soundfile("CAF"),
    "sphere": by_soundfile("NIST"),
    "flac": by_soundfile("FLAC"),
    "alac caf": by_ffmpeg("alac", "caf"),
    "m4a": by_ffmpeg("aac", "mp4"),
    "faststart m4a": by_ffmpeg("aac", "mp4", movflags="faststart"),
    "fragmented mp4": by_ffmpeg("flac", "mp4", movflags="frag_keyframe+empty_moov", strict="experimental"),
    "mka": by_ffmpeg("flac", "matroska"),
    "webm": by_ffmpeg("libopus", "webm", 48_000),
    "live webm": by_ffmpeg("libopus", "webm", 48_000, live="1"),
    "wma": by_ffmpeg("wmav2", "asf"),
    "wavpack": by_ffmpeg("wavpack", "wv"),
    "tta": by_ffmpeg("tta", "tta"),
    "mp3": by_ffmpeg("libmp3lame", "mp3"),
    "44.1 kHz mp3": by_ffmpeg("libmp3lame", "mp3", 44_100),
    # FFmpeg reads on through these.
    "aac": by_ffmpeg("aac", "adts"),
    "ac3": by_ffmpeg("ac3", "ac3", 48_000),
    "mp2": by_ffmpeg("mp2", "mp2"),
    "plain mp3": by_ffmpeg("libmp3lame", "mp3", write_xing="0"),
    "ts": by_ffmpeg("aac", "mpegts"),
}
READ_ON = ("aac", "ac3", "mp2", "plain mp3", "ts")


@pytest.mark.parametrize("kind", JOINED)
def test_joined_files_are_read_one_after_the_other(tmp_path: Path, kind: str) -> None:
    sounds = [noise(3.3, 1), noise(2.7, 2), noise(3.3, 1)]
    paths = [JOINED[kind](tmp_path / str(i), sound) for i, sound in enumerate(sounds)]
    path = tmp_path / "all"
    path.write_bytes(b"".join(one.read_bytes() for one in paths))
    samples, found = read(path)
    assert not found
    assert probe(path).breaks_off is None
    lengths = [len(sound) / RATE for sound in sounds]
    slack = 0.35 if kind in READ_ON else 0.1 if "mp3" in kind else 0.05  # MP3 and its like keep each file's delay and padding
    assert len(samples) / RATE == pytest.approx(sum(lengths), abs=slack)
    assert probe(path).seconds == pytest.approx(len(samples) / RATE, abs=0.1 if kind in READ_ON else 0.05)
    for number, sound in enumerate(sounds):
        begin = round(sum(lengths[:number]) * RATE)
        assert abs(lag(samples[begin : begin + 4 * RATE], sound)) < slack
    part = load_audio(path, RATE, 4.5, 1.5)  # of the second
    assert abs(lag(samples[round(4.5 * RATE) :][: 2 * RATE], part, 0.1, 1.0)) < (0.05 if kind in READ_ON else 0.002)
    assert len(load_whole(path)) == len(samples)


def test_joined_amr_has_no_damage_at_the_seam(tmp_path: Path) -> None:
    for number in (1, 2):
        soundfile.write(tmp_path / f"{number}.wav", noise(3.0, number), RATE)
        subprocess.run([program("sox"), f"{number}.wav", "-r", "8000", "-t", "amr-nb", f"{number}.amr"], cwd=tmp_path, check=True)
    (tmp_path / "all").write_bytes((tmp_path / "1.amr").read_bytes() + (tmp_path / "2.amr").read_bytes())
    samples, found = read(tmp_path / "all")
    assert len(samples) / RATE == pytest.approx(6.0, abs=0.08)
    assert not found


def test_joined_files_of_other_rates_and_kinds(tmp_path: Path) -> None:
    first = by_soundfile("WAV")(tmp_path / "a", noise(2.0, 1))
    second = tmp_path / "b"
    soundfile.write(second, noise(2.0, 2, 44_100), 44_100, format="AIFF")
    stereo = tmp_path / "c"
    soundfile.write(stereo, np.stack([noise(2.0, 3)] * 2, axis=1), RATE, format="FLAC")
    (tmp_path / "all").write_bytes(b"".join(path.read_bytes() for path in (first, second, stereo)))
    samples, found = read(tmp_path / "all")
    assert not found
    assert len(samples) / RATE == pytest.approx(6.0, abs=0.01)
    assert abs(lag(samples[2 * RATE :], load_audio(second), 0.5, 1.0)) < 0.002
    assert abs(lag(samples[4 * RATE :], noise(2.0, 3), 0.5, 1.0)) < 0.002


def test_an_odd_wav_without_padding_is_joined(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a", noise(1.0)[: RATE - 1], RATE, format="WAV", subtype="PCM_U8")
    data = (tmp_path / "a").read_bytes().rstrip(b"\0")
    data = data[: 44 + RATE - 1]
    (tmp_path / "all").write_bytes(data + data)
    samples, found = read(tmp_path / "all")
    assert len(samples) == 2 * (RATE - 1)
    assert not found


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "m4a", "mka"])
def test_the_last_of_joined_files_may_be_truncated(tmp_path: Path, kind: str) -> None:
    one = JOINED["faststart m4a" if kind == "m4a" else kind](tmp_path / "one", noise(6.0))
    data = one.read_bytes()
    (tmp_path / "all").write_bytes(data + data[: len(data) * 6 // 10])
    _, [missing] = read(tmp_path / "all")
    assert missing.gaps[0].reason == "cut short"
    assert missing.gaps[0].end == pytest.approx(12.0, abs=0.2)
    with pytest.raises(AudioError, match=r"breaks off at 0:(09|10) of 0:12"):
        load_whole(tmp_path / "all")


ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
APE_MARK = b"APETAGEX" + struct.pack("<IIIIQ", 2000, 6_032, 1, 0, 0)
APE = APE_MARK + bytes(range(1, 251)) * 24 + APE_MARK
ID3V2 = b"ID3\4\0\0\0\0\x2e\x70" + b"TXXX" + b"x" * 6_000
LIST = b"LIST" + struct.pack("<I", 6_000) + b"INFO" + b"\x81" * 5_996
ID3_CHUNK = b"id3 " + struct.pack("<I", 6_001) + b"ID3\4" + b"\x81" * 5_997 + b"\0"

BEHIND = {"ID3v1": ID3V1, "APE": APE, "APE and ID3v1": APE + ID3V1, "ID3v2": ID3V2, "zeros": bytes(100_000), "a few bytes": b"\x81" * 900}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("kind", ["wav", "w64", "aiff", "au", "caf", "sphere", "flac", "mp3", "wavpack", "tta"])
def test_tags_and_padding_behind_the_end_are_no_loss(tmp_path: Path, kind: str, behind: str) -> None:
    path = JOINED[kind](tmp_path / "a", noise(2.0))
    expected = len(load_audio(path))
    path.write_bytes(path.read_bytes() + BEHIND[behind])
    samples, found = read(path)
    assert len(samples) == pytest.approx(expected, abs=400 if kind == "mp3" else 0)  # FFmpeg keeps the padding then
    assert not found
    assert probe(path).breaks_off is None
    double = tmp_path / "b"
    double.write_bytes(2 * path.read_bytes())
    if behind.startswith(("ID3v1", "APE")) and kind != "mp3":  # between two recordings as well
        assert len(load_audio(double)) == 2 * expected


@pytest.mark.parametrize("chunk", [LIST, ID3_CHUNK, LIST + ID3_CHUNK])
def test_chunks_behind_the_sound_of_a_wav_are_no_loss(tmp_path: Path, chunk: bytes) -> None:
    path = by_soundfile("WAV")(tmp_path / "a", noise(2.0))
    for data in (path.read_bytes() + chunk, 2 * (path.read_bytes() + chunk)):
        path.write_bytes(data)
        samples, found = read(path)
        assert len(samples) == 2 * RATE * len(find_recordings(open(path, "rb")).links)  # noqa: SIM115
        assert not found


@pytest.mark.parametrize("kind", ["wav", "w64", "aiff", "au", "caf", "sphere"])
def test_sound_behind_the_stated_length_is_reported(tmp_path: Path, kind: str) -> None:
    path = JOINED[kind](tmp_path / "a", noise(4.0))
    extra = (noise(2.0, 5) * 32_000).astype("<i2").tobytes()
    path.write_bytes(path.read_bytes() + extra)
    samples, [missing] = read(path)
    assert len(samples) == 4 * RATE
    assert str(missing) == "ends at 0:04, but the file has more bytes, which are not read"
    assert missing.too_much
    assert str(probe(path).breaks_off) == str(missing)
    assert read(path, 1.0, 2.0)[1] == []
    with pytest.raises(AudioError, match="more bytes, which are not read: replace the file, or leave it out"):
        load_whole(path)


def test_tracks_of_different_length_are_not_cut_short(tmp_path: Path) -> None:
    import av

    for name in ("a.mka", "a.mp4", "a.ogg"):
        with av.open(str(tmp_path / name), "w") as out:
            streams = [out.add_stream("flac", rate=RATE, layout="mono") for _ in range(2)]
            for seconds, stream in zip((3.0, 6.0), streams, strict=True):
                out.mux(stream.encode(sound_frame(noise(seconds))))
                out.mux(stream.encode(None))
        for track, seconds in ((1, 3.0), (2, 6.0)):
            assert probe(tmp_path / name, track).seconds == pytest.approx(seconds, abs=0.01)
            assert probe(tmp_path / name, track).breaks_off is None
            assert len(load_whole(tmp_path / name, track=track)) == pytest.approx(seconds * RATE, abs=200)


def test_a_track_of_joined_films(tmp_path: Path) -> None:
    one = film(tmp_path / "a.mkv", 0).read_bytes()
    (tmp_path / "all.mkv").write_bytes(one + one)
    samples = load_audio(tmp_path / "all.mkv", track=2)
    assert abs(lag(samples[4 * RATE :], noise(4.0, 1))) < 0.2
    assert len(samples) / RATE == pytest.approx(8.0, abs=0.2)


def test_joined_copies_by_ffmpeg_are_one_recording(tmp_path: Path) -> None:
    """A remux has one header: nothing is taken for a second recording."""
    one = JOINED["m4a"](tmp_path / "a.m4a", noise(3.0))
    for name in ("b.mka", "b.mp4", "b.mov"):
        with open(copy(one, tmp_path / name), "rb") as file:
            assert len(find_recordings(file).links) == 1

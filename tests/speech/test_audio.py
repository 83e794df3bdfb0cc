"""Recordings of every format become the same samples, whole and in parts; unreadable files are one-line errors."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from asr.errors import AudioError
from asr.speech import audio, reader
from asr.speech.audio import load_audio, probe, stream_audio

RATE = 16_000
SECONDS = 6.0
PARTS = [(0.0, 0.5), (0.3, 1.1), (1.7, 2.0), (4.123, 1.5)]  # offset and duration (s)


def chirp(seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """(N,) a tone that rises from 200 to 2,000 Hz: no two moments are alike."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (200 * t + 900 * t**2 / seconds))).astype(np.float32)


def encode(path: Path, codec: str, samples: np.ndarray, rate: int = RATE, container: str | None = None) -> Path:
    """Write by FFmpeg what libsndfile cannot."""
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    return path


def by_soundfile(path: Path, **how: str) -> Path:
    soundfile.write(path, chirp(), RATE, **how)
    return path


FORMATS: dict[str, Callable[[Path], Path]] = {
    "a.wav": by_soundfile,
    "a.flac": by_soundfile,
    "a.ogg": by_soundfile,
    "a.mp3": by_soundfile,
    "a.opus": lambda path: by_soundfile(path, format="OGG", subtype="OPUS"),
    "a.sph": lambda path: by_soundfile(path, format="NIST"),
    "a.m4a": lambda path: encode(path, "aac", chirp()),
    "a.aac": lambda path: encode(path, "aac", chirp(), container="adts"),
    "a.ts": lambda path: encode(path, "aac", chirp(), container="mpegts"),
    "a.webm": lambda path: encode(path, "libopus", chirp(), 48_000),
    "a.mkv": lambda path: encode(path, "pcm_s16le", chirp()),
}
CODEC_FRAME = 0.15  # s: padding that a codec may add at the end
FIRST = {"a.aac": 1024, "a.ts": 1024}  # samples of AAC's priming, which these containers cannot mark as such


@pytest.fixture(params=FORMATS)
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return FORMATS[request.param](tmp_path / request.param)


def test_every_format_reads_back_the_written_audio(recording: Path) -> None:
    info = probe(recording)
    assert info.channels == 1
    assert info.sample_rate == (48_000 if recording.suffix in (".webm", ".opus") else RATE)
    assert info.seconds == pytest.approx(SECONDS, abs=CODEC_FRAME)
    samples = load_audio(recording, RATE)
    assert samples.dtype == np.float32
    assert samples.flags["C_CONTIGUOUS"]
    assert len(samples) / RATE == pytest.approx(SECONDS, abs=CODEC_FRAME)
    first = FIRST.get(recording.name, 0)
    expected = chirp()[: len(samples) - first]
    heard = samples[first : first + len(expected)]
    assert np.corrcoef(expected, heard)[0, 1] > 0.98  # the MP3 encoder blurs the first moments
    assert np.std(heard) == pytest.approx(np.std(expected), rel=0.05)


@pytest.mark.parametrize(("offset", "duration"), PARTS)
def test_a_part_equals_the_same_span_of_the_whole(recording: Path, offset: float, duration: float) -> None:
    rate = probe(recording).sample_rate
    whole = load_audio(recording, rate)
    part = load_audio(recording, rate, offset, duration)
    begin = round(offset * rate)
    assert len(part) == round(duration * rate)
    if recording.suffix == ".webm":  # its time stamps are whole milliseconds
        lags = range(-rate // 1000, rate // 1000 + 1) if begin else range(1)
        assert min(np.abs(part - whole[begin + lag : begin + lag + len(part)]).max() for lag in lags) < 0.02
    else:
        assert np.abs(part - whole[begin : begin + len(part)]).max() < (
            0.02 if recording.suffix in (".aac", ".m4a", ".ts", ".opus") else 1e-5
        )


def test_parts_side_by_side_are_the_whole(tmp_path: Path) -> None:
    path = by_soundfile(tmp_path / "a.flac")
    parts = [load_audio(path, RATE, offset, 1.5) for offset in (0.0, 1.5, 3.0, 4.5)]
    assert np.array_equal(np.concatenate(parts), load_audio(path, RATE))


def test_a_part_that_passes_the_end_stops_there(recording: Path) -> None:
    assert len(load_audio(recording, RATE, SECONDS - 1, 10.0)) / RATE == pytest.approx(1.0, abs=CODEC_FRAME)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_resampling_keeps_pitch_level_and_length(tmp_path: Path, rate: int) -> None:
    t = np.arange(rate * 3) / rate
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1_000 * t), rate, subtype="FLOAT")
    samples = load_audio(tmp_path / "a.wav", RATE)
    assert len(samples) == pytest.approx(3 * RATE, abs=2)
    middle = samples[RATE : 2 * RATE]
    assert int(np.argmax(np.abs(np.fft.rfft(middle)))) == 1_000  # a bin is 1 Hz
    assert np.sqrt(2) * np.std(middle) == pytest.approx(0.5, rel=1e-3)
    phase = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(RATE, 2 * RATE) / RATE)
    assert np.abs(middle - phase).max() < 1e-3  # and nothing is shifted


def test_frequencies_that_the_lower_rate_cannot_hold_are_gone(tmp_path: Path) -> None:
    t = np.arange(48_000 * 2) / 48_000
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 11_000 * t), 48_000, subtype="FLOAT")
    assert np.abs(load_audio(tmp_path / "a.wav", RATE)[RATE // 2 : -RATE // 2]).max() < 1e-3


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = chirp(), np.full(len(chirp()), 0.25, np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    assert probe(tmp_path / "a.wav").channels == 2
    assert np.allclose(load_audio(tmp_path / "a.wav", RATE), (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.webm", "a.m4a", "a.wav"])
@pytest.mark.parametrize("ending", [".wav", ".raw", ".snd", ".mp3", ""])
def test_the_ending_does_not_matter(tmp_path: Path, name: str, ending: str) -> None:
    path = FORMATS[name](tmp_path / name)
    samples = load_audio(path)
    assert np.array_equal(load_audio(path.rename(tmp_path / f"renamed{ending}")), samples)


@pytest.mark.parametrize("name", ["a.webm", "a.m4a", "a.mkv"])
def test_tags_that_are_not_utf8_do_not_matter(tmp_path: Path, name: str) -> None:
    path = FORMATS[name](tmp_path / name)
    samples, data = load_audio(path), path.read_bytes()
    assert b"Lavf" in data  # who wrote it
    path.write_bytes(data.replace(b"Lavf", b"L\xe4vf"))
    assert np.array_equal(load_audio(path), samples)


def test_the_sound_of_a_video_is_read(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mp4"), "w") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        sound = out.add_stream("aac", rate=RATE, layout="mono")
        for i in range(100):  # 10 s of pictures, 6 s of sound
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i, np.uint8), format="rgb24")
            out.mux(video.encode(frame))
        samples = av.AudioFrame.from_ndarray(chirp()[None], format="fltp", layout="mono")
        samples.sample_rate, samples.pts, samples.time_base = RATE, 0, Fraction(1, RATE)
        out.mux(sound.encode(samples))
        out.mux([*video.encode(None), *sound.encode(None)])
    assert probe(tmp_path / "film.mp4").seconds == pytest.approx(SECONDS, abs=CODEC_FRAME)
    assert np.corrcoef(chirp(), load_audio(tmp_path / "film.mp4", RATE)[: len(chirp())])[0, 1] > 0.99


# ---------------------------------------------------------------- lengths that a header gets wrong


def test_an_mp3_without_a_length_in_its_header_is_measured(tmp_path: Path) -> None:
    quiet_then_loud = np.concatenate([np.zeros(20 * RATE), 0.3 * np.random.default_rng(0).standard_normal(20 * RATE)])
    soundfile.write(tmp_path / "a.mp3", quiet_then_loud, RATE, bitrate_mode="VARIABLE")
    data = (tmp_path / "a.mp3").read_bytes()
    second = data.index(data[:2], data.index(b"Xing") + 4)  # past the frame that holds the length
    (tmp_path / "b.mp3").write_bytes(data[second:])
    assert probe(tmp_path / "b.mp3").seconds == pytest.approx(40, abs=0.3)
    assert len(load_audio(tmp_path / "b.mp3")) / RATE == pytest.approx(40, abs=0.3)


def test_a_flac_of_unknown_length_is_read(tmp_path: Path) -> None:
    data = bytearray(by_soundfile(tmp_path / "a.flac").read_bytes())
    data[21] &= 0xF0  # STREAMINFO's 36-bit number of samples: 0, as an encoder writes that pipes
    data[22:26] = bytes(4)
    (tmp_path / "b.flac").write_bytes(data)
    assert np.allclose(load_audio(tmp_path / "b.flac"), load_audio(tmp_path / "a.flac"), atol=1e-4)
    assert len(load_audio(tmp_path / "b.flac", RATE, 2.0, 1.0)) == RATE


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_F000])
def test_a_wav_whose_length_was_never_filled_in_is_read(tmp_path: Path, size: int) -> None:
    data = bytearray(by_soundfile(tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    (tmp_path / "b.wav").write_bytes(data)
    assert probe(tmp_path / "b.wav").seconds == pytest.approx(SECONDS, abs=0.01)
    assert np.allclose(load_audio(tmp_path / "b.wav"), load_audio(tmp_path / "a.wav"), atol=1e-4)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.sph", "a.mp3", "a.webm", "a.aac"])
def test_a_truncated_file_is_read_to_its_end(tmp_path: Path, name: str) -> None:
    path = FORMATS[name](tmp_path / name)
    whole = load_audio(path)
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * 0.6)])
    heard = load_audio(path)
    assert 0.3 * len(whole) < len(heard) < 0.9 * len(whole)
    sure = heard[: len(heard) - RATE // 4]
    assert np.abs(sure - whole[: len(sure)]).max() < 0.02
    assert len(load_audio(path, RATE, 0.5, 1.0)) == RATE  # a part before the break


# ---------------------------------------------------------------- what is told


def png(path: Path) -> None:
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream("png", rate=1)
        stream.width = stream.height = 8
        stream.pix_fmt = "rgb24"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((8, 8, 3), np.uint8), format="rgb24")))
        out.mux(stream.encode(None))


def playlist(path: Path) -> None:
    """One that would open another file (or an address) in the name of its reader."""
    secret = encode(path.with_name("secret.ts"), "aac", chirp(), container="mpegts")
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{secret}\n#EXT-X-ENDLIST\n")


def with_sample(value: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        samples = chirp()
        samples[round(1.25 * RATE)] = value
        soundfile.write(path, samples, RATE, subtype="FLOAT", format="WAV")

    return write


def impossible_rate(path: Path) -> None:
    soundfile.write(path, chirp(), 1, format="WAV")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "is a folder, expected a recording"),
    "empty": (lambda path: path.touch(), "the file is empty"),
    "text": (
        lambda path: path.write_text("hello\n" * 1000),
        "cannot be decoded: it is damaged, or no recording: check that it plays, or convert it to WAV (",
    ),
    "bytes": (lambda path: path.write_bytes(bytes(range(256)) * 40), "cannot be decoded: it "),
    "a header alone": (
        lambda path: by_soundfile(path, format="FLAC").write_bytes(path.read_bytes()[:60]),
        "cannot be decoded|holds no sound",
    ),
    "a cut m4a": (lambda path: encode(path, "aac", chirp(), container="mp4").write_bytes(path.read_bytes()[:9000]), "cannot be decoded"),
    "a picture": (png, "cannot be decoded: it "),
    "a playlist": (playlist, "cannot be decoded: it "),
    "no samples": (lambda path: soundfile.write(path, np.zeros(0), RATE, format="WAV"), "holds no sound (0 samples)"),
    "NaN": (with_sample(np.nan), "contains NaN or infinite samples, at 1.25 s"),
    "infinity": (with_sample(np.inf), "contains NaN or infinite samples, at 1.25 s"),
    "impossible rate": (impossible_rate, "its header is damaged (a sample rate of 1 Hz)"),
}


@pytest.mark.parametrize("ending", [".wav", ".mp3", ".raw", ".vox", ".snd"])
@pytest.mark.parametrize("case", BROKEN)
def test_an_unreadable_file_is_one_line(tmp_path: Path, case: str, ending: str) -> None:
    make, reasons = BROKEN[case]
    path = tmp_path / f"broken{ending}"
    make(path)
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert any(reason in message for reason in reasons.split("|")), message
    if case not in ("NaN", "infinity", "a header alone"):
        with pytest.raises(AudioError):
            probe(path)


def test_an_address_is_not_downloaded() -> None:
    with pytest.raises(AudioError, match="no such file: addresses are not downloaded, so fetch the file first"):
        load_audio("https://localhost/talk.mp3")


def test_a_bad_sample_is_placed_in_the_file_not_in_the_part(tmp_path: Path) -> None:
    with_sample(np.nan)(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"at 1\.25 s"):
        load_audio(tmp_path / "a.wav", RATE, 1.0, 1.0)
    assert len(load_audio(tmp_path / "a.wav", RATE, 2.0, 1.0)) == RATE


def test_an_offset_beyond_the_end_is_refused(recording: Path) -> None:
    with pytest.raises(AudioError, match="holds no sound at 60 s and after"):
        load_audio(recording, RATE, 60.0, 1.0)


def test_an_impossible_file_name_is_refused() -> None:
    with pytest.raises(AudioError, match="no such file"):
        load_audio(Path("a\0b.wav"))


def test_nothing_heavy_is_imported_at_the_start() -> None:
    code = "import asr.speech.audio, sys; print([m for m in ('torch', 'librosa', 'av', 'soundfile', 'soxr') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_parts_of_an_mp3_leave_stderr_alone(tmp_path: Path) -> None:
    path = by_soundfile(tmp_path / "a.mp3")
    code = f"from pathlib import Path; from asr.speech.audio import load_audio\nfor i in range(5): load_audio(Path({str(path)!r}), 16000, i, 1.0)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr == ""


def test_a_sample_rate_that_changes_on_the_way_changes_no_pitch(tmp_path: Path) -> None:
    tones = []
    for name, rate in (("a.mp3", 44_100), ("b.mp3", 22_050)):
        soundfile.write(tmp_path / name, 0.4 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate), rate)
        tones.append((tmp_path / name).read_bytes())
    (tmp_path / "both.mp3").write_bytes(b"".join(tones))
    samples = load_audio(tmp_path / "both.mp3")
    assert len(samples) == pytest.approx(4 * RATE, rel=0.05)
    for second in (0.5, 2.7, 3.3):
        piece = samples[round(second * RATE) :][: RATE // 2]
        assert np.argmax(np.abs(np.fft.rfft(piece))) * 2 == pytest.approx(440, abs=4)  # bins of 2 Hz


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_a_disk_error_is_reported(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = FORMATS[name](tmp_path / name)

    class Failing(audio.FileIO):
        def readinto(self, buffer: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

        def read(self, size: int = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(audio, "FileIO", Failing)
    with pytest.raises(AudioError, match=rf"{name}: cannot be read: Input/output error"):
        load_audio(path)


def test_an_offset_out_of_range_is_refused(recording: Path) -> None:
    with pytest.raises(AudioError, match="holds no sound at 1e\\+15 s and after"):
        load_audio(recording, RATE, 1e15, 1.0)


@pytest.mark.parametrize("name", ["a.flac", "a.webm", "a.m4a"])
def test_audio_missing_at_the_end_is_reported(tmp_path: Path, name: str) -> None:
    path, told = FORMATS[name](tmp_path / name), []
    list(stream_audio(path, on_missing=told.append))
    list(stream_audio(path, RATE, 1.0, 2.0, on_missing=told.append))
    assert told == []
    if name != "a.m4a":  # its index is at the end: cut short, it is no recording at all
        path.write_bytes(path.read_bytes()[: round(path.stat().st_size * 0.6)])
        heard = sum(map(len, stream_audio(path, on_missing=told.append)))
        assert [missing.seconds for missing in told] == [pytest.approx(SECONDS - heard / RATE, abs=0.05)]
        assert told[0].seconds > 1
        list(stream_audio(path, RATE, 0.5, 1.0, on_missing=told.append))
        assert len(told) == 1  # all of that part is there


def test_a_block_holds_no_more_for_many_channels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((RATE // 4, 255), np.float32), 192_000)
    assert sum(map(len, stream_audio(tmp_path / "a.wav", 192_000))) == RATE // 4
    assert reader.block_length(192_000, 255) * 255 <= reader.BLOCK_NUMBERS
    assert reader.block_length(16_000, 2) == 16_000

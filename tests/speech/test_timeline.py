"""Sound stands where its container's time stamps put it, however it is read; stamps that cannot be right move nothing and fill nothing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from asr.speech.audio import load_audio, probe, stream_audio
from asr.speech.timeline import LONGEST_GAP, Timeline

RATE = 16_000
SECONDS = 6.0
TONES = (1.0, 3.5)  # s of the sound, 0.1 s each
EXACT = 0.03  # s


def tones() -> np.ndarray:
    """(N,) silence, and a tone at each of TONES."""
    t = np.arange(round(SECONDS * RATE)) / RATE
    return sum(0.5 * np.sin(2 * np.pi * 1_000 * t) * ((t >= at) & (t < at + 0.1)) for at in TONES).astype(np.float32)


def heard(samples: np.ndarray, rate: int = RATE) -> list[float]:
    """Where tones begin (s)."""
    loud = np.flatnonzero(np.abs(samples) > 0.2) / rate
    return [float(at) for at, before in zip(loud, [-1.0, *loud], strict=False) if at - before > 0.1]


def record(
    path: Path,
    codec: str,
    late: Callable[[int, float], float] = lambda packet, time: 0.0,
    pictures: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:
    """`tones` with time stamps that are late by `late` (number of a packet, its time) -> s, and so many seconds of pictures beside them."""
    rate = 48_000 if codec == "libopus" else RATE
    with av.open(str(path), "w", options=options or {}) as out:
        packets: list[tuple[float, av.Packet]] = []
        if pictures:
            video = out.add_stream("mpeg4", rate=10)
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
        sound = out.add_stream(codec, rate=rate, layout="mono")
        size = sound.codec_context.frame_size or 1024
        frame = av.AudioFrame.from_ndarray(tones()[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(format=sound.codec_context.format, layout="mono", rate=rate, frame_size=size)
        frames = [*resampler.resample(frame), *resampler.resample(None)]
        for i, packet in enumerate([*(p for f in frames for p in sound.encode(f)), *sound.encode(None)]):
            packet.pts += round(late(i, float(packet.pts * packet.time_base)) / packet.time_base)
            packet.dts = i - round(1 / packet.time_base) if path.name == "damaged.mkv" else packet.pts  # or no stamp could step back
            packets.append((float(packet.pts * packet.time_base), packet))
        if pictures:
            images = [
                av.VideoFrame.from_ndarray(np.full((64, 64, 3), i % 250, np.uint8), format="rgb24") for i in range(round(pictures * 10))
            ]
            packets += [(float(p.pts * p.time_base), p) for image in [*images, None] for p in video.encode(image)]
            packets.sort(key=lambda packet: packet[0])
        out.mux([packet for _, packet in packets])
    return path


def late_with_a_gap(packet: int, time: float) -> float:
    """Sound that begins at 5 s and leaves 10 s out after 2 s of it: the tones are at 6.0 and 18.5 s."""
    return 5.0 if time < 2.0 else 15.0


FILMS = {
    "a.mp4": ("aac", {}),
    "fragments.mp4": ("aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "a.mov": ("aac", {}),
    "opus.mkv": ("libopus", {}),
    "flac.mkv": ("flac", {}),
    "pcm.mkv": ("pcm_s16le", {}),
    "a.ts": ("aac", {}),
}


@pytest.fixture(params=FILMS)
def film(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    codec, options = FILMS[request.param]
    return record(tmp_path / request.param, codec, late_with_a_gap, 25.0, options)


def test_sound_stands_at_its_time_stamps(film: Path) -> None:
    samples = load_audio(film)
    assert heard(samples) == pytest.approx([6.0, 18.5], abs=EXACT)
    assert not samples[: round(4.9 * RATE)].any()
    told: list[float] = []
    blocks = list(stream_audio(film, on_missing=told.append))
    assert np.array_equal(np.concatenate(blocks), samples)
    assert max(map(len, blocks)) <= 2 * RATE
    assert told == []
    assert probe(film).seconds == pytest.approx(5 + 10 + SECONDS, abs=0.15)
    assert len(samples) / RATE == pytest.approx(5 + 10 + SECONDS, abs=0.15)


@pytest.mark.parametrize(
    ("offset", "duration", "expected"),
    [(0.5, 2.0, []), (4.0, 3.0, [2.0]), (5.5, 1.0, [0.5]), (6.5, 8.0, []), (9.0, 2.0, []), (12.0, 7.0, [6.5]), (18.2, 0.5, [0.3])],
)
def test_a_part_goes_by_the_same_clock(film: Path, offset: float, duration: float, expected: list[float]) -> None:
    part = load_audio(film, RATE, offset, duration)
    assert len(part) == round(duration * RATE)
    assert heard(part) == pytest.approx(expected, abs=EXACT)


def test_pictures_that_begin_after_the_sound_move_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", "pcm_s16le", lambda packet, time: 0.05, pictures=8.0)
    assert np.allclose(load_audio(path), tones(), atol=1e-4)  # a codec's delay is no silence


def test_an_overlap_is_read_once(tmp_path: Path) -> None:
    path = record(tmp_path / "damaged.mkv", "pcm_s16le", lambda packet, time: -0.5 if time > 2.5 else 0.0)
    assert len(load_audio(path)) / RATE == pytest.approx(SECONDS - 0.5, abs=0.001)
    assert heard(load_audio(path)) == pytest.approx([1.0, 3.0], abs=EXACT)
    assert heard(load_audio(path, RATE, 2.9, 0.5)) == pytest.approx([0.1], abs=EXACT)


DAMAGE: dict[str, Callable[[int, float], float]] = {
    "ten hours on": lambda packet, time: 36_000.0 if time > 2 else 0.0,
    "one stamp ten hours on": lambda packet, time: 36_000.0 if packet == 40 else 0.0,
    "one stamp a minute on": lambda packet, time: 60.0 if packet == 40 else 0.0,
    "one stamp back": lambda packet, time: -0.9 if packet == 40 else 0.0,
    "three seconds back": lambda packet, time: -3.0 if time > 3.2 else 0.0,
    "jitter": lambda packet, time: 0.04 * (-1) ** packet if packet else 0.0,
}


@pytest.mark.parametrize("case", DAMAGE)
def test_stamps_that_cannot_be_right_move_nothing(tmp_path: Path, case: str) -> None:
    path = record(tmp_path / "damaged.mkv", "pcm_s16le", DAMAGE[case])
    assert np.allclose(load_audio(path), tones(), atol=1e-4)
    assert heard(load_audio(path, RATE, 0.9, 0.5)) == pytest.approx([0.1], abs=0.05)


def test_an_ignored_time_step_hides_no_later_gap(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", "pcm_s16le", lambda packet, time: 0.0 if time < 0.5 else 36_000.0 if time < 2 else 36_002.0)
    assert heard(load_audio(path)) == pytest.approx([1.0, 5.5], abs=EXACT)


def test_recordings_joined_to_one_file_follow_each_other(tmp_path: Path) -> None:
    one = record(tmp_path / "a.ts", "aac")
    (tmp_path / "two.ts").write_bytes(one.read_bytes() * 2)
    length, alone = len(load_audio(one)) / RATE, heard(load_audio(one))
    assert heard(load_audio(tmp_path / "two.ts")) == pytest.approx([*alone, *(length + at for at in alone)], abs=EXACT)
    assert probe(tmp_path / "two.ts").seconds == pytest.approx(2 * length, abs=0.15)
    second = load_audio(tmp_path / "two.ts", RATE, length + 0.5, 1.0)
    assert heard(second) == pytest.approx([alone[0] - 0.5], abs=EXACT)


def test_a_long_gap_is_streamed(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", "pcm_s16le", lambda packet, time: 3_000.0 if time > 2 else 0.0)
    lengths = [len(block) for block in stream_audio(path)]
    assert sum(lengths) / RATE == pytest.approx(3_000 + SECONDS, abs=0.01)
    assert max(lengths) <= 2 * RATE
    assert heard(load_audio(path, RATE, 3_003.4, 1.0)) == pytest.approx([0.1], abs=EXACT)


# ---------------------------------------------------------------- the rule itself, in samples at 100 Hz


def places(stamps: list[float | None], length: int = 10, end: float = 1e9) -> list[int]:
    """Where frames of `length` samples with these stamps (s) begin."""
    timeline = Timeline(100, end)
    return [timeline.place(stamp, length, following) for stamp, following in zip(stamps, [*stamps[1:], None], strict=True)]


def test_frames_without_stamps_follow_each_other() -> None:
    assert places([None, None, None]) == [0, 10, 20]
    assert places([5.0, None, None, 7.0, None]) == [500, 510, 520, 700, 710]


def test_single_frames_stay_separated_by_silence() -> None:
    assert places([0.0, 0.5, 1.0, 1.5]) == [0, 50, 100, 150]  # as codecs send that pause in silence


def test_stamps_that_are_a_little_off_say_nothing() -> None:
    assert places([0.0, 0.15, 0.12, 0.39]) == [0, 10, 20, 30]


def test_no_gap_is_longer_than_an_hour_or_than_the_container() -> None:
    assert places([0.0, LONGEST_GAP, LONGEST_GAP + 0.1])[1:] == [360_000, 360_010]
    assert places([0.0, LONGEST_GAP + 1, LONGEST_GAP + 1.1]) == [0, 10, 20]
    assert places([0.0, 60.0, 60.1], end=70.0)[1:] == [6_000, 6_010]
    assert places([0.0, 60.0, 60.1], end=50.0) == [0, 10, 20]


def test_repeated_time_stamps_drop_nothing() -> None:
    timeline = Timeline(1000, 100.0)
    assert [timeline.place(0.0, 500, 0.0) for _ in range(4)] == [0, 500, 1000, 1500]

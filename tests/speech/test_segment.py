"""Cutting at pauses: against what must hold for any probabilities, and on real speech with known pauses."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from asr.config import SegmentConfig
from asr.speech import segment as segment_module
from asr.speech.audio import load_audio
from asr.speech.segment import FRAME, RATE, SpeechSegment, VoiceActivity, speech_segments

ROOT = Path(__file__).parents[2]
SHORT = SegmentConfig(longest_seconds=2.0, join_seconds=0.2, pause_seconds=0.1, pad_seconds=0.1, shortest_seconds=0.0)


def cut(probabilities: list[float], config: SegmentConfig, sizes: list[int]) -> list[SpeechSegment]:
    """Segments of a stream whose samples are numbered, in blocks of so many frames."""
    cutter = segment_module._Cutter(config)
    samples = np.arange(len(probabilities) * FRAME, dtype=np.float32)
    found, at = [], 0
    for size in [*sizes, len(probabilities)]:
        part = slice(at, min(at + size, len(probabilities)))
        found += cutter.take(samples[part.start * FRAME : part.stop * FRAME], np.asarray(probabilities[part], np.float32))
        at = part.stop
    return [*found, *cutter.end()]


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.integers(1, 40)), min_size=1, max_size=30),
    st.lists(st.integers(1, 100), max_size=10),
)
def test_all_speech_is_in_one_segment_each(runs: list[tuple[float, int]], sizes: list[int]) -> None:
    probabilities = [p for p, count in runs for _ in range(count)]
    found = cut(probabilities, SHORT, sizes)
    heard: list[int] = []
    for s in found:
        numbers = s.samples.astype(int)
        assert numbers[0] == round(s.start * RATE)
        assert (np.diff(numbers) == 1).all()
        assert s.seconds <= SHORT.longest_seconds + 2 * SHORT.pad_seconds + 2 * FRAME / RATE
        heard += numbers.tolist()
    assert heard == sorted(set(heard))  # in order, none twice
    speech = {i for i, p in enumerate(probabilities) if p >= SHORT.threshold}
    assert speech <= {n // FRAME for n in heard}
    whole = cut(probabilities, SHORT, [])
    assert [(s.start, len(s.samples)) for s in found] == [(s.start, len(s.samples)) for s in whole]  # however it is read


def test_a_pause_parts_and_a_breath_does_not() -> None:
    word, breath, pause = [1.0] * 20, [0.0] * 5, [0.0] * 40
    one, two = cut([*pause, *word, *breath, *word, *pause, *word, *pause], SHORT, [])
    assert one.start == pytest.approx((40 - 3) * FRAME / RATE)
    assert len(one.samples) == (3 + 20 + 5 + 20 + 3) * FRAME
    assert two.start == pytest.approx((40 + 45 + 40 - 3) * FRAME / RATE)


def test_too_long_a_stretch_is_cut_where_it_is_quietest() -> None:
    talk = [1.0] * 45 + [0.6] * 3 + [1.0] * 45
    one, two = cut(talk, SHORT, [])
    assert len(one.samples) == 46 * FRAME
    assert two.start == pytest.approx(one.seconds)
    assert one.seconds + two.seconds == pytest.approx(len(talk) * FRAME / RATE)


def test_silence_and_nothing_have_no_segments() -> None:
    config = SegmentConfig()
    assert list(speech_segments([], config)) == []
    assert list(speech_segments([np.zeros(1, np.float32)], config)) == []
    assert list(speech_segments([np.zeros(RATE * 40, np.float32)], config)) == []
    noise = 0.05 * np.random.default_rng(0).standard_normal(RATE * 20).astype(np.float32)
    assert sum(s.seconds for s in speech_segments([noise], config)) < 1


def test_speech_is_found_between_silences_in_blocks_of_any_size() -> None:
    clip = load_audio(ROOT / "examples" / "numbers.flac", RATE)
    gap = np.zeros(3 * RATE, np.float32)
    stream = np.concatenate([gap, clip, gap, clip, gap, gap])
    assert len(stream) > SegmentConfig().longest_seconds * RATE
    threads = torch.get_num_threads()
    found = list(speech_segments([stream], SegmentConfig()))
    assert torch.get_num_threads() == threads
    again = list(speech_segments(np.array_split(stream, 37), SegmentConfig()))
    assert [(s.start, len(s.samples)) for s in found] == [(s.start, len(s.samples)) for s in again]
    first = [s for s in found if s.start < 3 + len(clip) / RATE]
    assert 2.5 < first[0].start < 3 + 0.5
    assert sum(s.seconds for s in found) == pytest.approx(2 * sum(s.seconds for s in first), abs=0.2)
    for s in found:
        at = round(s.start * RATE)
        assert np.array_equal(s.samples, stream[at : at + len(s.samples)])


@pytest.mark.parametrize("blocks", [1, 37])
def test_a_short_recording_is_one_segment_with_a_second_of_quiet_around_it(blocks: int) -> None:
    clip = load_audio(ROOT / "examples" / "numbers.flac", RATE)
    gap = np.zeros(3 * RATE, np.float32)
    stream = np.concatenate([gap, clip, gap, clip, gap])
    assert len(stream) <= SegmentConfig().longest_seconds * RATE
    [one] = speech_segments(np.array_split(stream, blocks), SegmentConfig())
    assert 2.5 < one.speech_start < 3.5
    assert 3 + len(clip) / RATE < one.speech_end - 3 < 3.2 + 2 * len(clip) / RATE
    assert one.start == pytest.approx(one.speech_start - 1)
    assert one.start + one.seconds == pytest.approx(one.speech_end + 1)
    assert np.array_equal(one.samples, stream[round(one.start * RATE) :][: len(one.samples)])
    [edged] = speech_segments([stream[3 * RATE : -3 * RATE]], SegmentConfig())  # no quiet to keep
    assert (edged.start, len(edged.samples)) == (0, len(stream) - 6 * RATE)


def test_the_detector_is_given_little_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def judge(self: VoiceActivity, samples: np.ndarray) -> np.ndarray:
        given.append(len(samples))
        return np.zeros(len(samples) // FRAME, np.float32)

    monkeypatch.setattr(VoiceActivity, "__call__", judge)
    assert list(speech_segments([np.zeros(RATE * 100, np.float32)], SHORT)) == []
    assert max(given) < RATE * 33
    assert 0 <= sum(given) - RATE * 100 < FRAME


def test_the_detector_goes_on_from_call_to_call() -> None:
    clip = load_audio(ROOT / "examples" / "numbers.flac", RATE)
    clip = clip[: len(clip) // (8 * FRAME) * 8 * FRAME]
    one, other = VoiceActivity(), VoiceActivity()
    parts = np.concatenate([other(part) for part in clip.reshape(8, -1)])
    np.testing.assert_allclose(one(clip), parts, atol=1e-5)
    assert parts.max() > 0.9

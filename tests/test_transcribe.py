"""The embedded model on recordings: right words in their places, however they are batched, cut and stored."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import asr
from asr.config import DecodeConfig, LMFolderConfig, LSTMLanguageModelConfig, TokenizerConfig
from asr.decode.beam import beam_search
from asr.decode.greedy import greedy_search
from asr.decode.recognize import listen, longest_output, recognize
from asr.decode.scorers import build_scorers
from asr.decode.utterances import Recognized, recognize_utterances
from asr.errors import AudioError, UsageError
from asr.model.checkpoint import LM_WEIGHT, TrainedLM, save_lm
from asr.model.lstm_lm import LSTMLanguageModel
from asr.prepare.librispeech import prepare_librispeech
from asr.readable.segments import Readable
from asr.score.wer import word_errors
from asr.speech.audio import load_audio
from asr.speech.manifest import read_manifest
from asr.transcribe import Transcriber
from asr.transcript import HeldBack, Transcript

ROOT = Path(__file__).parents[1]
RATE = 16_000


@pytest.fixture(scope="module")
def transcriber() -> Transcriber:
    return asr.load_model(device="cpu", text="verbatim")


@pytest.fixture(scope="module")
def clips() -> list[asr.Utterance]:
    return asr.read_manifest(ROOT / "manifests" / "example.json")


def test_the_clips_are_understood(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    texts = [transcriber.transcribe(u.audio_filepath).text for u in clips]
    assert word_errors([u.text or "" for u in clips], texts).rate <= 0.15


def test_alone_in_a_batch_and_padded_are_the_same(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    waveforms = [torch.from_numpy(load_audio(u.audio_filepath)) for u in clips]
    waveforms += [w[: len(w) // 2] for w in waveforms] + [torch.cat([waveforms[0], waveforms[2]])]  # more lengths
    together = recognize(transcriber.model, waveforms)
    for waveform, batched in zip(waveforms, together, strict=True):
        (alone,) = recognize(transcriber.model, [waveform])
        assert [r.text for r in alone] == [r.text for r in batched]
        for one, other in zip(alone, batched, strict=True):
            assert one.tokens == other.tokens
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.scores["ctc"] == pytest.approx(other.scores["ctc"], abs=1e-4)


def test_a_beam_of_one_without_ctc_is_greedy(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    waveforms = [torch.from_numpy(load_audio(u.audio_filepath)) for u in clips]
    # A threshold that never holds back makes `recognize` take the beam search all the same.
    beam = recognize(transcriber.model, waveforms, DecodeConfig(beam=1, ctc_weight=0, eos_threshold=1e9))
    network = transcriber.model.network
    with torch.inference_mode():
        states, lengths = network.listen(
            torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True), torch.tensor([len(w) for w in waveforms])
        )
        greedy = greedy_search(network.speller, network.speller.memory(states, lengths), longest_output(lengths, 1.0))
    for (one,), (other,) in zip(beam, greedy, strict=True):
        assert one.tokens == tuple(other.tokens)
        assert one.score == pytest.approx(other.score, abs=1e-4)


@pytest.mark.parametrize("bonus", ["length_bonus", "coverage_bonus"])
def test_bonuses_count_in_a_beam_of_one(transcriber: Transcriber, clips: list[asr.Utterance], bonus: str) -> None:
    waveforms = [torch.from_numpy(load_audio(u.audio_filepath)) for u in clips]
    plain = DecodeConfig(beam=1, ctc_weight=0)
    config = plain.model_copy(update={bonus: 3.0})
    model, speller = transcriber.model, transcriber.model.network.speller
    with torch.inference_mode():
        states, lengths = listen(model, waveforms)
        scorers = build_scorers(speller, speller.memory(states, lengths), lengths, config)
        expected = beam_search(scorers, longest_output(lengths, config.max_tokens_per_state), 1)
    found = recognize(model, waveforms, config)
    assert [(r.tokens, r.score, r.scores) for [r] in found] == [(tuple(h.tokens), h.score, h.scores) for [h] in expected]
    for [with_bonus], [without] in zip(found, recognize(model, waveforms, plain), strict=True):
        assert with_bonus.score > without.score + 1


def test_samples_are_taken_as_well_as_files(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    path = clips[0].audio_filepath
    of_file, of_samples = transcriber.transcribe(path), transcriber.transcribe(load_audio(path))
    assert replace(of_samples, audio_filepath=str(path)) == of_file


@pytest.mark.parametrize("kind", ["int16", "int32", "float64"])
def test_samples_of_other_types_are_read_as_well(transcriber: Transcriber, clips: list[asr.Utterance], kind: str) -> None:
    path = clips[0].audio_filepath
    samples, _ = soundfile.read(path, dtype=kind)
    expected = transcriber.transcribe(load_audio(path))
    assert expected.text
    assert transcriber.transcribe(samples) == expected
    assert transcriber.transcribe(samples.astype(samples.dtype.newbyteorder(">"))) == expected  # as some files have them


def test_bytes_are_samples_too(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    signed = np.round(load_audio(clips[0].audio_filepath) * 127).astype(np.int8)
    expected = transcriber.transcribe(signed.astype(np.float32) / 128)
    assert expected.text
    assert transcriber.transcribe(signed) == expected
    assert transcriber.transcribe((signed.astype(int) + 128).astype(np.uint8)) == expected  # in WAV the middle is silence


@pytest.mark.parametrize("kind", ["int64", "uint16", "bool", "complex64", "object"])
def test_samples_of_types_that_no_recording_has_are_refused(transcriber: Transcriber, kind: str) -> None:
    with pytest.raises(AudioError, match=rf"samples of type {kind}: expected floats in \[-1, 1\], or int16"):
        transcriber.transcribe(np.zeros(100, kind))


def test_nothing_is_written_over_silence_and_noise(transcriber: Transcriber) -> None:
    random = np.random.default_rng(0)
    for sound in (np.zeros(60 * RATE), 0.001 * random.standard_normal(60 * RATE), 0.1 * random.standard_normal(60 * RATE), np.zeros(1)):
        found = transcriber.transcribe(sound.astype(np.float32))
        assert found.segments == ()
        assert found.duration == pytest.approx(len(sound) / RATE)


def test_word_times_match_the_speech(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    """Clips with known pauses between them: no word in a pause, none out of order, and each clip's within its own time."""
    sounds = [load_audio(u.audio_filepath) for u in clips]
    parts, places, at = [], [], 0.0
    for sound in sounds:
        parts += [np.zeros(2 * RATE, np.float32), sound]
        places.append((at + 2.0, at + 2.0 + len(sound) / RATE))
        at = places[-1][1]
    found = transcriber.transcribe(np.concatenate(parts))
    assert all(0 <= a.start <= a.end <= b.start + 1e-6 for a, b in pairwise(found.words))
    assert all(0 < w.probability <= 1 for w in found.words)
    for sound, (start, end) in zip(sounds, places, strict=True):
        inside = [w.text for w in found.words if start <= w.start and w.end <= end + 0.05]
        assert len(inside) == len(transcriber.transcribe(sound).words)  # a hair's breadth of silence more may change a letter
    assert len(found.words) == sum(len(transcriber.transcribe(sound).words) for sound in sounds)


def test_many_recordings_come_back_in_order_each_with_its_own_text(
    transcriber: Transcriber, clips: list[asr.Utterance], tmp_path: Path
) -> None:
    gone = asr.Utterance("gone", tmp_path / "gone.wav")
    asked = [*clips, gone] * 2
    passed: list[float] = []
    small = Transcriber(transcriber.model, batch_seconds=4.0)  # so that there are several windows
    results = list(small.transcribe_many(asked, on_progress=passed.append))
    for result, utterance in zip(results, asked, strict=True):
        if utterance is gone:
            assert isinstance(result, AudioError)
        else:
            assert isinstance(result, Transcript)
            alone = transcriber.transcribe(utterance.audio_filepath)
            assert (result.audio_filepath, result.text) == (alone.audio_filepath, alone.text)
            assert result.duration == pytest.approx(alone.duration, abs=0.001)  # the manifest's, which is rounded
    assert sum(passed) == pytest.approx(sum(r.duration for r in results if isinstance(r, Transcript)))


def test_readable_text_is_the_same_streamed_and_whole(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    model = asr.load_model(device="cpu", profile="fast", precision="fp32")
    sound = np.concatenate([part for u in clips for part in (load_audio(u.audio_filepath), np.zeros(2 * RATE, np.float32))])
    whole = model.transcribe(sound)
    assert "down to the river" in whole.text
    assert "DOWN TO THE RIVER" in whole.verbatim_text
    assert whole.text != whole.verbatim_text.capitalize()
    first, *others = model.stream(sound)
    assert first.verbatim_text == whole.segments[0].verbatim_text  # its marks are set before the words behind it are known
    assert [(one.start, one.text, one.verbatim_text) for one in others] == [
        (one.start, one.text, one.verbatim_text) for one in whole.segments[1:]
    ]
    assert all(" ".join(word.text for word in segment.words) == segment.text for segment in whole.segments)
    plain = replace_readable(model, None).transcribe(sound)
    assert plain.text == whole.verbatim_text
    assert plain.words == tuple(word for segment in whole.segments for word in segment.verbatim_words)


def replace_readable(model: Transcriber, readable: Readable | None) -> Transcriber:
    return Transcriber(model.model, model.decode, model.segment, readable=readable)


def test_numbers_may_stay_in_words() -> None:
    numbers = ROOT / "examples" / "numbers.flac"
    assert "21555204" in asr.load_model(device="cpu", profile="fast").transcribe(numbers).text
    assert "two one five" in asr.load_model(device="cpu", profile="fast", numbers="words").transcribe(numbers).text.lower()


@pytest.mark.parametrize("name", ["text", "numbers"])
def test_unknown_forms_of_text_are_named(name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} is 'plain', expected"):
        asr.load_model(**{name: "plain"})


def test_a_model_without_text_restorer_is_verbatim(tiny_folder: Path) -> None:
    assert asr.load_model(tiny_folder).readable is None


def test_a_model_without_ctc_cannot_search_with_it(tiny_folder: Path) -> None:
    model = asr.load_model(tiny_folder).model
    model.network.ctc = None
    with pytest.raises(UsageError, match="no CTC head"):
        Transcriber(model)


def test_a_model_without_ctc_gives_no_word_times(tiny_folder: Path, clips: list[asr.Utterance]) -> None:
    model = asr.load_model(tiny_folder).model
    model.network.ctc = None
    found = Transcriber(model, DecodeConfig(beam=2, ctc_weight=0.0)).transcribe(clips[0].audio_filepath)
    assert found.words == ()


def test_speech_without_ctc_evidence_is_held_back(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    """The same words as are written otherwise; here the bound is one that nothing can pass."""
    sound = np.concatenate([load_audio(u.audio_filepath) for u in clips[:2] for _ in range(2)])
    written = transcriber.transcribe(sound)
    strict = transcriber.decode.model_copy(update={"invented_below": 0.0, "doubtful_below": -1e9})  # no second search
    found = Transcriber(transcriber.model, strict).transcribe(sound)
    assert (found.segments, found.text, found.words) == ((), "", ())
    assert found.held_back == tuple(HeldBack(s.start, s.end, s.text) for s in written.segments)
    assert written.segments
    assert written.held_back == ()


def test_a_transcript_has_the_language_of_the_model(tiny_folder: Path) -> None:
    model = asr.load_model(tiny_folder).model
    german = replace(model, config=model.config.model_copy(update={"language": "de"}))
    assert Transcriber(german).transcribe(np.zeros(RATE, np.float32)).language == "de"


def test_a_named_language_model_is_used(tiny_folder: Path, tmp_path: Path) -> None:
    tokenizer = asr.load_model(tiny_folder).model.tokenizer
    config = LMFolderConfig(
        kind="language_model", model=LSTMLanguageModelConfig(embedding=4, hidden=4), tokenizer=TokenizerConfig(kind="char")
    )
    save_lm(tmp_path / "lm", TrainedLM(LSTMLanguageModel(len(tokenizer), config.model), tokenizer, config))
    assert asr.load_model(tiny_folder).decode.lm_weight == 0
    assert asr.load_model(tiny_folder, language_model=tmp_path / "lm").decode.lm_weight == LM_WEIGHT


def test_segments_end_with_the_recording(transcriber: Transcriber, clips: list[asr.Utterance]) -> None:
    samples = load_audio(clips[0].audio_filepath)[: 2 * RATE + 7]  # in the midst of speech, and of a frame of the detector
    found = transcriber.transcribe(samples)
    assert found.segments[-1].end == pytest.approx(len(samples) / RATE)
    assert all(word.end <= found.duration + 1e-9 for word in found.words)


def test_dev_clean_is_understood_as_the_card_says(dev_clean: Path, transcriber: Transcriber, tmp_path: Path) -> None:
    """Every twelfth utterance of the part of dev-clean at hand; its interval is some 5 points wide, either way."""
    [part] = prepare_librispeech(dev_clean, tmp_path, ["dev-clean"]).parts
    utterances = read_manifest(part.manifest)[::12]
    texts = [""] * len(utterances)
    for i, result in recognize_utterances(transcriber.model, utterances, transcriber.decode, 120.0):
        assert isinstance(result, Recognized)
        texts[i] = result.text
    stated = re.search(r"dev-clean WER \| ([\d.]+) %", transcriber.model.card)
    assert stated
    assert word_errors([u.text or "" for u in utterances], texts).rate <= float(stated[1]) / 100 + 0.05

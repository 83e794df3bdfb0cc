"""Recordings that are damaged, cut or oddly written are read as far as FFmpeg reads them, at their times, and what is lost is reported."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from recordings_support import RATE, SECONDS, copy, encode, film, lag, noise, program, read

from asr.decode.utterances import recognize_utterances
from asr.errors import AudioError
from asr.model.checkpoint import load_model
from asr.prepare.conversion import _measured
from asr.speech.audio import load_audio, load_whole, probe, stream_audio
from asr.speech.batches import BatchDataset, BatchPart, Example, Flawed
from asr.speech.checking import check_manifest
from asr.speech.headers import mp3_seconds, share_beyond_end
from asr.speech.manifest import Utterance
from asr.speech.missing import Gap, Missing, merge_gaps
from asr.transcribe import Transcriber

# ---------------------------------------------------------------- damage in the midst

LOSSY: dict[str, tuple[str, str | None]] = {"a.m4a": ("aac", None), "a.aac": ("aac", "adts"), "a.ac3": ("ac3", None)}


def damaged(path: Path, wanted: Callable[[Path], bool]) -> Path:
    """Overwrite 40 bytes somewhere in the second quarter of a file, until `wanted`."""
    data, bad = path.read_bytes(), path.with_name(f"bad_{path.name}")
    for seed in range(400):
        generator, copy = random.Random(seed), bytearray(data)
        at = generator.randrange(len(copy) // 4, len(copy) // 2)
        copy[at : at + 40] = generator.randbytes(40)
        bad.write_bytes(copy)
        if wanted(bad):
            return bad
    raise AssertionError("no such damage was found")


def errors(path: Path) -> set[str]:
    found = set()
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.audio[0]):
            try:
                packet.decode()
            except av.FFmpegError as e:
                found.add(type(e).__name__)
    return found


@pytest.mark.parametrize("name", LOSSY)
def test_decoding_goes_on_behind_a_packet_of_any_error(tmp_path: Path, name: str) -> None:
    codec, container = LOSSY[name]
    rate = 48_000 if codec == "ac3" else RATE
    good = encode(tmp_path / name, noise(), codec, rate, container)
    bad = damaged(good, lambda path: bool(errors(path) - {"InvalidDataError"}))
    whole, _ = read(good)
    samples, found = read(bad)
    # A parser without time stamps may swallow a frame beside the damage: the sound behind it then comes a frame early, as by FFmpeg's program.
    frame = 0.001 if name == "a.m4a" else 0.065
    assert len(samples) / RATE == pytest.approx(len(whole) / RATE, abs=frame)
    assert abs(lag(samples, whole, SECONDS - 3)) < frame
    assert [gap.reason for missing in found for gap in missing.gaps] == ["damaged"]
    assert 0.01 < found[0].seconds < 0.2
    assert SECONDS / 5 < found[0].gaps[0].start < SECONDS * 0.55


@pytest.mark.parametrize("codec", ["wavpack", "tta"])
def test_a_frame_that_fails_its_checksum_is_reported(tmp_path: Path, codec: str) -> None:
    path = encode(tmp_path / "a", noise(), codec, container={"wavpack": "wv"}.get(codec, codec))
    whole = load_audio(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = random.Random(0).randbytes(40)
    path.write_bytes(data)
    samples, [missing] = read(path)
    [gap] = missing.gaps
    assert gap.end is not None
    lost = np.flatnonzero(samples != whole)
    assert len(samples) == len(whole)
    assert gap.start * RATE <= lost[0]
    assert lost[-1] < gap.end * RATE
    assert np.abs(samples[round(gap.start * RATE) : lost[0]]).max(initial=1.0) > 0.01  # its sound is kept
    assert read(path, gap.start - 2.0, 1.5)[1] == []


@pytest.mark.parametrize("blank", [8, 3_000])
def test_a_damaged_flac_is_read_behind_the_damage(tmp_path: Path, blank: int) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(), RATE)
    whole = load_audio(path)
    data = bytearray(path.read_bytes())
    at = len(data) // 3
    data[at : at + blank] = bytes(blank)
    path.write_bytes(data)
    samples, [missing] = read(path)
    assert len(samples) == len(whole)
    lost = np.flatnonzero(samples != whole)
    assert len(lost) < RATE
    [gap] = missing.gaps
    assert gap.reason == "damaged"
    assert gap.start * RATE <= lost[0]
    assert lost[-1] < (gap.end or 0) * RATE
    part, found = read(path, 9.0, 2.0)
    assert np.array_equal(part, whole[9 * RATE : 11 * RATE])
    assert not found
    part, [missing] = read(path, gap.start - 0.1, 1.0)
    assert len(part) == RATE
    assert missing.gaps[0].start == pytest.approx(gap.start)


def test_the_first_frames_of_a_flac_may_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(), RATE)
    whole, data = load_audio(path), bytearray(path.read_bytes())
    at = data.index(b"\xff\xf8")
    data[at : at + 500] = bytes(500)
    path.write_bytes(data)
    samples, [missing] = read(path)
    assert len(samples) == len(whole)
    assert missing.gaps[0].start == 0
    assert np.array_equal(samples[-5 * RATE :], whole[-5 * RATE :])


@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
def test_a_damaged_page_of_ogg_is_silence(tmp_path: Path, codec: str) -> None:
    rate = 48_000 if codec == "libopus" else RATE
    good = encode(tmp_path / "a.ogg", noise(), codec, rate, "ogg")
    whole, _ = read(good)
    bad = damaged(good, lambda path: True)
    samples, [missing] = read(bad)
    assert len(samples) == pytest.approx(len(whole), abs=0.01 * RATE)
    assert abs(lag(samples, whole, SECONDS - 2.5, 1.5)) < 0.005
    assert 0.1 < missing.seconds < 3


def test_pauses_of_amr_are_no_damage(tmp_path: Path) -> None:
    sound = noise(9.0)
    sound[3 * RATE : 6 * RATE] *= 1e-3
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    subprocess.run([program("sox"), "a.wav", "-r", "8000", "-t", "amr-nb", "a.amr"], cwd=tmp_path, check=True)
    samples, found = read(tmp_path / "a.amr")
    assert len(samples) / RATE == pytest.approx(9.0, abs=0.05)
    assert not found
    assert abs(lag(samples, sound, 6.5)) < 0.015  # the codec's own delay
    assert abs(lag(samples, sound, 0.5)) < 0.015


# ---------------------------------------------------------------- ends


def by_soundfile(path: Path, form: str, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, noise(), RATE, format=form, subtype=subtype)
    return path


TRUNCATED: dict[str, Callable[[Path], Path]] = {
    "wav": lambda path: by_soundfile(path, "WAV"),
    "float wav": lambda path: by_soundfile(path, "WAV", "FLOAT"),
    "adpcm wav": lambda path: by_soundfile(path, "WAV", "IMA_ADPCM"),
    "rf64": lambda path: by_soundfile(path, "RF64"),
    "aiff": lambda path: by_soundfile(path, "AIFF"),
    "au": lambda path: by_soundfile(path, "AU"),
    "w64": lambda path: by_soundfile(path, "W64"),
    "caf": lambda path: by_soundfile(path, "CAF"),
    "sphere": lambda path: by_soundfile(path, "NIST"),
    "flac": lambda path: by_soundfile(path, "FLAC"),
    "mp3": lambda path: encode(path, noise(), "libmp3lame", container="mp3"),
    "g722 wav": lambda path: encode(path, noise(), "g722", container="wav"),
    "mkv": lambda path: encode(path, noise(), "pcm_s16le", container="matroska"),
    "m4a": lambda path: encode(path, noise(), "aac", container="mp4", movflags="faststart"),
    "wma": lambda path: encode(path, noise(), "wmav2", container="asf"),
    "wavpack": lambda path: encode(path, noise(), "wavpack", container="wv"),
    "tta": lambda path: encode(path, noise(), "tta", container="tta"),
    "avi": lambda path: encode(path, noise(), "pcm_s16le", container="avi"),
    "mp3 avi": lambda path: encode(path, noise(rate=RATE), "libmp3lame", 44_100, container="avi"),
    "flv": lambda path: encode(path, noise(), "libmp3lame", 44_100, container="flv"),
}


@pytest.mark.parametrize("kind", TRUNCATED)
def test_a_truncated_file_is_reported(tmp_path: Path, kind: str) -> None:
    path = TRUNCATED[kind](tmp_path / "a")
    assert read(path)[1] == []
    assert probe(path).breaks_off is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    samples, [missing] = read(path)
    [gap] = missing.gaps
    assert (gap.reason, gap.end) == ("cut short", pytest.approx(SECONDS, abs=0.15))
    assert gap.start == pytest.approx(len(samples) / RATE, abs=0.3)  # silence stands for a last frame that is not whole
    assert str(missing) == f"breaks off at 0:{round(gap.start):02} of 0:12"
    with pytest.raises(AudioError, match=r"breaks off at 0:0\d of 0:12: replace the file, or leave it out"):
        load_whole(path)
    assert len(load_whole(path, RATE, 1.0, 2.0)) == 2 * RATE


@pytest.mark.parametrize(
    ("form", "at", "sizes"), [("WAV", 40, (0, 0xFFFF_FFFF, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000)), ("AU", 8, (0xFFFF_FFFF,))]
)
def test_placeholders_of_pipes_are_no_lengths(tmp_path: Path, form: str, at: int, sizes: tuple[int, ...]) -> None:
    path = by_soundfile(tmp_path / "a", form)
    data = bytearray(path.read_bytes())
    for size in sizes:
        data[at : at + 4] = size.to_bytes(4, "little" if form == "WAV" else "big")
        path.write_bytes(data)
        samples, found = read(path)
        assert len(samples) == SECONDS * RATE
        assert not found


def test_an_ogg_that_ends_in_a_page_is_cut_short(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ogg", noise(), "libvorbis")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    samples, [missing] = read(path)
    assert missing.gaps == (Gap(pytest.approx(len(samples) / RATE), None, "cut short"),)
    assert missing.open_ended
    with pytest.raises(AudioError, match="breaks off"):
        load_whole(path)


def test_a_manifest_with_the_length_that_is_there_hides_no_truncation(tmp_path: Path) -> None:
    path = by_soundfile(tmp_path / "a", "WAV")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="breaks off"):
        load_whole(path, RATE, 0.0, probe(path).seconds)


@pytest.mark.parametrize("codec", ["libopus", "libvorbis", "flac"])
def test_links_of_ogg_follow_each_other(tmp_path: Path, codec: str) -> None:
    rate = 48_000 if codec == "libopus" else RATE
    sounds = [noise(3.3, 1), noise(2.7, 2), noise(1.9, 3)]
    paths = [encode(tmp_path / f"{i}.ogg", sound, codec, rate, "ogg") for i, sound in enumerate(sounds)]
    path = tmp_path / "all.ogg"
    path.write_bytes(b"".join(one.read_bytes() for one in paths))
    samples, found = read(path)
    assert not found
    lengths = [len(load_audio(one)) for one in paths]
    assert len(samples) == pytest.approx(sum(lengths), abs=0.01 * RATE)
    assert probe(path).seconds == pytest.approx(len(samples) / RATE, abs=0.01)
    assert abs(lag(samples[lengths[0] :], load_audio(paths[1]), 0.5, 1.5)) < 0.002
    part = load_audio(path, RATE, lengths[0] / RATE - 0.5, 1.0)
    assert abs(lag(samples[lengths[0] - RATE // 2 :], part, 0.1, 0.8)) < 0.002
    last = load_audio(path, RATE, sum(lengths[:2]) / RATE)
    assert abs(lag(last, load_audio(paths[2]), 0.3, 1.0)) < 0.002


def test_links_of_another_rate_are_resampled(tmp_path: Path) -> None:
    one = encode(tmp_path / "1.ogg", noise(2.0, 1), "libvorbis", 16_000)
    two = encode(tmp_path / "2.ogg", noise(2.0, 2), "libvorbis", 44_100)
    (tmp_path / "both.ogg").write_bytes(one.read_bytes() + two.read_bytes())
    samples, found = read(tmp_path / "both.ogg")
    assert len(samples) / RATE == pytest.approx(4.0, abs=0.01)
    assert abs(lag(samples[2 * RATE :], load_audio(two), 0.5, 1.0)) < 0.002
    assert not found


@pytest.mark.parametrize("name", ["a.flac", "a.opus", "a.ogg"])
def test_a_stream_copy_is_read_whole(tmp_path: Path, name: str) -> None:
    codec = {"a.flac": "flac", "a.opus": "libopus", "a.ogg": "libvorbis"}[name]
    path = encode(tmp_path / name, noise(), codec, 48_000 if codec == "libopus" else RATE)
    cut = copy(path, tmp_path / f"cut{path.suffix}", "-ss", "4")
    samples, found = read(cut)
    assert len(samples) / RATE == pytest.approx(SECONDS - 4, abs=1.1)  # copies begin with a page or frame
    assert np.abs(samples[-RATE:]).max() > 0.01
    assert abs(lag(samples, noise(), SECONDS - 3, 2.5) + SECONDS - len(samples) / RATE) < 0.02
    assert probe(cut).seconds == pytest.approx(len(samples) / RATE, abs=0.01)
    assert not found


# ---------------------------------------------------------------- places

UNSEEKABLE = [
    ("WAV", "GSM610"),
    ("AIFF", "GSM610"),
    ("AU", "G721_32"),
    ("AU", "G723_24"),
    ("AU", "G723_40"),
    ("WAV", "NMS_ADPCM_16"),
    ("AIFF", "DWVW_16"),
]


@pytest.mark.parametrize(("form", "subtype"), UNSEEKABLE)
def test_codecs_that_cannot_be_sought_are_read(tmp_path: Path, form: str, subtype: str) -> None:
    soundfile.write(tmp_path / "a", noise(), RATE, format=form, subtype=subtype)
    whole, found = read(tmp_path / "a")
    assert not found
    assert len(whole) == pytest.approx(SECONDS * RATE, abs=400)
    assert abs(lag(whole, noise())) < 0.001
    part = load_audio(tmp_path / "a", RATE, 5.3, 2.0)
    assert np.array_equal(part, whole[round(5.3 * RATE) :][: 2 * RATE])


@pytest.mark.parametrize(
    ("codec", "container"),
    [("g722", "wav"), ("adpcm_yamaha", "wav"), ("libmp3lame", "wav"), ("adpcm_ima_wav", "avi")],
)
def test_a_part_is_found_without_the_byte_rate(tmp_path: Path, codec: str, container: str) -> None:
    path = encode(tmp_path / "a", noise(), codec, container=container)
    whole = load_audio(path)
    for offset in (3.0, 7.5):
        assert abs(lag(whole, load_audio(path, RATE, offset, 2.0), 0.2, 1.5) - offset) < 0.002


FIRST: dict[str, tuple[str, int, str]] = {
    "a.wma": ("wmav2", 16_000, "asf"),
    "44100.wma": ("wmav2", 44_100, "asf"),
    "1.wma": ("wmav1", 8_000, "asf"),
    "vorbis.webm": ("libvorbis", 8_000, "webm"),
    "vorbis.mka": ("libvorbis", 16_000, "matroska"),
    "opus.webm": ("libopus", 48_000, "webm"),
    "a.m4a": ("aac", 16_000, "mp4"),
    "a.mp3": ("libmp3lame", 16_000, "mp3"),
    "a.opus": ("libopus", 16_000, "ogg"),
    "a.ogg": ("libvorbis", 16_000, "ogg"),
    "a.mka": ("flac", 16_000, "matroska"),
}


@pytest.mark.parametrize("name", FIRST)
def test_sound_is_within_5_ms_of_the_original(tmp_path: Path, name: str) -> None:
    codec, rate, container = FIRST[name]
    path = encode(tmp_path / name, noise(), codec, rate, container)
    whole, found = read(path)
    assert abs(lag(whole, noise())) < 0.005
    assert not found
    assert abs(lag(load_audio(path, RATE, 4.0, 3.0), noise()[4 * RATE :], 0.5)) < 0.005


def test_opus_by_mkvmerge_is_not_early(tmp_path: Path) -> None:
    encode(tmp_path / "a.opus", noise(), "libopus", 48_000)
    subprocess.run([program("mkvmerge"), "-q", "-o", "a.mka", "a.opus"], cwd=tmp_path, check=True)
    assert abs(lag(load_audio(tmp_path / "a.mka"), noise())) < 0.005


# ---------------------------------------------------------------- tracks and channels


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("default", [0, 1])
def test_the_default_track_is_read_unless_another_is_asked_for(tmp_path: Path, name: str, default: int) -> None:
    path, notes = film(tmp_path / name, default), []
    samples = np.concatenate(list(stream_audio(path, on_note=notes.append)))
    assert abs(lag(samples, noise(4.0, default))) < 0.005
    assert len(notes) == 1
    assert notes[0].startswith(f"audio track {default + 1} of 2 is read (1: eng")
    for track in (1, 2):
        assert abs(lag(load_audio(path, track=track), noise(4.0, track - 1))) < 0.005
    for track in (0, 3):
        with pytest.raises(AudioError, match=f"has 2 audio tracks, and no track {track}"):
            load_audio(path, track=track)


def test_a_file_of_one_track_has_no_second(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1.0), RATE)
    assert len(load_audio(tmp_path / "a.wav", track=1)) == RATE
    with pytest.raises(AudioError, match="has 1 audio track, and no track 2"):
        load_audio(tmp_path / "a.wav", track=2)


def test_channels_of_opposite_phase_are_not_silence(tmp_path: Path) -> None:
    left = noise(4.0)
    for name, right in (("opposite", -left), ("weaker", -0.6 * left), ("alike", left), ("other", noise(4.0, 1)), ("mute", 0 * left)):
        soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
        notes: list[str] = []
        samples = np.concatenate(list(stream_audio(tmp_path / "a.wav", on_note=notes.append)))
        cancel = name in ("opposite", "weaker")
        np.testing.assert_allclose(samples, left if cancel else (left + right) / 2, atol=1e-6)
        assert [note[:48] for note in notes] == ["the channels have opposite phase at 0:00 and canc"[:48]] * cancel
        assert np.array_equal(load_audio(tmp_path / "a.wav", channel=2), right)


# ---------------------------------------------------------------- where missing sound is reported


def test_training_leaves_out_incomplete_recordings_and_check_names_them(tmp_path: Path) -> None:
    good = tmp_path / "good.flac"
    soundfile.write(good, noise(), RATE)
    data = good.read_bytes()
    hole = bytearray(data)
    hole[len(data) // 3 : len(data) // 3 + 4_000] = bytes(4_000)
    (tmp_path / "hole.flac").write_bytes(hole)
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    names = ["good", "hole", "cut"]
    lines = [json.dumps({"id": name, "audio_filepath": f"{name}.flac", "text": "A"}) for name in names]
    parts = [
        json.dumps({"id": f"{name}-part", "audio_filepath": f"{name}.flac", "text": "A", "offset": 0.5, "duration": 1.0}) for name in names
    ]
    (tmp_path / "m.json").write_text("\n".join([*lines, *parts]))
    problems = check_manifest(tmp_path / "m.json").problems
    assert [problem.split(": ", 1)[0].rsplit(":", 1)[1] for problem in problems] == ["2", "3"]
    assert "damaged at 0:04" in problems[0]
    assert "breaks off at 0:0" in problems[1]
    assert check_manifest(tmp_path / "m.json", headers_only=True).problems == []

    dataset = BatchDataset([Example(Utterance(name, tmp_path / f"{name}.flac"), (3,), SECONDS) for name in names], RATE, 0)
    skipped = list(dataset.remember(1.0))
    assert skipped[0] is None
    assert [one.id for one in skipped[1:] if one] == ["hole", "cut"]


def test_a_little_missing_sound_is_used_and_reported(tmp_path: Path) -> None:
    path = damaged(encode(tmp_path / "a.m4a", noise(), "aac"), lambda path: bool(errors(path)))
    line = {"id": "a", "audio_filepath": path.name, "text": "A"}
    (tmp_path / "m.json").write_text(json.dumps(line))
    report = check_manifest(tmp_path / "m.json")
    [note] = report.notes
    assert report.problems == []
    assert "damaged at 0:0" in note

    dataset = BatchDataset([Example(Utterance("a", path), (3,), SECONDS)], RATE, 0)
    for epoch, reported in ((0, True), (1, False)):
        batch = dataset[BatchPart(epoch, 0, 1, (0,), 2, SECONDS, last=True)]
        assert batch.skipped == ()
        assert [(one.id, one.missing.split(": ")[1][:14]) for one in batch.flawed] == [("a", "damaged at 0:0")] * reported
    [found] = dataset.remember(1.0)
    assert isinstance(found, Flawed)
    assert len(dataset.cache) == 1


@pytest.mark.parametrize("scale", [1.0, 32_768.0, 10.0, 1e-4, 0.0, 1e-38])
def test_audio_in_memory_is_that_on_disk(tmp_path: Path, scale: float) -> None:
    samples = noise(1.0) / np.abs(noise(1.0)).max() * np.float32(scale)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    dataset = BatchDataset([Example(Utterance("a", tmp_path / "a.wav"), (3,), 1.0)], RATE, 0)
    disk = dataset.read(0)
    assert list(dataset.remember(1.0)) == [None]
    assert np.abs(dataset.read(0) - disk).max() <= scale / 65_000


def test_16_bit_audio_in_memory_is_exact(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-32_768, 32_768, RATE).astype(np.int16)
    values[:2] = -32_768, 32_767
    soundfile.write(tmp_path / "a.wav", values, RATE)
    dataset = BatchDataset([Example(Utterance("a", tmp_path / "a.wav"), (3,), 1.0)], RATE, 0)
    disk = dataset.read(0)
    list(dataset.remember(1.0))
    assert dataset.cache[0].values.dtype == np.int16
    assert np.array_equal(dataset.read(0), disk)


def test_a_source_of_truncated_recordings_lists_them_as_problems(tmp_path: Path) -> None:
    for name in ("good", "cut"):
        by_soundfile(tmp_path / f"{name}.wav", "WAV")
    path = tmp_path / "cut.wav"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = list(_measured([Utterance(name, tmp_path / f"{name}.wav", "A", source=name) for name in ("good", "cut")]))
    assert isinstance(found[0], Utterance)
    assert found[1] == f"cut: {path}: breaks off at 0:06 of 0:12"


def test_evaluation_refuses_a_truncated_recording(tmp_path: Path, tiny_folder: Path) -> None:
    path = by_soundfile(tmp_path / "cut.wav", "WAV")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    model = load_model(tiny_folder, torch.device("cpu"))
    [(_, result)] = recognize_utterances(model, [Utterance("cut", path, "A")], model.search, 60.0)
    assert isinstance(result, AudioError)
    assert "breaks off at 0:06 of 0:12" in str(result)


def test_transcripts_carry_notes(tmp_path: Path, tiny_folder: Path) -> None:
    transcriber = Transcriber(load_model(tiny_folder, torch.device("cpu")))
    path = by_soundfile(tmp_path / "cut.wav", "WAV")
    assert transcriber.transcribe(path).notes == ()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cut = transcriber.transcribe(path)
    assert cut.notes == ("breaks off at 0:06 of 0:12",)
    assert cut.missing == pytest.approx(6.0, abs=0.01)
    tracks = film(tmp_path / "a.mkv", 1)
    assert transcriber.transcribe(tracks).notes[0].startswith("audio track 2 of 2 is read")
    assert transcriber.transcribe(tracks, track=1).notes == ()


# ---------------------------------------------------------------- the parts themselves


def test_gaps_that_touch_are_one() -> None:
    gaps = [Gap(1.0, 1.1, "damaged"), Gap(1.1, 1.3, "damaged"), Gap(2.0, 2.1, "damaged"), Gap(3.0, 5.0, "cut short")]
    assert merge_gaps(gaps) == (Gap(1.0, 1.3, "damaged"), *gaps[2:])
    assert str(Missing(tuple(gaps[2:]))) == "damaged at 0:02 (0.10 s), breaks off at 0:03 of 0:05"
    assert Missing(tuple(gaps)).seconds == pytest.approx(2.4)
    many = Missing(tuple(Gap(i, i + 0.5, "damaged") for i in range(5)))
    assert str(many).endswith("and 2 more gaps (1.00 s)")


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEdata", b"FORM\0\0\0\0AIFF", b"NIST_1A\n   xx", b"caff\0\1\0\0data", b"ID3" + b"\xff" * 40]
)
def test_headers_that_end_early_state_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with open(tmp_path / "a", "rb") as file:
        file.seek(1)
        assert share_beyond_end(file) == 0
        assert mp3_seconds(file) == 0
        assert file.tell() == 1

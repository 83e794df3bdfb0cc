"""Fuzz the readers of texts: mutated manifests, tables, subtitles and transcripts, by `asr score` and `asr manifest from`.

    python benchmarks/fuzz_texts.py --files 300 --seed 1

Each file is a valid one of some format with a few faults: bytes changed, lines dropped, doubled, cut or swapped, delimiters and numbers
replaced, ends missing, other formats' lines in between. It is read as reference, as hypothesis of a good reference, and as a source of a
manifest. Every reading must end in texts or in an error of one line, within `--seconds`. Files that do not are kept in `--output`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import soundfile

from asr.console import one_line_errors
from asr.errors import AsrError
from asr.prepare.conversion import convert
from asr.prepare.source import open_source
from asr.score.evaluation import evaluate
from asr.score.texts import read_sides

WORDS = [
    "go",
    "on",
    "stop",
    "here",
    "now",
    "yes",
    "no",
    "wait",
    "a",
    "bit",
    "the",
    "old",
    "man",
    "don't",
    "café",
    "1984",
    "text",
    "well,",
    "said",
]
TIMES = ((0.1, 0.9), (1.0, 1.4), (1.5, 2.6), (2.7, 2.9), (3.0, 3.9))  # s
NASTY = (
    "\t",
    "|",
    ",",
    ";",
    '"',
    "(",
    ")",
    "{",
    "}",
    "[",
    "<",
    ">",
    "-->",
    "\r",
    "\0",
    "\ufeff",
    "\ud7ff",
    "\u2028",
    "é",
    "NaN",
    "1e999",
    "9" * 5000,
    "-1",
    "",
)


def clock(seconds: float, point: str) -> str:
    return f"00:00:{seconds:06.3f}".replace(".", point)


def samples(chance: random.Random) -> dict[str, str]:
    """A valid file of each format, by its name, on the recordings clip0 … clip4 or talk."""
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(0, 6))) for _ in TIMES]
    ids = [f"clip{i}" for i in range(len(texts))]
    pairs = list(zip(ids, texts, strict=True))
    timed = list(zip(TIMES, texts, strict=True))
    objects = [{"audio_filepath": f"{name}.wav", "text": text, "pred_text": text, "duration": 1.0} for name, text in pairs]
    found = [{"file_name": f"{name}.wav", "transcription": text} for name, text in pairs]
    segments = [{"id": i, "start": start, "end": end, "text": f" {text}"} for i, ((start, end), text) in enumerate(timed)]
    readable = [{**one, "text": str(one["text"]).capitalize() + ".", "verbatim_text": one["text"]} for one in segments]
    srt = [f"{i}\n{clock(start, ',')} --> {clock(end, ',')}\n{text}\n" for i, ((start, end), text) in enumerate(timed, start=1)]
    vtt = [f"{clock(start, '.')} --> {clock(end, '.')}\n<v Anna>{text}\n" for (start, end), text in timed]
    labels = [f"{round(1e7 * start)} {round(1e7 * end)} {word} -12.5" for (start, end), word in zip(TIMES, WORDS, strict=False)]
    return {
        "manifest.json": "".join(json.dumps(one) + "\n" for one in objects),
        "array.json": json.dumps(objects, indent=1),
        "metadata.jsonl": "".join(json.dumps(one) + "\n" for one in found),
        "talk.json": json.dumps({"text": " ".join(texts), "segments": segments, "language": "en"}, indent=2),
        "readable.json": json.dumps({"text": "Go.", "verbatim_text": "go", "segments": readable, "audio_filepath": "talk.wav"}, indent=2),
        "cpp.json": json.dumps({"transcription": [{"offsets": {"from": round(1e3 * s), "to": round(1e3 * e)}, "text": t} for (s, e), t in timed]}),
        "chunks.json": json.dumps({"text": " ".join(texts), "chunks": [{"timestamp": list(time), "text": text} for time, text in timed]}),
        "espnet.json": json.dumps({"utts": {n: {"output": [{"text": t, "rec_text": f"{t}<eos>"}]} for n, t in pairs}}, indent=1),
        "table.csv": "path,text,speaker\n" + "".join(f'{name}.wav,"{text}",ann\n' for name, text in pairs),
        "table.tsv": "path\tsentence\n" + "".join(f"{name}.wav\t{text}\n" for name, text in pairs),
        "headless.tsv": "".join(f"{name}.wav\t{text}\n" for name, text in pairs),
        "bars.csv": "".join(f"{name}|{text}|{text}\n" for name, text in pairs),
        "talk.tsv": "start\tend\ttext\n" + "".join(f"{round(1000 * s)}\t{round(1000 * e)}\t{text}\n" for (s, e), text in timed),
        "h.trn": "".join(f"{text} ({name})\n" for name, text in pairs),
        "h.hyp": "".join(f"{text} ({name} -7716)\n" for name, text in pairs),
        "kaldi.txt": "".join(f"{name} {text}\n" for name, text in pairs),
        "x.stm": "".join(f"talk A ann {start:.2f} {end:.2f} <O> {text}\n" for (start, end), text in timed),
        "x.ctm": "".join(f"talk A {start:.2f} 0.10 {word} 0.9\n" for (start, _), word in zip(TIMES, WORDS, strict=False)),
        "talk.srt": "\n".join(srt),
        "talk.vtt": "WEBVTT\n\n" + "\n".join(vtt),
        "talk.txt": "".join(f"{start:.6f}\t{end:.6f}\t{text}\n" for (start, end), text in timed),
        "talk.lab": "\n".join(labels) + "\n",
        "x.mlf": '#!MLF!#\n"*/talk.lab"\n' + "\n".join(labels) + "\n.\n",
        "lines.txt": "".join(f"{text}\n" for text in texts),
    }  # fmt: skip


def mutate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A file with one to four faults; `other` lends lines."""
    for _ in range(chance.randint(1, 4)):
        lines = data.split(b"\n")
        at, there = chance.randrange(len(lines)), chance.randrange(len(lines))
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(9)
        if kind == 0:
            data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
        elif kind == 1:
            data = data[:place]
        elif kind == 2:
            lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
        elif kind == 3:
            lines[at], lines[there] = lines[there], lines[at]
        elif kind == 4:
            lines.insert(at, lines[there])
        elif kind == 5:
            lines[at : at + 1] = []
        elif kind == 6:
            lines.insert(at, chance.choice(other.split(b"\n")))
        elif kind == 7:
            data = data[:place] + chance.choice(NASTY).encode("utf-8", "surrogatepass") + data[place:]
        else:
            cells = lines[at].split(chance.choice([b" ", b"\t", b",", b"|", b":", b"."]))
            chance.shuffle(cells)
            lines[at] = chance.choice([b" ", b"\t", b",", b"|", b":", b"."]).join(cells)
        data = b"\n".join(lines) if kind in (2, 3, 4, 5, 6, 8) else data
    return chance.choice([data] * 8 + [data.replace(b"\n", b"\r\n"), data.decode("utf-8", "replace").encode("utf-16")])


def read_everywhere(path: Path, folder: Path, answer: Connection) -> None:
    """Read a file in each way, and answer with how each reading ended."""
    good = folder / "good.json", folder / "good.stm"

    def measure(reference: Path, hypotheses: list[Path]) -> None:
        references, systems = read_sides(reference, hypotheses)
        evaluate(references, *systems, samples=0, normalizer="librispeech", readable=True)

    def source() -> None:
        convert(open_source(path)[1], folder / "out" / f"{path.name}.json")

    ways: dict[str, Callable[[], None]] = {
        "alone": lambda: measure(path, []),
        "hypothesis": lambda: measure(good[0], [path]),
        "hypothesis of segments": lambda: measure(good[1], [path]),
        "reference": lambda: measure(path, [good[0]]),
        "source": source,
    }
    for name, way in ways.items():
        try:
            way()
            ended = "read"
        except AsrError as e:
            lines = str(e).splitlines()
            ended = "refused" if lines and all(lines) else f"an error without words: {e!r}"
        except BaseException:
            ended = traceback.format_exc()
        answer.send((name, ended))
    answer.send(("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="most that the readings of one file may take")
    parser.add_argument("--output", type=Path, default=Path("fuzz-texts"), help="folder for files that end otherwise")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    tally: Counter[str] = Counter()
    failures, most_memory = 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for recording in (*(f"clip{i}" for i in range(5)), "talk"):
            soundfile.write(folder / f"{recording}.wav", np.zeros(4 * 8_000), 8_000)
        valid = samples(chance)
        (folder / "good.json").write_text(valid["manifest.json"], encoding="utf-8")
        (folder / "good.stm").write_text(valid["x.stm"], encoding="utf-8")
        for number in range(options.files):
            valid = samples(chance)
            kind = chance.choice(sorted(valid))
            path = folder / kind
            path.write_bytes(mutate(valid[kind].encode(), valid[chance.choice(sorted(valid))].encode(), chance))
            ours, theirs = multiprocessing.Pipe(duplex=False)
            reader = multiprocessing.get_context("fork").Process(target=read_everywhere, args=(path, folder, theirs))
            reader.start()
            theirs.close()
            reader.join(options.seconds)
            hung = reader.is_alive()
            if hung:
                reader.kill()
                reader.join()
            problems = ["hangs"] if hung else [] if reader.exitcode == 0 else [f"ends with {reader.exitcode}"]
            while ours.poll():
                try:
                    way, ended = ours.recv()
                except EOFError:
                    break
                if way == "memory":
                    most_memory = max(most_memory, ended)
                    continue
                tally[f"{way}: {ended if ended in ('read', 'refused') else 'FAILED'}"] += 1
                problems += [] if ended in ("read", "refused") else [f"{way}: {ended}"]
            if problems:
                failures += 1
                options.output.mkdir(parents=True, exist_ok=True)
                (options.output / f"{number}-{kind}").write_bytes(path.read_bytes())
                print(f"{number} {kind}: " + "\n".join(problems))
            path.unlink()
    for what, count in sorted(tally.items()):
        print(f"{what}: {count}")
    print(f"{options.files} files, {failures} with a traceback or a hang; {most_memory} MB of memory at most")
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()

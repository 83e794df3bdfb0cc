"""Offset of what is read against the original, for each container and codec as real encoders write them; the table of docs/audio.md.

    python benchmarks/sound_formats.py                       print the table
    python benchmarks/sound_formats.py --write docs/audio.md  replace it there

Needs ffmpeg, sox, lame, opusenc, oggenc, flac and mkvmerge; rows of a missing program say so.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr.console import one_line_errors
from asr.errors import AudioError
from asr.files import atomic_file
from asr.speech.audio import load_audio, stream_audio
from asr.speech.missing import Missing

RATE = 16_000
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CLIPS = ("river", "walk", "window")
MARKS = ("<!-- the table of benchmarks/sound_formats.py -->", "<!-- end of the table -->")
FF = "ffmpeg -nostdin -v error -y -i"


class Case(NamedTuple):
    """A row: `command` writes `file` from a.wav (16 kHz) or a8.wav, a44.wav, a48.wav (8, 44.1 and 48 kHz), all mono."""

    container: str
    codec: str
    file: str
    command: str


CASES = [
    Case("WAV", "PCM 16 bit", "p.wav", "sox a.wav p.wav"),
    Case("WAV", "PCM float", "f.wav", f"{FF} a.wav -c:a pcm_f32le f.wav"),
    Case("WAV", "GSM 6.10", "gsm.wav", "sox a8.wav -e gsm gsm.wav"),
    Case("WAV", "G.722", "g722.wav", f"{FF} a.wav -c:a g722 g722.wav"),
    Case("WAV", "IMA ADPCM", "ima.wav", f"{FF} a.wav -c:a adpcm_ima_wav ima.wav"),
    Case("WAV", "Yamaha ADPCM", "yamaha.wav", f"{FF} a.wav -c:a adpcm_yamaha yamaha.wav"),
    Case("WAV", "MP3", "mp3.wav", f"{FF} a44.wav -c:a libmp3lame mp3.wav"),
    Case("AIFF", "PCM 16 bit", "a.aiff", "sox a.wav a.aiff"),
    Case("AU", "µ-law", "a.au", "sox a8.wav -e mu-law a.au"),
    Case("W64", "PCM 16 bit", "a.w64", "sox a.wav a.w64"),
    Case("CAF", "ALAC", "alac.caf", f"{FF} a44.wav -c:a alac alac.caf"),
    Case("SPHERE", "PCM 16 bit", "a.sph", "sox a.wav a.sph"),
    Case("FLAC", "FLAC", "a.flac", "flac --silent -f -o a.flac a.wav"),
    Case("Ogg", "FLAC", "a.oga", "flac --silent -f --ogg -o a.oga a.wav"),
    Case("Ogg", "FLAC", "ff.oga", f"{FF} a.wav -c:a flac -f ogg ff.oga"),
    Case("Ogg", "Vorbis", "a.ogg", "oggenc -Q a44.wav -o a.ogg"),
    Case("Ogg", "Opus", "a.opus", "opusenc --quiet a48.wav a.opus"),
    Case("Ogg", "Opus", "ff.opus", f"{FF} a.wav -c:a libopus ff.opus"),
    Case("Ogg", "Speex", "a.spx", f"{FF} a.wav -c:a libspeex a.spx"),
    Case("MP3", "MP3", "lame.mp3", "lame --quiet -b 128 a44.wav lame.mp3"),
    Case("MP3", "MP3 (VBR)", "vbr.mp3", "lame --quiet -V 4 a44.wav vbr.mp3"),
    Case("MP3", "MP3", "ff.mp3", f"{FF} a44.wav -c:a libmp3lame ff.mp3"),
    Case("MP3", "MP3, without a LAME tag", "bare.mp3", "lame --quiet -t -b 128 a44.wav bare.mp3"),
    Case("MPEG", "MP2", "a.mp2", f"{FF} a48.wav -c:a mp2 a.mp2"),
    Case("MP4", "AAC", "a.m4a", f"{FF} a44.wav -c:a aac a.m4a"),
    Case("MP4", "AAC, fragmented", "frag.mp4", f"{FF} a44.wav -c:a aac -movflags frag_keyframe+empty_moov frag.mp4"),
    Case("MP4", "ALAC", "alac.m4a", f"{FF} a44.wav -c:a alac alac.m4a"),
    Case("MOV", "PCM 16 bit", "a.mov", f"{FF} a48.wav -c:a pcm_s16le a.mov"),
    Case("ADTS", "AAC", "a.aac", f"{FF} a44.wav -c:a aac a.aac"),
    Case("MPEG-TS", "AAC", "a.ts", f"{FF} a44.wav -c:a aac a.ts"),
    Case("AC-3", "AC-3", "a.ac3", f"{FF} a48.wav -c:a ac3 a.ac3"),
    Case("WebM", "Opus", "opus.webm", f"{FF} a48.wav -c:a libopus opus.webm"),
    Case("WebM", "Vorbis", "vorbis.webm", f"{FF} a8.wav -c:a libvorbis vorbis.webm"),
    Case("Matroska", "Opus", "mkvmerge.mka", "opusenc --quiet a8.wav m.opus && mkvmerge -q -o mkvmerge.mka m.opus"),
    Case("Matroska", "FLAC", "flac.mka", f"{FF} a.wav -c:a flac flac.mka"),
    Case("Matroska", "AAC", "aac.mka", f"{FF} a44.wav -c:a aac aac.mka"),
    Case("Matroska", "G.722", "g722.mka", f"{FF} a.wav -c:a g722 g722.mka"),
    Case("ASF", "WMA 2", "a.wma", f"{FF} a44.wav -c:a wmav2 a.wma"),
    Case("ASF", "WMA 1", "1.wma", f"{FF} a8.wav -c:a wmav1 1.wma"),
    Case("AVI", "MP3", "a.avi", f"{FF} a44.wav -c:a libmp3lame a.avi"),
    Case("FLV", "AAC", "a.flv", f"{FF} a44.wav -c:a aac a.flv"),
    Case("AMR", "AMR-NB with DTX", "a.amr", "sox a8.wav -t amr-nb a.amr"),
    Case("AMR", "AMR-WB with DTX", "a.awb", "sox a.wav -t amr-wb a.awb"),
    Case("WavPack", "WavPack", "a.wv", f"{FF} a44.wav -c:a wavpack a.wv"),
    Case("TTA", "TTA", "a.tta", f"{FF} a44.wav -c:a tta a.tta"),
]


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="Replace the table in this file.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = _table(Path(folder))
    if arguments.write is None:
        print(table)
        return
    before, _, rest = arguments.write.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    with atomic_file(arguments.write) as file:
        file.write(f"{before}{MARKS[0]}\n\n{table}\n\n{MARKS[1]}{after}".encode())


def _table(folder: Path) -> str:
    clips = [str(EXAMPLES / f"{name}.flac") for name in CLIPS]
    for name, rate in (("a.wav", 16_000), ("a8.wav", 8_000), ("a44.wav", 44_100), ("a48.wav", 48_000)):
        subprocess.run(["sox", *clips, "-r", str(rate), "-c", "1", name], cwd=folder, check=True)
    original = load_audio(folder / "a.wav")
    head = "| container | codec | encoder | read (s) | whole (ms) | part (ms) |\n|---|---|---|---:|---:|---:|"
    return "\n".join([head, *(_row(case, folder, original) for case in CASES)])


def _row(case: Case, folder: Path, original: np.ndarray) -> str:
    programs = [shlex.split(part)[0] for part in case.command.split("&&")]
    label = f"| {case.container} | {case.codec} | {', '.join(programs)} |"
    if absent := [program for program in programs if shutil.which(program) is None]:
        return f"{label} no {', '.join(absent)} | | |"
    made = subprocess.run(case.command, shell=True, cwd=folder, capture_output=True, text=True)
    if made.returncode:
        return f"{label} not written by this build of the encoder | | |"
    try:
        missing: list[Missing] = []
        whole = np.concatenate(list(stream_audio(folder / case.file, RATE, on_missing=missing.append)))
        part = load_audio(folder / case.file, RATE, 4.5, 4.0)
    except AudioError as e:
        return f"{label} {str(e).split(': ', 1)[1]} | | |"
    read = f"{len(whole) / RATE:.2f}" + "".join(f" ({one})" for one in missing)
    return f"{label} {read} | {_lag(whole, original, 0.5, 4.0):+.1f} | {_lag(part, original[round(4.5 * RATE) :], 0.5, 3.0):+.1f} |"


def _lag(samples: np.ndarray, original: np.ndarray, begin: float, length: float) -> float:
    """Milliseconds by which the original's seconds from `begin` on are late in `samples`."""
    piece = original[round(begin * RATE) : round((begin + length) * RATE)].astype(float)
    n = 1 << (len(samples) + len(piece)).bit_length()
    match = np.fft.irfft(np.fft.rfft(samples.astype(float), n) * np.conj(np.fft.rfft(piece, n)), n)
    place = int(np.argmax(match))
    return 1000 * ((place if place < n // 2 else place - n) / RATE - begin)


if __name__ == "__main__":
    main()

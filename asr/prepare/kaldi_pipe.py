"""What the second column of Kaldi's wav.scp names. Commands are read, never run.

    utt1 /corpus/utt1.flac                                  a file
    utt1 flac -c -d -s /corpus/utt1.flac |                  a file that a command decodes: the file is taken
    utt1 sph2pipe -f wav -p -c 2 /corpus/call.sph |         one channel of it: taken if the file has no other
    utt1 sox /corpus/utt1.wav -t wav - speed 0.9 |          other sound than the file's: refused
    utt1 /corpus/wav.ark:1042                               part of an archive: refused

A command counts as decoding when its program and every option of it stand in `DECODERS`, and it names one file.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

DECODERS: dict[str, dict[str, int]] = {
    "cat": {},
    "flac": {"-c": 0, "-d": 0, "-s": 0, "-cd": 0, "-dc": 0, "-cds": 0, "-dcs": 0, "--decode": 0, "--stdout": 0, "--silent": 0},
    "sph2pipe": {"-f": 1, "-p": 0, "-c": 1},
    "sox": {"-t": 1, "-r": 1, "-b": 1, "-e": 1, "-q": 0, "-G": 0, "-V1": 0},
    "ffmpeg": {"-i": 1, "-f": 1, "-ar": 1, "-acodec": 1, "-c:a": 1, "-v": 1, "-loglevel": 1, "-hide_banner": 0, "-nostdin": 0, "-vn": 0},
}
"""programs, and their options that leave the sound as it is (a sample rate or a coding may change), with how many words follow each"""

FLOWS = {"-", "pipe:0", "pipe:1"}  # standard input and output


@dataclass(frozen=True)
class Source:
    """The recording that an entry names."""

    name: str
    one_channel: bool = False
    """only one channel of it is meant"""


class Unusable(ValueError):
    """Why an entry names no recording that a manifest could name."""


def parse_entry(entry: str) -> Source:
    """Raises Unusable with the reason."""
    if re.search(r"\.ark:\d+(\[[^\[\]]*\])?$", entry):
        raise Unusable(f"{entry}: is part of a Kaldi archive, expected a recording: write the archive's recordings to files first")
    if not entry.endswith("|"):
        if entry.startswith("|"):
            raise Unusable(f"`{entry}`: is a command to write to, expected a recording")
        return Source(entry)
    command = entry[:-1].strip()
    refusal = Unusable(f"`{entry}`: commands are not run, and this one may change what is heard: write its output to a file and name that")
    try:
        words = shlex.shlex(command, posix=True, punctuation_chars="|&;<>()`$")
        words.whitespace_split, words.commenters = True, ""
        stages: list[list[str]] = [[]]
        for word in words:
            if word == "|":
                stages.append([])
            else:
                stages[-1].append(word)
    except ValueError:  # a quotation mark that does not close
        raise refusal from None
    names: list[str] = []
    one_channel = False
    for program, *arguments in (stage or [""] for stage in stages):
        options = DECODERS.get(PurePosixPath(program).name)
        if options is None:
            raise refusal
        words_left = iter(arguments)
        for word in words_left:
            if word in options:
                values = [next(words_left, "") for _ in range(options[word])]
                one_channel |= word == "-c" and bool(values)
                names += values if word == "-i" else []
            elif word.startswith("-") and word != "-":
                raise refusal
            else:
                names.append(word)
    files = [name for name in names if name not in FLOWS]
    if len(files) != 1:
        raise refusal
    return Source(files[0], one_channel)

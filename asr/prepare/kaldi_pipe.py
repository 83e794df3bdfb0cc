"""Parse the second column of Kaldi's wav.scp. Commands are never run.

    utt1 /corpus/utt1.flac                                  a file
    utt1 flac -c -d -s /corpus/utt1.flac |                  a file that a command decodes: the file is used
    utt1 sph2pipe -f wav -p -c 2 /corpus/call.sph |         one channel of a file: used if the file has no other
    utt1 sox /corpus/utt1.wav -t wav - speed 0.9 |          a command that changes the sound: refused
    utt1 /corpus/wav.ark:1042                               part of an archive: refused

A command counts as decoding if `DECODERS` has its program and all its options, and it names one file.
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
"""Programs, and those of their options that keep the sound (except its sample rate or coding), with the number of arguments of each."""

FLOWS = {"-", "pipe:0", "pipe:1"}  # standard input and output


@dataclass(frozen=True)
class ScpEntry:
    """The recording of an entry.

    Attributes:
        name: path of the recording.
        one_channel: whether the entry uses only one of its channels.
    """

    name: str
    one_channel: bool = False


class Unusable(ValueError):
    """The reason why a manifest cannot name the recording of an entry."""


def parse_entry(entry: str) -> ScpEntry:
    """Parse an entry.

    Args:
        entry: a path, or a command that ends in `|`.

    Returns:
        The recording.

    Raises:
        Unusable: the entry is part of an archive, or a command that may change the sound.
    """
    if re.search(r"\.ark:\d+(\[[^\[\]]*\])?$", entry):
        raise Unusable(f"{entry}: is part of a Kaldi archive, expected a recording: write the archive's recordings to files first")
    if not entry.endswith("|"):
        if entry.startswith("|"):
            raise Unusable(f"`{entry}`: is a command to write to, expected a recording")
        return ScpEntry(entry)
    command = entry[:-1].strip()
    refusal = Unusable(f"`{entry}`: commands are not run, and this one may change the sound: write its output to a file and name that")
    try:
        words = shlex.shlex(command, posix=True, punctuation_chars="|&;<>()`$")
        words.whitespace_split, words.commenters = True, ""
        stages: list[list[str]] = [[]]
        for word in words:
            if word == "|":
                stages.append([])
            else:
                stages[-1].append(word)
    except ValueError:  # an unclosed quotation mark
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
    return ScpEntry(files[0], one_channel)

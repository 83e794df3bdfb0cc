"""Labels with times: Audacity's label tracks, HTK's `.lab` and `.mlf`, TIMIT's `.TXT` and `.WRD`.

    0.416000<tab>4.321000<tab>hello world      Audacity: start and end (s) of a segment of one recording
    0 12300000 hello -62.5                     HTK: start and end (100 ns), a word, and perhaps its score
    0 46797 She had your dark suit             TIMIT: first and last sample; a sentence (.TXT) or a word (.WRD)
    #!MLF!#                                    HTK's master label file: the labels of many recordings
    "*/s1/a1.lab"
    0 12300000 hello
    .

Labels of phones are refused.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from asr.text.formats.record import DURATION, ID, OFFSET, TEXT, FormatProblem, Records, split_lines

MLF_HEAD = "#!MLF!#"
LABEL_ENDINGS = (".lab", ".wrd", ".phn", ".rec")
PHONE_ENDINGS = (".phn",)

_LABEL = re.compile(r"\s*(\d{1,18})\s+(\d{1,18})(?:\s+(\S.*)?)?")
_TRACK = re.compile(r"\s*(\d{1,9}(?:[.,]\d+)?)\t\s*(\d{1,9}(?:[.,]\d+)?)(?:\t(.*))?")
_SPECTRUM = re.compile(r"\\\t[\d.,eE+-]+\t[\d.,eE+-]+\s*")
_SCORE = re.compile(r"-?\d+\.\d+(?:[eE][+-]?\d+)?|-\d+")
_PHONES = frozenset(
    """aa ae ah ao aw ax axh axr ay b bcl ch d dcl dh dx eh el em en eng epi er ey f g gcl hh hv h# ih ix iy jh k kcl l m n ng nx ow oy p
    pau pcl q r s sh sil sp spn t tcl th uh uw ux v w y z zh""".split()  # noqa: SIM905
)
_SILENCE = frozenset(("sil", "sp", "pau", "h#", "<s>", "</s>", "!enter", "!exit", "sent-start", "sent-end", "!null"))
_SHORTEST = 100  # length of a label (samples, or units of 100 ns); numerals in texts are closer together
_FEWEST = 4  # labels from which on phones are recognised


def is_track(lines: Sequence[str]) -> bool:
    """Whether most lines are labels as Audacity writes them, whose times have a decimal sign."""
    found = [match for line in lines if (match := _TRACK.fullmatch(line))]
    points = any(not match[place].isdecimal() for match in found for place in (1, 2))
    return points and 2 * len(found) > sum(not _SPECTRUM.fullmatch(line) for line in lines)


def is_labels(lines: Sequence[str], ending: str) -> bool:
    """Whether most lines begin with the two times of a label. Without an ending of labels, all must, in order of time."""
    found = [match for line in lines if (match := _LABEL.fullmatch(line)) and int(match[1]) <= int(match[2])]
    if ending in LABEL_ENDINGS:
        return 2 * len(found) > len(lines)
    times = [(int(match[1]), int(match[2])) for match in found]
    in_order = all(before[1] <= after[0] for before, after in itertools.pairwise(times))
    return len(found) == len(lines) and times[0][0] == 0 and in_order and all(end - start >= _SHORTEST for start, end in times)


def read_track(content: str) -> Records:
    """Read the segments of an Audacity label track. Raises FormatProblem for a line that is no label."""
    for number, line in enumerate(split_lines(content), start=1):
        if not line.strip() or _SPECTRUM.fullmatch(line):
            continue
        found = _TRACK.fullmatch(line)
        if not found:
            raise FormatProblem(number, "not a label, expected `start<tab>end<tab>words` (s)")
        start, end = (float(time.replace(",", ".")) for time in found.groups()[:2])
        if end < start:
            raise FormatProblem(number, f"starts at {start:g} s and ends at {end:g} s, expected start <= end")
        yield number, {OFFSET: start, DURATION: round(end - start, 6), TEXT: (found[3] or "").strip()}


def read_labels(content: str) -> Records:
    """Read labels of HTK or TIMIT as one text. Raises FormatProblem for a line that is no label, and for phones."""
    lines = [(number, line) for number, line in enumerate(split_lines(content), start=1) if line.strip()]
    labels = [(number, _label(line, number, timed=True)) for number, line in lines]
    if labels:
        yield labels[0][0], {TEXT: _joined(labels)}


def read_mlf(content: str) -> Records:
    """Read a master label file as one text for each recording. Raises FormatProblem for a fault of syntax, and for phones."""
    labels: list[tuple[int, str]] = []
    name, began = "", 0
    for number, line in enumerate(split_lines(content), start=1):
        line = line.strip()
        if not line or (number == 1 and line == MLF_HEAD):
            continue
        if not name:
            if not (len(line) > 2 and line[0] == line[-1] == '"'):
                raise FormatProblem(number, 'not the name of a label file, expected `"*/NAME.lab"`')
            name, began, labels = line[1:-1].replace("\\", "/"), number, []
        elif line == ".":
            yield began, {ID: PurePosixPath(name).stem, TEXT: _joined(labels)}
            name = ""
        elif line == "///":
            raise FormatProblem(number, "///: alternatives are not supported: keep the first")
        elif line[0] == line[-1] == '"' and line.lower().endswith(('.lab"', '.rec"')):
            raise FormatProblem(number, f'another label file begins, and the "." after the labels of {name} is missing')
        else:
            labels.append((number, _label(line, number, timed=False)))
    if name:
        raise FormatProblem(began, f'the "." after the labels of {name} is missing')


def _label(line: str, number: int, timed: bool) -> str:
    """Return the words of a label, without times and scores."""
    found = _LABEL.fullmatch(line)
    if timed and not found:
        raise FormatProblem(number, "not a label, expected a start, an end and a word")
    words = ((found[3] or "") if found else line).split()
    while len(words) > 1 and _SCORE.fullmatch(words[-1]):
        words.pop()
    return " ".join(word.strip('"') for word in words if word.lower() not in _SILENCE)


def _joined(labels: Sequence[tuple[int, str]]) -> str:
    words = [(number, word) for number, text in labels for word in text.split()]
    phones = sum(re.sub(r"[\d-]", "", word.lower()) in _PHONES for _, word in words)
    if len(words) >= _FEWEST and phones >= math.ceil(0.8 * len(words)):
        raise FormatProblem(words[0][0], f'"{words[0][1]}": labels of phones, expected words')
    return " ".join(word for _, word in words)

"""Detection of the format of a file, by its content, the ending of its name, and the ids of the references.

Ids in front of the words are the hardest to tell from words, and taking one for the other gives a wrong error rate that nobody notices.
So a file is `kaldi` only where no transcript could begin its lines so, or where the first words are ids of the references. Where lines
may begin with either, `UnclearFormat` asks for the format.

One odd line must not turn a whole file into plain lines: the majority of the lines decides, and the reader reports the odd one. Plain
lines may not begin or end with an id of the references, nor all begin with a number or a speaker.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from asr.text.formats.columns import ROLES, WHISPER, cells_of, header_of, table_columns
from asr.text.formats.labels import MLF_HEAD, PHONE_ENDINGS, is_labels, is_track
from asr.text.formats.marks import COMMENT, share_ctm, share_stm
from asr.text.formats.named_lines import split_sphinx
from asr.text.formats.objects import START as JSON_START
from asr.text.formats.record import FormatProblem, is_recording, shorten, spellings, split_lines
from asr.text.formats.subtitles import has_cues
from asr.text.lines import split_trn

LOOKED_AT = 1_000_000  # characters at the beginning that decide the format

_MAY_BE_ID = re.compile(r"(?=.*\d)(?=.*[^\d.,])\S{2,}|\d{4,}")  # B52, COVID-19, 1984, and all of `_IS_ID`; not 5, 1,000 or the
_IS_ID = re.compile(
    r"""
      (?=.*\d)\S*_\S*                    # p225_001, sw02001-A_000098-001156
    | \d+-\d+-\d+                       # 84-121123-0000
    | (?=.*[^\W\d_]\d)\S+-\S+-\S+       # an251-fash-b; not 21-YEAR-OLD, 19TH-CENTURY-STYLE
    | (?=\w{8})(?=\w*\d[^\W\d_]+\d)\w+  # 440c0201; not H2O, B2B
    """,
    re.VERBOSE,
)
_NUMBERED_NAME = re.compile(r"([^\W\d_]{3,}-?)\d+")  # utt1, anna-2
_SIGN = re.compile(r"[^\w\s]{1,3}|-?\d+\.\d+")  # a dash or a score between an id and its words
_ARROW = re.compile(r"[\[(]?[\d:.,]*\ds?\s*[-=–—]+>\s*\d")  # [00:00.000 --> 00:04.000] as Whisper prints it
_CLOCK = re.compile(r"[\[(<]?(?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?(?!\d)")
_EDGE = "()[]{}<>|:;,\"'=*#"  # signs around an id
_NUMBERED = re.compile(r"(\D{0,12})(0|[1-9]\d{0,8})[.):\]]?\s+\S.*")
_SPEAKER = re.compile(r"[\[(<]?(?:unknown )?(?:speaker|spk)[ _-]?[a-z\d]{0,3}(?:[\])>:]|\s+\d+:\d\d).*", re.IGNORECASE)

REFUSED: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("a TextGrid of Praat's", re.compile(r'\s*File type = "ooTextFile"'), "save its tier of words as text, or convert it to SRT"),
    ("Advanced SubStation subtitles", re.compile(r"\s*\[Script Info\]"), "convert them to SRT: ffmpeg -i FILE.ass FILE.srt"),
    ("MicroDVD subtitles", re.compile(r"\{\d+\}\{\d+\}"), "convert them to SRT: ffmpeg -i FILE.sub FILE.srt"),
    (
        "XML",
        re.compile(r"\s*<(?:\?xml|tt[\s>]|system[\s>]|transcript[\s>]|!DOCTYPE|html[\s>])", re.IGNORECASE),
        "convert it to SRT or plain text",
    ),
    ("rich text", re.compile(r"\s*\{\\rtf"), "save it as plain text"),
    (
        "RTTM",
        re.compile(r"(?:\s*;.*\n)*\s*(?:SPEAKER|SPKR-INFO|LEXEME)\s+\S+\s+\S+\s+(?:[\d.]+|<NA>)\s+(?:[\d.]+|<NA>)\s"),
        "give CTM or STM",
    ),
    (
        "a report of sclite's",
        re.compile(r"\s*(?:SYSTEM SUMMARY|DUMP OF SYSTEM|,-{20,})|[^\n]*\n*id: \([^\n]*\)\nScores:"),
        "give its input",
    ),
)
"""known formats that are not read: name, pattern of the file's beginning, advice"""


class UnclearFormat(ValueError):
    """The lines could be of two formats; the message says why.

    Attributes:
        choices: names of the two formats.
    """

    def __init__(self, problem: str, choices: tuple[str, str]):
        super().__init__(problem)
        self.choices = choices


def detect(content: str, keys: Collection[str], known_ids: Collection[str] | None = None, ending: str = "") -> str:
    """Detect the format of a file.

    Args:
        content: the file's text, or its beginning.
        keys: names that a column of texts may have.
        known_ids: ids of the references when hypotheses are read, empty if the references have none; None for references.
        ending: ending of the file's name in lower case, such as `.stm`.

    Returns:
        A name of `FORMATS`.

    Raises:
        UnclearFormat: the lines may begin with ids or with words (B52, 1984), or the first line may be a header.
        FormatProblem: the format is not read, or a line lacks the id that the others have.

    Examples:
        >>> detect("HELLO WORLD (anna-a1)\\n", ["text"])
        'trn'
    """
    content = _beginning(content)
    if marked := _marked(content, ending):
        return marked
    placed = [(number, line) for number, line in enumerate(split_lines(content), start=1) if line.strip()]
    lines = [line for _, line in placed]
    if not lines:
        return "lines"
    return _timed(lines, ending) or _columns_or_ends(lines, keys, known_ids or (), ending) or _kaldi_or_lines(placed, known_ids)


def detect_times(content: str, ending: str) -> str | None:
    """Detect the format of a text that belongs to one recording.

    Args:
        content: the file's text.
        ending: ending of the file's name in lower case.

    Returns:
        A name of `FORMATS` if the text is JSON or has times; else None.

    Raises:
        FormatProblem: the format is not read.
    """
    content = _beginning(content)
    lines = [line for line in split_lines(content) if line.strip()]
    return _marked(content, ending) or (_timed(lines, ending) if lines else None)


def _beginning(content: str) -> str:
    """Return as many whole lines as decide the format, or a single line whole."""
    return content if len(content) <= LOOKED_AT else content[: content.rfind("\n", 0, LOOKED_AT) + 1] or content


def _marked(content: str, ending: str) -> str | None:
    """Detect a format by its first characters, by the times of subtitles, or by the ending of a format with a strict syntax."""
    for name, beginning, advice in REFUSED:
        if beginning.match(content):
            raise FormatProblem(1, f"{name}, which is not read: {advice}")
    if ending in PHONE_ENDINGS:
        raise FormatProblem(1, "labels of phones, expected words (TIMIT: .WRD or .TXT)")
    if JSON_START.match(content) or ending in (".json", ".jsonl"):
        return "json"
    if content.startswith("WEBVTT"):
        return "vtt"
    if content.startswith(MLF_HEAD):
        return "mlf"
    if has_cues(split_lines(content)):
        return "vtt" if ending == ".vtt" else "srt"
    return ending[1:] if ending in (".srt", ".vtt", ".mlf", ".stm", ".ctm") else None


def _timed(lines: Sequence[str], ending: str) -> str | None:
    """Detect a format of lines with times."""
    entries = [line for line in lines if not line.startswith(COMMENT)]
    stm, ctm = share_stm(entries), share_ctm(entries)
    if max(stm, ctm) > 0.5:
        return "ctm" if ctm >= stm else "stm"
    if is_track(lines):
        return "audacity"
    return "labels" if is_labels(lines, ending) else None


def _columns_or_ends(lines: Sequence[str], keys: Collection[str], known: Collection[str], ending: str) -> str | None:
    """Detect a format of lines with columns, or with ids at their ends; None for other lines."""
    if found := _trn_or_sphinx([line for line in lines if not line.startswith(COMMENT)], known, ending):
        return found
    if _is_tsv(lines, ending):
        _check_first_column(lines, "\t", keys)
        return "whisper" if cells_of(lines[0], "\t") == WHISPER else "tsv"
    if _has_bars(lines, keys, known):
        return "bars"
    if _is_csv(lines, keys, known, ending):
        return "csv"
    if lines[0].strip() in keys and len(lines) > 1:
        raise UnclearFormat(f'its first line may be a header ("{lines[0].strip()}")', ("csv", "lines"))
    return None


def _trn_or_sphinx(entries: Sequence[str], known: Collection[str], ending: str) -> str | None:
    """Detect lines that all end with an id, or that mostly end with one that cannot be a word such as (laughter)."""
    scored = sum(bool(split_sphinx(line)) for line in entries)
    if 2 * scored > len(entries):
        return "sphinx"
    ids = [found[1] for line in entries if (found := split_trn(line))]
    likely = sum(name in known or bool(_MAY_BE_ID.fullmatch(name)) for name in set(ids))
    is_trn = bool(entries) and (len(ids) == len(entries) or 2 * likely > len(entries))
    return "trn" if is_trn or ending == ".trn" else None


def _is_tsv(lines: Sequence[str], ending: str) -> bool:
    """Whether most lines have a tab. A recording without a text may have lost the tab at its end."""
    tabs = sum("\t" in line for line in lines)
    alone = sum("\t" not in line and len(line.split()) == 1 and is_recording(line.strip()) for line in lines)
    return (tabs > 0 and 2 * (tabs + alone) > len(lines)) or ending == ".tsv"


def _has_bars(lines: Sequence[str], keys: Collection[str], known: Collection[str]) -> bool:
    """Whether bars separate a header, or ids and texts."""
    if header_of(lines[0], "|", {*keys, *ROLES["id"], *ROLES["audio"]}):
        return True
    first = [cells[0].strip() for line in lines if len(cells := line.split("|", 1)) > 1]
    ids = [name for name in first if name and not re.search(r"\s", name)]
    if len(set(ids)) < len(ids) or 2 * len(ids) <= len(lines):
        return False
    likely = sum(_is_known(name, known) or is_recording(name) or bool(_MAY_BE_ID.fullmatch(name)) for name in ids)
    return len(ids) == len(lines) or 2 * likely > len(lines)


def _is_csv(lines: Sequence[str], keys: Collection[str], known: Collection[str], ending: str) -> bool:
    """Whether there is a header, or most lines have an id of the references or a recording before the first comma."""
    if header := table_columns(lines, keys, ending):
        named = sum(name in keys for name in header.names), sum(name in (*ROLES["id"], *ROLES["audio"]) for name in header.names)
        regular = 2 * sum(line.count(header.delimiter) + 1 == len(header.names) for line in lines) > len(lines)
        if all(named) or sum(named) > 1 or ending == ".csv" or (regular and (named[1] or len(header.names) > 2)):
            return True
        if regular:
            raise UnclearFormat(f'its first line may be a header ("{shorten(lines[0].strip())}")', ("csv", "lines"))
    for delimiter in ",;":
        first = [cells[0].strip(' "') for line in lines if len(cells := line.split(delimiter, 1)) > 1]
        if 2 * sum(_is_known(name, known) or is_recording(name) for name in first) > len(lines):
            return True
    return ending == ".csv"


def _is_known(name: str, known: Collection[str]) -> bool:
    """Whether a name is one of `known`, unchanged or as the name of a recording."""
    return bool(known) and any(spelling in known for spelling in spellings(name))


def _kaldi_or_lines(placed: Sequence[tuple[int, str]], known_ids: Collection[str] | None) -> str:
    """Tell lines that begin with an id from lines that do not. Lines are given with their numbers."""
    known = known_ids or ()
    numbers, lines = [number for number, _ in placed], [line for _, line in placed]
    first = [line.split(maxsplit=1)[0] for line in lines]
    unique = len(set(first)) == len(first)
    has_words = any(len(line.split()) > 1 for line in lines)
    may_be_ids = has_words and all(map(_MAY_BE_ID.fullmatch, first))
    are_known = sum(_is_known(word, known) for word in first)
    if are_known and (may_be_ids or 2 * are_known >= len(first)):
        if unique:
            _check_ids(numbers, first, known)
        if unique or may_be_ids:
            _check_second(placed)
            return "kaldi"
    _check_no_times(placed)
    sure = [bool(_IS_ID.fullmatch(word)) or is_recording(word) for word in first]
    if has_words and len(first) > 2 and not all(sure) and 2 * sum(sure) > len(first) and unique:
        odd = sure.index(False)
        if not _MAY_BE_ID.fullmatch(first[odd]):
            raise FormatProblem(numbers[odd], f'no id in front: other lines begin with one ("{first[sure.index(True)]}")')
    names = Counter(found[1] if (found := _NUMBERED_NAME.fullmatch(word)) else "" for word in first)
    if has_words and unique and (all(sure) or (may_be_ids and "" not in names and min(names.values()) > 1)):
        _check_second(placed)
        return "kaldi"
    _check_no_labels(placed)
    if may_be_ids and known_ids is None:
        raise UnclearFormat(f'its lines may begin with ids or with words ("{first[0]}")', ("kaldi", "lines"))
    _check_no_ids(placed, known)
    return "lines"


def _check_ids(numbers: Sequence[int], first: Sequence[str], known: Collection[str]) -> None:
    """Raise FormatProblem for a line whose first word cannot be an id, if all known ids have digits."""
    have_digits = all(re.search(r"\d", word) for word in first if _is_known(word, known))
    for number, word in zip(numbers, first, strict=True):
        if have_digits and not re.search(r"\d", word):
            raise FormatProblem(number, f'no id in front: other lines begin with one of the references\' ids, here is "{shorten(word)}"')


def _check_second(placed: Sequence[tuple[int, str]]) -> None:
    """Raise FormatProblem if a sign or a score stands between the id and the words of every line."""
    second = [words[1] for _, line in placed if len(words := line.split(maxsplit=2)) > 1]
    if len(second) > 1 and all(map(_SIGN.fullmatch, second)) and (len(set(second)) == 1 or any(map(str.isalnum, "".join(second)))):
        raise FormatProblem(placed[0][0], f'"{second[0]}" between the id and the words: remove it from every line')


def _check_first_column(lines: Sequence[str], delimiter: str, keys: Collection[str]) -> None:
    """Raise FormatProblem if the first column of a table without a header holds sentences."""
    if header_of(lines[0], delimiter, {*keys, *ROLES["id"], *ROLES["audio"]}):
        return
    first = [line.split(delimiter, 1)[0].strip() for line in lines if delimiter in line]
    sentences = [cell for cell in first if re.search(r"\s", cell) and not is_recording(cell)]
    if 2 * len(sentences) > len(first):
        raise FormatProblem(1, f'the first column holds no ids ("{shorten(sentences[0])}"): expected an id and a text, or a header')


def _check_no_times(placed: Sequence[tuple[int, str]]) -> None:
    """Raise FormatProblem if plain lines begin with times, which would be counted as words."""
    arrows = [number for number, line in placed if _ARROW.match(line.lstrip())]
    clocks = [number for number, line in placed if _CLOCK.match(line.lstrip())]
    if arrows or 4 * len(clocks) >= max(len(placed), 5):
        number = min([*arrows, *clocks])
        line = next(line for place, line in placed if place == number)
        raise FormatProblem(number, f'times in no known format ("{shorten(line.strip(), 30)}"): convert the file to SRT')


def _check_no_ids(placed: Sequence[tuple[int, str]], known: Collection[str]) -> None:
    """Raise FormatProblem if plain lines hold ids of the references, which would be counted as words."""
    found = [(number, name) for number, line in placed if (name := _id_in(line, known))]
    names = {name for _, name in found}
    sure = [name for name in names if _MAY_BE_ID.fullmatch(name)]
    if len(sure) > 1 or (sure and 2 * len(sure) >= len(placed)) or (len(names) == len(found) and 2 * len(names) > len(placed) > 1):
        number, name = found[0]
        raise FormatProblem(number, f'an id of the references ("{name}") beside the words, in no known format: expected `{name} THE WORDS`')


def _check_no_labels(placed: Sequence[tuple[int, str]]) -> None:
    """Raise FormatProblem if plain lines are numbered or name speakers, which would be counted as words."""
    spoken = [(number, line) for number, line in placed if _SPEAKER.fullmatch(line.strip())]
    if 3 * len(spoken) > len(placed):
        number, line = spoken[0]
        raise FormatProblem(number, f'a speaker beside the words ("{shorten(line.strip(), 30)}"): remove it from every line, or give STM')
    found = [match for _, line in placed if (match := _NUMBERED.fullmatch(line.strip()))]
    if len(found) < max(3, len(placed)):
        return
    first = int(found[0][2])
    if first < 2 and len({match[1] for match in found}) == 1 and all(int(match[2]) == first + i for i, match in enumerate(found)):
        number, line = placed[0]
        raise FormatProblem(number, f'its lines are numbered ("{shorten(line.strip(), 30)}"): remove the numbers')


def _id_in(line: str, known: Collection[str]) -> str | None:
    """Find an id of the references at an edge of a line, or one inside it that cannot be a word."""
    words = re.split(r"[\s|,;:()\[\]=]+", line.strip().strip(_EDGE)) if known else ()
    inside = [word for word in words[1:-1] if _MAY_BE_ID.fullmatch(word.strip(_EDGE))]
    for word in (words[0], words[-1], *inside) if words else ():
        name = next((one for one in spellings(word.strip(_EDGE)) if one in known), None)
        if name:
            return name
    return None

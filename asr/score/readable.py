"""Measures of readable text: F1 of punctuation marks, case accuracy, and word error rates of several forms of the text.

The words of both texts, in lower case and without marks, are aligned as for the word error rate. A mark belongs to the word before it.

Marks. Words that are correct or substituted divide both texts into slots: a slot starts behind such a word and ends at the next one. So a
mark behind a deleted or inserted word counts in the slot of the nearest aligned word before it. Within a slot, equal marks of reference and
hypothesis are hits; of the rest, pairs are substitutions, and what remains is deleted or inserted. Every mark of both texts is counted once.
F1 of a mark is 2 hits / (marks of the reference + marks of the hypothesis). The slot error rate (Makhoul et al., DARPA Broadcast News
Workshop 1999; for punctuation Christensen et al., ISCA Workshop on Prosody 2001) is (substitutions + deletions + insertions) / marks of the
reference.

Case. Of the correct words that have upper and lower case, the share whose case is the reference's: lower, capital or upper (`asr.text.labels`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import UsageError
from asr.score.alignment import Alignment, align, count
from asr.score.bootstrap import Bootstrap, Interval
from asr.score.labels import are_names
from asr.score.wer import ErrorCounts
from asr.text.labels import APOSTROPHES, DASHES, LabelledWord, Mark, labelled_words
from asr.text.normalizer import load_normalizer
from asr.text.unicode_form import unicode_form

MARKS = (Mark.FULL_STOP, Mark.COMMA, Mark.QUESTION, Mark.EXCLAMATION, Mark.COLON, Mark.DASH)
WRITTEN, WORDS, NUMBERS = "written", "words", "whisper-en"
"""forms of the text with a word error rate of their own"""

_FULL_WIDTH = str.maketrans({"。": ". ", "．": ". ", "，": ", ", "、": ", ", "：": ": ", "；": "; ", "？": "? ", "！": "! "})
_DOUBLE_QUOTES = re.compile("[“”„‟«»]")
_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ABBREVIATION = re.compile(r"\b(Mr|Mrs|Ms|Messrs|Dr|Prof|Rev|Hon|Gen|Col|Capt|Lt|Sgt|St)\.(?=\s+[^\W\d_])|\b(No)\.(?=\s*\d)|\b(vs)\.")
_INITIAL = re.compile(r"\b([A-HJ-Z])\.(?=\s+[A-Z])")
_INITIALISM = re.compile(r"(?<![^\W_])(?<![A-Za-z]\.)((?:[A-Za-z]\.)+[A-Za-z])\.(?![^\W_])(?=(\W*)(\w?))")


@dataclass(frozen=True)
class MarkCounts:
    """Counts of one punctuation mark, or of all."""

    reference: int
    hypothesis: int
    hits: int
    interval: Interval | None = None
    """confidence interval of F1"""

    @property
    def precision(self) -> float | None:
        """Hits divided by the marks of the hypothesis; None without marks."""
        return self.hits / self.hypothesis if self.hypothesis else None

    @property
    def recall(self) -> float | None:
        """Hits divided by the marks of the reference; None without marks."""
        return self.hits / self.reference if self.reference else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if neither text has the mark."""
        total = self.reference + self.hypothesis
        return 2 * self.hits / total if total else None


@dataclass(frozen=True)
class Accuracy:
    """Share of words with the right case."""

    words: int
    right: int
    interval: Interval | None = None

    @property
    def accuracy(self) -> float | None:
        """A fraction; None without words."""
        return self.right / self.words if self.words else None


@dataclass(frozen=True)
class FormErrors:
    """Word errors in one form of the text."""

    words: ErrorCounts
    interval: Interval | None = None
    """confidence interval of the WER"""


@dataclass(frozen=True, eq=False)
class ReadableResult:
    """Measures of the readable text of one system."""

    marks: dict[Mark, MarkCounts]
    """of each mark in `MARKS`"""
    all_marks: MarkCounts
    mark_errors: ErrorCounts
    """of all marks; its rate is the slot error rate"""
    case: Accuracy
    names: Accuracy
    """of words with a capital that neither start a sentence nor are `I`"""
    forms: dict[str, FormErrors]
    """WRITTEN: words with capitals and marks; WORDS: lower case without marks; NUMBERS: by the normaliser whisper-en, if it is installed"""
    utterances: npt.NDArray[np.int64]
    """(n, 2) errors of marks and of case of every utterance"""


def words_of(text: str) -> list[LabelledWord]:
    """Split a text into words with labels. Full stops of English abbreviations and thousands separators are no marks.

    Examples:
        >>> [f"{word.text}{word.mark.text}" for word in words_of("Mr. J. Hill, of the U.S. Navy, paid $1,200 at 7 p.m.")]
        ['mr', 'j', 'hill,', 'of', 'the', 'us', 'navy,', 'paid', '1200', 'at', '7', 'pm.']
    """
    text = _SEPARATOR.sub("", unicode_form("NFC", text).translate(_FULL_WIDTH))
    text = _INITIALISM.sub(_without_stops, text)
    text = _INITIAL.sub(r"\1", _ABBREVIATION.sub(lambda found: found[0][:-1], text))
    return list(labelled_words(text))


def _without_stops(found: re.Match[str]) -> str:
    """An initialism without full stops: `U.S.` is US. The last one is kept at the end of the text, and behind lower case before a capital."""
    letters = found[1].replace(".", "")
    ends = not found[3] or (letters.islower() and found[3].isupper())
    return f"{letters}." if ends else letters


def as_written(text: str) -> str:
    """The text with one form of quotation marks, apostrophes and dashes, so that typography alone is no error. A dash is a word.

    Examples:
        >>> as_written("“It’s late”, he said—and left…")
        '"It\\'s late", he said – and left...'
    """
    text = APOSTROPHES.sub("'", _DOUBLE_QUOTES.sub('"', unicode_form("NFC", text))).replace("…", "...")
    return " ".join(DASHES.sub(" – ", text).split())


def measure_readable(
    references: Sequence[str], systems: Sequence[Sequence[str | None]], alignment: Alignment, bootstrap: Bootstrap
) -> list[ReadableResult]:
    """Measure the readable text of each system.

    Args:
        references: Texts with capitals and punctuation marks.
        systems: The hypotheses of each system, in the same order; None for a missing one.
        alignment: Kind of alignment.
        bootstrap: For the intervals.
    """
    labels = np.zeros((len(systems), len(references), len(_COLUMNS)), dtype=np.int64)
    errors = {form: np.zeros((len(systems), len(references), 4), dtype=np.int64) for form in (WRITTEN, WORDS)}
    for i, reference in enumerate(references):
        expected, written = words_of(reference), as_written(reference).split()
        for system, texts in enumerate(systems):
            text = texts[i] or ""
            found = words_of(text)
            labels[system, i], errors[WORDS][system, i] = _count(expected, found, alignment)
            errors[WRITTEN][system, i] = count(align(written, as_written(text).split(), alignment)).counts
    numbers = _errors_by_whisper(references, systems, alignment)
    if numbers is not None:
        errors[NUMBERS] = numbers
    return [_sum_up(labels[system], {form: counts[system] for form, counts in errors.items()}, bootstrap) for system in range(len(systems))]


# ---------------------------------------------------------------- counts of an utterance

_COLUMNS = (
    *((mark, side) for mark in MARKS for side in ("reference", "hypothesis", "hits")),
    *(("marks", kind) for kind in ("substitutions", "deletions", "insertions")),
    *((kind, of) for kind in ("case", "names") for of in ("words", "right")),
)
_INDEX = {column: i for i, column in enumerate(_COLUMNS)}


def _count(expected: list[LabelledWord], found: list[LabelledWord], alignment: Alignment) -> tuple[list[int], tuple[int, int, int, int]]:
    """Count the labels of an utterance by `_COLUMNS`, and hits, substitutions, deletions and insertions of its words."""
    rows = align([word.text for word in expected], [word.text for word in found], alignment)
    counts = [0] * len(_COLUMNS)
    names = list(are_names(expected))
    ours: defaultdict[int, Counter[Mark]] = defaultdict(Counter)  # marks by slot
    theirs: defaultdict[int, Counter[Mark]] = defaultdict(Counter)
    slot = a = b = 0
    for kind, word, _ in rows:
        slot += kind in "=s"
        if kind == "=" and word.lower() != word.upper():
            right = expected[a].case is found[b].case
            for of, counted in (("case", True), ("names", names[a])):
                counts[_INDEX[of, "words"]] += counted
                counts[_INDEX[of, "right"]] += counted and right
        if kind != "i":
            if expected[a].mark:
                ours[slot][expected[a].mark] += 1
            a += 1
        if kind != "d":
            if found[b].mark:
                theirs[slot][found[b].mark] += 1
            b += 1
    for slot in ours.keys() | theirs.keys():
        _count_marks(counts, ours[slot], theirs[slot])
    return counts, count(rows).counts


def _count_marks(counts: list[int], reference: Counter[Mark], hypothesis: Counter[Mark]) -> None:
    """Add the marks of a slot to the counts."""
    hits = reference & hypothesis
    for side, marks in (("reference", reference), ("hypothesis", hypothesis), ("hits", hits)):
        for mark, number in marks.items():
            counts[_INDEX[mark, side]] += number
    missed, added = (side.total() - hits.total() for side in (reference, hypothesis))
    substituted = min(missed, added)
    counts[_INDEX["marks", "substitutions"]] += substituted
    counts[_INDEX["marks", "deletions"]] += missed - substituted
    counts[_INDEX["marks", "insertions"]] += added - substituted


def _errors_by_whisper(
    references: Sequence[str], systems: Sequence[Sequence[str | None]], alignment: Alignment
) -> npt.NDArray[np.int64] | None:
    """Count word errors after Whisper's normaliser, (systems, n, 4); None if it is not installed, or fails on a text."""
    try:
        change: Callable[[str], str] = load_normalizer(NUMBERS)
        expected = [change(as_written(text)).split() for text in references]
        counts = [
            [
                count(align(words, change(as_written(text or "")).split(), alignment)).counts
                for words, text in zip(expected, texts, strict=True)
            ]
            for texts in systems
        ]
    except UsageError:
        return None
    return np.array(counts, dtype=np.int64).reshape(len(systems), len(references), 4)


# ---------------------------------------------------------------- sums


def _sum_up(labels: npt.NDArray[np.int64], errors: dict[str, npt.NDArray[np.int64]], bootstrap: Bootstrap) -> ReadableResult:
    def of(*column: object) -> npt.NDArray[np.int64]:
        return labels[:, _INDEX[column]]  # type: ignore[index]

    def mark_counts(marks: Sequence[Mark]) -> MarkCounts:
        reference, hypothesis, hits = (np.sum([of(mark, side) for mark in marks], axis=0) for side in ("reference", "hypothesis", "hits"))
        return MarkCounts(
            int(reference.sum()), int(hypothesis.sum()), int(hits.sum()), bootstrap.interval(2 * hits, reference + hypothesis)
        )

    def accuracy(kind: str) -> Accuracy:
        words, right = of(kind, "words"), of(kind, "right")
        return Accuracy(int(words.sum()), int(right.sum()), bootstrap.interval(right, words))

    def form_errors(counts: npt.NDArray[np.int64]) -> FormErrors:
        total = ErrorCounts(*(int(number) for number in counts.sum(axis=0)))
        return FormErrors(total, bootstrap.interval(counts[:, 1:].sum(axis=1), counts[:, :3].sum(axis=1)))

    all_marks = mark_counts(MARKS)
    wrong = [of("marks", kind) for kind in ("substitutions", "deletions", "insertions")]
    return ReadableResult(
        marks={mark: mark_counts([mark]) for mark in MARKS},
        all_marks=all_marks,
        mark_errors=ErrorCounts(all_marks.hits, *(int(number.sum()) for number in wrong)),
        case=accuracy("case"),
        names=accuracy("names"),
        forms={form: form_errors(counts) for form, counts in errors.items()},
        utterances=np.stack([np.sum(wrong, axis=0), of("case", "words") - of("case", "right")], axis=1),
    )

"""Evaluation of one or more systems against references.

Examples:
    >>> from asr.score import evaluate
    >>> found = evaluate(["GO ON", "STOP NOW"], ["GO ON", "STOP"])
    >>> f"{found.systems[0].words.rate:.0%}"
    '25%'

Edge cases are those of jiwer 4: words recognised for an empty reference are insertions; an empty or missing hypothesis has all words
deleted; two empty texts are equal. A reference that normalisation empties is an empty reference. One rate differs: if no reference has a
word and something was inserted, jiwer returns the number of insertions, this module infinity (null in a report). Spaces count as
characters. Texts are compared in NFC, so that a letter with an accent is one character however it was encoded.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from asr.errors import UsageError
from asr.score.alignment import Alignment, align, count, count_characters
from asr.score.bootstrap import Bootstrap, Interval
from asr.score.comparison import Aligned, Comparison, compare_all
from asr.score.groups import UNKNOWN, Group, label, measure
from asr.score.lists import ErrorLists, ErrorTally, worst_utterances
from asr.score.matching import Matched, Missing, match, name_systems
from asr.score.readable import ReadableResult, measure_readable
from asr.score.texts import Texts
from asr.score.wer import ErrorCounts
from asr.text.normalizer import Normalizer, load_normalizer
from asr.text.unicode_form import unicode_form

TextsLike: TypeAlias = Texts | Mapping[str, str | None] | Sequence[str | None]
"""texts by id or in order; None for a missing hypothesis"""

EXAMPLES = 5  # of normalisation
FEWEST_SPEAKERS = 5  # for an interval over speakers


@dataclass(frozen=True)
class SystemResult:
    """Results of one system."""

    name: str
    file: str
    form: str
    missing: tuple[str, ...]
    """ids of references without a hypothesis"""
    extra: tuple[str, ...]
    """ids of hypotheses without a reference; they are not counted"""
    words: ErrorCounts
    characters: ErrorCounts
    utterances: int
    sentence_errors: int
    """utterances with at least one word error"""
    interval: Interval | None
    """confidence interval of the WER, over utterances; None for a single utterance"""
    interval_by_speaker: Interval | None
    """confidence interval of the WER, over speakers: wider, and the better estimate for other speakers; None if some speakers
    are unknown or there are fewer than five"""
    groups: dict[str, tuple[Group, ...]]
    lists: ErrorLists
    worst: tuple[str, ...]
    """ids of the utterances with the most word errors"""
    utterance_words: npt.NDArray[np.int64]
    """(n, 4) hits, substitutions, deletions, insertions of every utterance, in the order of `Evaluation.ids`"""
    key: str = ""
    """key of the texts in the file"""
    readable: ReadableResult | None = None
    """measures of punctuation and case, on request"""

    @property
    def sentence_error_rate(self) -> float:
        return self.sentence_errors / max(1, self.utterances)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of `evaluate`; `asr.report` renders it."""

    title: str
    created: datetime
    normalizer: Normalizer
    examples: tuple[tuple[str, str], ...]
    """up to five texts changed by normalisation: (before, after)"""
    alignment: Alignment
    missing: Missing
    """treatment of utterances without a hypothesis"""
    reference: Texts
    ids: list[str]
    details: list[dict[str, Any]]
    """other keys of every utterance"""
    labels: dict[str, list[str]]
    """group of every utterance, by grouping key"""
    references: list[str]
    """texts as they were read; `normalized_references` are those that are compared"""
    hypotheses: list[list[str | None]]
    normalized_references: list[str]
    normalized_hypotheses: list[Sequence[str]]
    systems: tuple[SystemResult, ...]
    comparisons: tuple[Comparison, ...]
    """one for each pair of systems"""
    note: str = ""
    """a sentence on the segments that were joined to match them by time, if any"""
    settings: str = ""
    """search settings that produced the hypotheses, if known"""

    @property
    def reference_words(self) -> int:
        return self.systems[0].words.reference_length

    @property
    def emptied(self) -> tuple[str, ...]:
        """Ids of references that normalisation emptied."""
        texts = zip(self.ids, self.references, self.normalized_references, strict=True)
        return tuple(name for name, before, after in texts if before.split() and not after)


def evaluate(
    references: TextsLike,
    *hypotheses: TextsLike,
    names: Sequence[str] = (),
    details: Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]] = (),
    by: Sequence[str] = (),
    normalizer: str | Normalizer = "none",
    alignment: Alignment = "levenshtein",
    missing: Missing = "delete",
    level: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
    title: str = "",
    settings: str = "",
    readable: bool = False,
) -> Evaluation:
    """Measure one or more systems against references.

    Args:
        references: A list of texts, a dictionary by id, or the result of `read_texts`.
        hypotheses: The same for each system; lists are in the order of the references.
        names: Names of the systems; by default those of their files.
        details: More about the utterances, in order or by id: `speaker`, `duration` (s), `audio_filepath`, and any key for `by`.
        by: Keys to group by, besides length and, if known, speaker and duration.
        normalizer: Applied to both sides: a name, a YAML file, or a `Normalizer`.
        alignment: "levenshtein" counts as jiwer, "sclite" as sclite.
        missing: Utterances without a hypothesis count as deleted ("delete") or are excluded for all systems ("skip").
        level: Confidence level of the intervals.
        samples: Number of bootstrap samples; 0 for no intervals.
        seed: Seed of the bootstrap.
        title: Heading of the report.
        settings: Search settings that produced the hypotheses, for the report's footnote.
        readable: Measure punctuation and case too, of the texts before normalisation.

    Returns:
        The evaluation.

    Raises:
        UsageError: The texts do not match, or `by` names an unknown key.

    Examples:
        >>> found = evaluate(["GO ON", "STOP NOW"], ["GO ON", "STOP"], ["GO IN", "STOP NOW"], names=["ours", "theirs"])
        >>> found.comparisons[0].verdict
        'no clear winner: ours and theirs have equally many errors'
    """
    if not hypotheses:
        raise UsageError("no hypotheses to evaluate")
    if not 0 < level < 1 or samples < 0:
        raise UsageError(f"level is {level:g} and samples {samples}: expected 0 < level < 1 and samples >= 0")
    for option, value, choice in (("alignment", alignment, get_args(Alignment)), ("missing", missing, get_args(Missing))):
        if value not in choice:
            raise UsageError(f"{option} is {value}, expected {' or '.join(choice)}")
    bootstrap = Bootstrap(level, samples, seed)
    change = normalizer if isinstance(normalizer, Normalizer) else load_normalizer(normalizer)
    reference = _as_texts(references, details)
    systems = [_as_texts(texts) for texts in hypotheses]
    if not len(reference):
        raise UsageError("no references to evaluate against")
    matched = match(reference, systems, missing)
    expected = _normalize(matched.references, change)
    labels = label(by, matched.details, [len(text.split()) for text in expected])
    vocabulary = Counter(word for text in expected for word in text.split())
    aligned: list[Aligned] = []
    results: list[SystemResult] = []
    for i, name in enumerate(_call(systems, names)):
        texts = _normalize(matched.hypotheses[i], change)
        tally = ErrorTally()
        counted = _count(expected, texts, tally, alignment)
        aligned.append(Aligned(name, texts, counted.words))
        results.append(_sum_up(name, systems[i], i, matched, counted, labels, tally.lists(vocabulary), bootstrap))
    if readable:
        of_systems = measure_readable(matched.references, matched.hypotheses, alignment, bootstrap)
        results = [replace(result, readable=one) for result, one in zip(results, of_systems, strict=True)]
    return Evaluation(
        title=title,
        created=datetime.now(timezone.utc),
        normalizer=change,
        examples=_examples(matched, expected, aligned, change),
        alignment=alignment,
        missing=missing,
        reference=reference,
        ids=matched.ids,
        details=matched.details,
        labels=labels,
        references=matched.references,
        hypotheses=matched.hypotheses,
        normalized_references=expected,
        normalized_hypotheses=[one.texts for one in aligned],
        systems=tuple(results),
        comparisons=compare_all(aligned, expected, alignment, bootstrap),
        note=matched.note,
        settings=settings,
    )


def check_words_left(references: Iterable[str | None], normalizer: Normalizer) -> None:
    """Raise UsageError if the normaliser empties every reference that has words: any hypothesis would be free of errors."""
    first = ""
    for text in references:
        if text and normalizer(text).split():
            return
        first = first or (text or "").strip()
    if first:
        raise UsageError(
            f'normalizer {normalizer.name}: leaves no word of any reference ("{first[:40]}"): such texts need another, or none'
        )


def _as_texts(given: TextsLike, details: Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]] = ()) -> Texts:
    if isinstance(given, Texts):
        return given
    if isinstance(given, str):
        raise TypeError("expected a list of texts, not one text")
    if isinstance(given, Mapping):
        return Texts(dict(given), details if isinstance(details, Mapping) else dict(zip(given, details, strict=True)) if details else {})
    ids = [str(i) for i in range(1, len(given) + 1)]
    more = details if isinstance(details, Mapping) else dict(zip(ids, details, strict=True)) if details else {}
    return Texts(dict(zip(ids, given, strict=True)), more, numbered=True)


def _call(systems: Sequence[Texts], names: Sequence[str]) -> list[str]:
    """The names given, else those of the texts, else those of their files."""
    brought = [system.name for system in systems]
    files = [system.file or f"system-{i}" for i, system in enumerate(systems, start=1)]
    return name_systems(files, names or (brought if all(brought) else ()))


def _normalize(texts: Sequence[str | None], normalizer: Normalizer) -> list[str]:
    """Normalise texts to NFC, then by the normaliser, then to single spaces. A missing text is an empty one."""
    return [" ".join(normalizer(unicode_form("NFC", text)).split()) if text else "" for text in texts]


@dataclass(frozen=True, eq=False)
class _Counted:
    """Hits, substitutions, deletions, insertions of every utterance, each (n, 4)."""

    words: npt.NDArray[np.int64]
    characters: npt.NDArray[np.int64]


def _count(references: Sequence[str], hypotheses: Sequence[str], tally: ErrorTally, alignment: Alignment) -> _Counted:
    words, characters = np.zeros((2, len(references), 4), dtype=np.int64)
    for i, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        if reference == hypothesis:
            words[i, 0], characters[i, 0] = len(reference.split()), len(reference)
            continue
        rows = align(reference.split(), hypothesis.split(), alignment)
        tally.add(rows)
        words[i] = count(rows).counts
        characters[i] = count_characters(reference, hypothesis).counts
    return _Counted(words, characters)


def _sum_up(
    name: str,
    system: Texts,
    number: int,
    matched: Matched,
    counted: _Counted,
    labels: Mapping[str, Sequence[str]],
    lists: ErrorLists,
    bootstrap: Bootstrap,
) -> SystemResult:
    errors, lengths = counted.words[:, 1:].sum(axis=1), counted.words[:, :3].sum(axis=1)
    return SystemResult(
        name=name,
        file=system.file,
        form=system.form,
        missing=matched.missing[number],
        extra=matched.extra[number],
        words=_total(counted.words),
        characters=_total(counted.characters),
        utterances=len(errors),
        sentence_errors=int((errors > 0).sum()),
        interval=bootstrap.interval(errors, lengths),
        interval_by_speaker=_by_speaker(labels.get("speaker"), errors, lengths, bootstrap),
        groups={key: measure(values, counted.words, bootstrap) for key, values in labels.items()},
        lists=lists,
        worst=tuple(matched.ids[i] for i in worst_utterances(errors, lengths)),
        utterance_words=counted.words,
        key=system.key,
    )


def _total(counts: npt.NDArray[np.int64]) -> ErrorCounts:
    return ErrorCounts(*(int(number) for number in counts.sum(axis=0)))


def _by_speaker(
    speakers: Sequence[str] | None, errors: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], bootstrap: Bootstrap
) -> Interval | None:
    if speakers is None or UNKNOWN in speakers or len(set(speakers)) < FEWEST_SPEAKERS:
        return None
    _, which = np.unique(np.array(speakers, dtype=object).astype(str), return_inverse=True)
    of_speaker = np.zeros((which.max() + 1, 2), dtype=np.int64)
    np.add.at(of_speaker, which, np.stack([errors, lengths], axis=1))
    return bootstrap.interval(of_speaker[:, 0], of_speaker[:, 1], unit="speakers")


def _examples(matched: Matched, references: Sequence[str], systems: Sequence[Aligned], change: Normalizer) -> tuple[tuple[str, str], ...]:
    """The first texts that normalisation changed, from references and systems in turn."""
    if change.name == "none":
        return ()
    befores: list[Sequence[str | None]] = [matched.references, *matched.hypotheses]
    afters = [references, *(system.texts for system in systems)]
    changed = [
        ((old, new) for old, new in zip(before, after, strict=True) if old and " ".join(old.split()) != new)
        for before, after in zip(befores, afters, strict=True)
    ]
    in_turn = (pair for pairs in itertools.zip_longest(*changed) for pair in pairs if pair)
    return tuple(itertools.islice(dict.fromkeys(in_turn), EXAMPLES))

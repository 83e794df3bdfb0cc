"""Everything that is measured on references and the hypotheses of one or more systems.

    >>> from asr.score import evaluate
    >>> found = evaluate(["GO ON", "STOP NOW"], ["GO ON", "STOP"])
    >>> f"{found.systems[0].words.rate:.0%}"
    '25%'

Edge cases, as in jiwer 4: an empty reference with words in the hypothesis counts them as insertions; an empty (or missing) hypothesis
has all words deleted; two empty texts are equal. A reference that normalisation leaves empty, as one of punctuation only, is an empty
reference. The one difference is the *rate* where no reference has a word: jiwer gives the number of insertions, here it is infinite (and
null in a report), since it is no rate. Characters are counted with their spaces. A letter with an accent is one character, whichever of
Unicode's two ways it was written in (NFC, NFD), so that texts which look the same are the same.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from asr.errors import UsageError
from asr.score.alignment import Alignment, align, count, count_characters
from asr.score.bootstrap import Bootstrap, Interval
from asr.score.comparison import Aligned, Comparison, compare_all
from asr.score.groups import NOT_TOLD, Group, label, measure
from asr.score.lists import ErrorLists, ErrorTally, worst_utterances
from asr.score.matching import Matched, Missing, match, name_systems
from asr.score.texts import Texts
from asr.score.wer import ErrorCounts
from asr.text.normalizer import Normalizer, load_normalizer
from asr.text.unicode_form import unicode_form

TextsLike: TypeAlias = Texts | Mapping[str, str | None] | Sequence[str | None]
"""texts by id, or in order; None for a hypothesis that is missing"""

EXAMPLES = 5  # of what normalisation changed
FEWEST_SPEAKERS = 5  # below this nothing can be said about speakers that were not there


@dataclass(frozen=True)
class SystemResult:
    """How good one system is."""

    name: str
    file: str
    form: str
    missing: tuple[str, ...]
    """ids of references that it has no hypothesis for"""
    extra: tuple[str, ...]
    """ids of its hypotheses that have no reference: they count for nothing"""
    words: ErrorCounts
    characters: ErrorCounts
    utterances: int
    sentence_errors: int
    """utterances with at least one word error"""
    interval: Interval | None
    """of the word error rate, drawn over utterances; None for a single one"""
    interval_by_speaker: Interval | None
    """the same drawn over speakers, which is wider and the better guide to other speakers; None where
    not all are known, or they are fewer than five"""
    groups: dict[str, tuple[Group, ...]]
    lists: ErrorLists
    worst: tuple[str, ...]
    """ids of the utterances with the most word errors"""
    utterance_words: npt.NDArray[np.int64]
    """(n, 4) hits, substitutions, deletions, insertions of every utterance, in the order of the ids"""

    @property
    def sentence_error_rate(self) -> float:
        return self.sentence_errors / max(1, self.utterances)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found. `write_report` writes it down; `error_table` shows it."""

    title: str
    created: datetime
    normalizer: Normalizer
    examples: tuple[tuple[str, str], ...]
    """up to five texts that normalisation changed: (before, after)"""
    alignment: Alignment
    missing: Missing
    """what became of utterances without a hypothesis"""
    reference: Texts
    ids: list[str]
    details: list[dict[str, Any]]
    """of every utterance: all other keys of its manifest"""
    labels: dict[str, list[str]]
    """for each key of groups the value of every utterance"""
    references: list[str]
    """as they were read"""
    hypotheses: list[list[str | None]]
    normalized_references: list[str]
    normalized_hypotheses: list[Sequence[str]]
    systems: tuple[SystemResult, ...]
    comparisons: tuple[Comparison, ...]
    """of every two systems"""
    note: str = ""
    """how segments were matched by time, if any were joined"""
    settings: str = ""
    """search settings that produced the hypotheses, if known"""

    @property
    def reference_words(self) -> int:
        return self.systems[0].words.reference_length

    @property
    def emptied(self) -> tuple[str, ...]:
        """Ids of references that had words, of which normalisation left none."""
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
) -> Evaluation:
    """Measure one or more systems against references.

    Texts are lists in the same order, dictionaries by id, or what `read_texts` gives.

    details: more about the utterances, in order or by id: `speaker`, `duration` (s), `audio_filepath`, and any key for `by`.
    by: keys to group by, beside speaker and duration where known, and length.
    normalizer: what is done to both sides first: a name, a YAML file, or a `Normalizer`.
    alignment: "levenshtein" counts as jiwer does, "sclite" as sclite does.
    missing: utterances without a hypothesis count as deleted ("delete"), or are left out for all systems ("skip").
    level, samples, seed: of the bootstrap; with 0 samples there are no intervals.

    Raises UsageError when the texts do not fit each other, or `by` names an unknown key.

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
    """Raises UsageError where references have words and the normaliser leaves none at all: any hypothesis would be free of errors."""
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
    """Names asked for, or those that the texts bring, or such as their files give."""
    brought = [system.name for system in systems]
    files = [system.file or f"system-{i}" for i, system in enumerate(systems, start=1)]
    return name_systems(files, names or (brought if all(brought) else ()))


def _normalize(texts: Sequence[str | None], normalizer: Normalizer) -> list[str]:
    """Normalised, with single spaces and accents as part of their letters (NFC): what looks the same counts as the same.

    A missing text is an empty one.
    """
    return [" ".join(normalizer(unicode_form("NFC", text)).split()) if text else "" for text in texts]


@dataclass(frozen=True, eq=False)
class _Counted:
    """Of every utterance (n, 4): hits, substitutions, deletions, insertions."""

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
    )


def _total(counts: npt.NDArray[np.int64]) -> ErrorCounts:
    return ErrorCounts(*(int(number) for number in counts.sum(axis=0)))


def _by_speaker(
    speakers: Sequence[str] | None, errors: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], bootstrap: Bootstrap
) -> Interval | None:
    if speakers is None or NOT_TOLD in speakers or len(set(speakers)) < FEWEST_SPEAKERS:
        return None
    _, which = np.unique(np.array(speakers, dtype=object).astype(str), return_inverse=True)
    of_speaker = np.zeros((which.max() + 1, 2), dtype=np.int64)
    np.add.at(of_speaker, which, np.stack([errors, lengths], axis=1))
    return bootstrap.interval(of_speaker[:, 0], of_speaker[:, 1], unit="speakers")


def _examples(matched: Matched, references: Sequence[str], systems: Sequence[Aligned], change: Normalizer) -> tuple[tuple[str, str], ...]:
    """The first texts that came out otherwise, from references and systems in turn."""
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

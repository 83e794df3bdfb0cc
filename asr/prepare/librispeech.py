"""LibriSpeech: 960 hours of novels, read aloud. A part of it, in any audio format, is enough.

Its subsets: train-clean-100, train-clean-360, train-other-500, dev-clean, dev-other, test-clean, test-other.

Writes a manifest for each, statistics.json, and the token model unigramN.model, which is learned from the transcripts of the training
subsets. Entries that are missing or damaged are left out and listed in problems.txt.

  asr prepare librispeech --data data/
  asr prepare librispeech --data data/ --subsets dev-clean --download
  asr prepare librispeech --data data/ --vocab-size 5000 --text lm.txt.gz
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from asr.errors import AudioError, UsageError
from asr.files import write_atomically
from asr.prepare.librispeech_download import UTTERANCES, check_names, corpus_folder, download_librispeech
from asr.prepare.prepared import Part, Prepared, Progress, Table, no_progress, write_parts, write_problems
from asr.prepare.tokens import check_texts, sample_text, train_token_model
from asr.speech.audio import ENDINGS, probe
from asr.speech.manifest import Utterance

OUTPUT = Path("data/librispeech")


def prepare_librispeech(
    data: Annotated[Path, typer.Option(help="The folder that holds `LibriSpeech`, or where to download it.", show_default=False)],
    output: Annotated[Path, typer.Option(help="Where to write manifests and tokens.")] = OUTPUT,
    subsets: Annotated[
        list[str] | None,
        typer.Option(help="Use only these subsets, separated by commas.", show_default="all that exist", metavar="NAME,…"),
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Download the subsets that do not exist.")] = False,
    vocab_size: Annotated[int | None, typer.Option(min=4, help="Number of pieces of the token model.")] = 256,
    text: Annotated[
        list[Path] | None,
        typer.Option(help="Learn pieces from this text (.txt, .txt.gz), too; repeat for more.", show_default=False),
    ] = None,
    progress: Progress = no_progress,
    announce: Callable[[str], None] = lambda message: None,
) -> Prepared:
    """Write SUBSET.json for each subset, statistics.json, and a token model (Panayotov et al. 2015; CC BY 4.0).

    `LibriSpeech/SUBSET/SPEAKER/CHAPTER/` contains `SPEAKER-CHAPTER.trans.txt`, with lines `ID TEXT`, and a recording `ID.flac` for each
    line. `LibriSpeech/SPEAKERS.TXT` has the gender of each speaker. Utterances have speaker, gender (if it is known) and subset.
    Recordings that are missing or have damaged headers, and lines without text, are left out. A subset in which nothing can be used gets
    no manifest.

    Args:
        data: the corpus or its parent.
        output: the folder to write to.
        subsets: names of subsets; each string may hold several, separated by commas. None: all that exist.
        download: whether to download subsets that do not exist.
        vocab_size: number of pieces of the token model; None for no token model.
        text: text files for the token model, beside the transcripts of the training subsets.
        progress: shows the progress.
        announce: called with a message before each download.

    Returns:
        The counts of the subsets, in the official order, and the problems.

    Raises:
        UsageError: `data` holds no LibriSpeech, a subset is unknown or does not exist, or a text file cannot be read.
        AsrError: a download fails.
        ConfigError: the text is too short for the token model.
    """
    names = [name.strip() for several in subsets or [] for name in several.split(",") if name.strip()]
    check_names(names)
    check_texts(text or [])
    if download:
        if not names:
            raise UsageError("--download: say which subsets: --subsets train-clean-100,dev-clean")
        for name, gigabytes in download_librispeech(data, names):
            announce(f"{name}: " + (f"fetching {gigabytes:g} GB, then unpacking …" if gigabytes else "unpacking …"))
    corpus, names = _find_subsets(data, names)
    genders = read_genders(corpus / "SPEAKERS.TXT")
    utterances: dict[str, list[Utterance]] = {}
    problems: dict[str, list[str]] = {}
    for name in names:
        utterances[name], problems[name] = _read_subset(corpus / name, genders, progress)
    parts = write_parts(output, utterances)
    by_gender = {name: _count_genders(utterances[name]) for name in names}
    statistics = {
        part.name: {
            "utterances": part.utterances,
            "official_utterances": UTTERANCES[part.name],
            "hours": round(part.hours, 3),
            "speakers": len(part.speakers),
            "speakers_by_gender": by_gender[part.name],
            "words": part.words,
            "problems": len(problems[part.name]),
        }
        for part in parts
    }
    write_atomically(output / "statistics.json", json.dumps(statistics, indent=2) + "\n")
    all_problems = [problem for name in names for problem in problems[name]]
    problems_file = write_problems(output, all_problems)
    training = [part for part in parts if _is_for_training(part) and part.utterances]
    lines = [_describe(part) for part in parts]
    if training and vocab_size is not None:
        texts = [u.text or "" for part in training for u in utterances[part.name]] + sample_text(text or [], progress)
        path = output / f"unigram{vocab_size}.model"
        with progress(f"learning {vocab_size} pieces from {len(texts):,} lines", 1):
            tokenizer = train_token_model(path, texts, vocab_size)
        lines.append(f"{path}: {len(tokenizer)} pieces")
    notes = []
    if training and not (output / "dev-clean.json").is_file():
        notes.append("the recipes choose the best checkpoint on dev-clean, which is not here yet")
    return Prepared(
        parts,
        notes,
        all_problems,
        len(all_problems),
        problems_file,
        _table(parts, by_gender),
        lines,
        _next_command(parts, output, vocab_size),
    )


def read_genders(path: Path) -> dict[str, str]:
    """Read the gender of each speaker, F or M, from SPEAKERS.TXT (`14 | F | train-clean-360 | 25.03 | Kristin LeMoine`), if it exists."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = ([cell.strip() for cell in line.split("|")] for line in lines if not line.startswith(";"))
    return {row[0]: row[1] for row in rows if len(row) > 2 and row[1] in ("F", "M")}


def _find_subsets(data: Path, names: Sequence[str]) -> tuple[Path, list[str]]:
    """Return the folder of the corpus, and those of the named subsets, or of all, that it contains."""
    corpus = corpus_folder(data)
    present = [name for name in UTTERANCES if (corpus / name).is_dir()]
    if not present:
        raise UsageError(
            f"{data}: holds no LibriSpeech: give the folder around its subsets ({', '.join(UTTERANCES)}), or download some: "
            f"asr prepare librispeech --data {data} --download --subsets train-clean-100,dev-clean"
        )
    absent = [name for name in names if name not in present]
    if absent:
        command = f"asr prepare librispeech --data {data} --download --subsets {','.join(absent)}"
        raise UsageError(f"{corpus}: {', '.join(absent)} not there, only {', '.join(present)}: download it: {command}")
    return corpus, [name for name in present if not names or name in names]


# ---------------------------------------------------------------- the summary


def _is_for_training(part: Part) -> bool:
    return part.name.startswith("train-")


def _count_genders(utterances: Sequence[Utterance]) -> dict[str, int]:
    """Count the speakers by gender: F, M, unknown."""
    speakers = {u.speaker: u.extra.get("gender", "unknown") for u in utterances}
    return dict(sorted(Counter(speakers.values()).items()))


def _table(parts: Sequence[Part], by_gender: Mapping[str, Mapping[str, int]]) -> Table:
    rows = []
    for part in parts:
        women, men = by_gender[part.name].get("F", 0), by_gender[part.name].get("M", 0)
        counts = (len(part.speakers), women, men, part.words)
        rows.append((part.name, f"{part.utterances:,}", f"{part.hours:.2f}", *(f"{count:,}" for count in counts)))
    return Table("LibriSpeech", ("subset", "utterances", "hours", "speakers", "women", "men", "words"), rows)


def _describe(part: Part) -> str:
    official = UTTERANCES[part.name]
    completeness = "the whole" if part.utterances == official else "a part"
    manifest = str(part.manifest) if part.utterances else f"{part.name}, no manifest"
    return f"{manifest}: {part.utterances:,} of {official:,} utterances: {completeness}"


def _next_command(parts: Sequence[Part], output: Path, vocab_size: int | None) -> str:
    """Return the command that uses the manifests, with the overrides of paths and sizes that differ from the recipe's."""
    manifests = [part for part in parts if part.utterances]
    training = [str(part.manifest) for part in manifests if _is_for_training(part)]
    if not training:
        return f"asr evaluate --manifest {manifests[0].manifest}" if manifests else ""
    recipe, pieces = ("960", 5000) if len(training) == 3 else ("100", 256)
    as_in_recipe = output == OUTPUT and (len(training) == 3 or training == [f"{output}/train-clean-100.json"])
    overrides = "" if as_in_recipe else f" data.train=[{','.join(training)}] data.dev=[{output}/dev-clean.json]"
    if vocab_size is not None and (not as_in_recipe or vocab_size != pieces):
        overrides += f" tokenizer.vocab_size={vocab_size} tokenizer.model={output}/unigram{vocab_size}.model"
    return f"asr train recipes/librispeech/{recipe}.yaml{overrides}"


# ---------------------------------------------------------------- a subset, chapter by chapter


def _read_subset(folder: Path, genders: Mapping[str, str], progress: Progress) -> tuple[list[Utterance], list[str]]:
    """Read the utterances of a subset, and the problems of all entries that cannot be used."""
    utterances: list[Utterance] = []
    problems: list[str] = []
    chapters = sorted((c for c in folder.glob("*/*") if c.is_dir()), key=_chapter_number)
    with ThreadPoolExecutor() as pool, progress(f"reading the chapters of {folder.name}", len(chapters)) as advance:
        try:
            for chapter_utterances, chapter_problems in pool.map(lambda chapter: _read_chapter(chapter, genders), chapters):
                utterances += chapter_utterances
                problems += chapter_problems
                advance(1)
        except BaseException:  # Ctrl-C does not wait for the remaining chapters
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if not utterances:
        problems.append(f"{folder}: nothing to use: expected SPEAKER/CHAPTER/ID.flac and SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt")
    return utterances, problems


def _chapter_number(chapter: Path) -> list[tuple[int, str]]:
    """Sort key of speakers and chapters by number: 19/198 before 103/1240."""
    return [(int(name) if name.isdecimal() else 0, name) for name in (chapter.parent.name, chapter.name)]


def _read_chapter(folder: Path, genders: Mapping[str, str]) -> tuple[list[Utterance], list[str]]:
    """Read the utterances of a chapter, and the problems of all entries that cannot be used."""
    recordings = _find_recordings(folder)
    transcripts = sorted(p for p in folder.glob("*.trans.txt") if not p.name.startswith("."))
    if not transcripts:
        return [], [f"{folder}: no transcripts ({folder.parent.name}-{folder.name}.trans.txt) for {len(recordings)} recordings"]
    extra = {"gender": genders[folder.parent.name]} if folder.parent.name in genders else {}
    extra["subset"] = folder.parent.parent.name
    utterances: list[Utterance] = []
    problems: list[str] = []
    ids: set[str] = set()
    for path in transcripts:
        try:
            lines = path.read_bytes().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as e:
            number = 1 + e.object.count(b"\n", 0, e.start)
            return [], [f"{path}:{number}: not UTF-8 text: the {len(recordings)} recordings beside it are left out"]
        for number, line in enumerate(lines, start=1):
            name, _, text = line.strip().partition(" ")
            if not name:
                continue
            problem = _line_problem(name, text, recordings, ids)
            ids.add(name)
            if problem:
                problems.append(f"{path}:{number}: {problem}")
                continue
            try:
                seconds = round(probe(recordings[name]).seconds, 3)
            except AudioError as e:
                problems.append(str(e))
                continue
            utterances.append(Utterance(name, recordings[name], text.strip(), seconds, speaker=folder.parent.name, extra=extra))
    problems += [f"{path}: no line in {transcripts[0].name}" for name, path in recordings.items() if name not in ids]
    return utterances, problems


def _find_recordings(folder: Path) -> dict[str, Path]:
    """Return the recordings of a folder by id. If a recording exists in several formats, the FLAC, the original, is used."""
    files = [p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith(".")]
    return {p.stem: p for p in sorted(files, key=lambda p: (p.suffix.lower() == ".flac", p.name))}


def _line_problem(name: str, text: str, recordings: Mapping[str, Path], ids: set[str]) -> str | None:
    """Return why a line of a transcript cannot be used, or None."""
    if name in ids:
        return f"{name} is repeated"
    if name not in recordings:
        return f"{name} has no recording beside it"
    return None if text.strip() else f"{name} has no text"

"""The subsets of LibriSpeech: their names, sizes and folders, and their download by torchaudio's dataset.

A subset takes its place in the corpus only when it is whole, and a download that is stopped at any time costs little.
"""

from __future__ import annotations

import gzip
import os
import platform
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

from asr.errors import AsrError, UsageError

UTTERANCES = {
    "train-clean-100": 28_539,
    "train-clean-360": 104_014,
    "train-other-500": 148_688,
    "dev-clean": 2_703,
    "dev-other": 2_864,
    "test-clean": 2_620,
    "test-other": 2_939,
}
"""The official subsets, and the number of utterances of each."""

ARCHIVE_GIGABYTES = {
    "train-clean-100": 6.4,
    "train-clean-360": 23.1,
    "train-other-500": 30.6,
    "dev-clean": 0.34,
    "dev-other": 0.31,
    "test-clean": 0.35,
    "test-other": 0.33,
}
"""Sizes of the archives. An unpacked subset has about the same size."""

DAMAGED = (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile)
UNREACHED = (OSError, RuntimeError, HTTPException)  # no network, a wrong checksum, a lost connection, a full disk


def check_names(subsets: Sequence[str]) -> None:
    """Check the names of subsets.

    Raises:
        UsageError: LibriSpeech has no subset of a name.
    """
    unknown = [name for name in subsets if name not in UTTERANCES]
    if unknown:
        raise UsageError(f"--subsets: LibriSpeech has no {', '.join(map(repr, unknown))}: choose from {', '.join(UTTERANCES)}")


def corpus_folder(data: Path) -> Path:
    """Return the folder of the subsets: `data` if it holds one or is named LibriSpeech, else `data/LibriSpeech`."""
    holds_one = any((data / name).is_dir() for name in UTTERANCES)
    return data if holds_one or data.resolve().name == "LibriSpeech" else data / "LibriSpeech"


def download_librispeech(data: Path, subsets: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Download and unpack subsets. Subsets that exist, whole or in part, are left alone.

    The work is done in the folder `.fetching` of the corpus. After a stop, complete archives are not downloaded again, and neither is an
    archive that exists in `data`.

    Args:
        data: the corpus or its parent.
        subsets: names of subsets.

    Yields:
        Name and archive size (GB; 0 if only unpacking is left) of each subset, before its download starts.

    Raises:
        UsageError: a subset is unknown.
        AsrError: a download fails, an archive is damaged, or the disk is too small.
    """
    check_names(subsets)
    corpus = corpus_folder(data)
    for name in subsets:
        folder = corpus / name
        if folder.is_dir() and any(folder.iterdir()):
            continue
        _check_python(name, data)
        work = corpus / ".fetching" / name
        archive = _clear(work, data)
        fetched = archive.is_file()
        _check_disk(corpus, name, fetched)
        yield name, 0.0 if fetched else ARCHIVE_GIGABYTES[name]
        _fetch(name, work, archive)
        for file in (work / "LibriSpeech").glob("*.TXT"):
            os.replace(file, corpus / file.name)
        os.replace(work / "LibriSpeech" / name, folder)
        shutil.rmtree(work)
        if not any(work.parent.iterdir()):
            work.parent.rmdir()


def _check_python(name: str, data: Path) -> None:
    """Refuse a Python whose tarfile has no extraction filters, which torchaudio unpacks with, before anything is downloaded."""
    if not hasattr(tarfile, "data_filter"):
        raise AsrError(
            f"{name}: Python {platform.python_version()} cannot unpack archives safely: use Python 3.10.12, 3.11.4, or newer, "
            f"or unpack {name}.tar.gz into {data} yourself"
        )


def _clear(work: Path, data: Path) -> Path:
    """Remove the remains of a stopped download, except a complete archive, and link an archive in `data`. Return the archive's path."""
    work.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / "LibriSpeech", ignore_errors=True)  # unpacked in part
    for partial in work.glob("*.partial"):  # torchaudio does not resume downloads
        partial.unlink()
    archive = work / f"{work.name}.tar.gz"
    if archive.is_symlink():
        archive.unlink()
    own = data / archive.name
    if own.is_file() and not archive.exists():
        archive.symlink_to(own.resolve())
    return archive


def _check_disk(corpus: Path, name: str, fetched: bool) -> None:
    needed = ARCHIVE_GIGABYTES[name] * (1 if fetched else 2)
    free = shutil.disk_usage(corpus).free / 1e9
    if free < needed:
        raise AsrError(f"{corpus}: {name} needs {needed:.1f} GB of disk while it is unpacked, and {free:.1f} GB are free: make room")


def _fetch(name: str, work: Path, archive: Path) -> None:
    from torchaudio.datasets import LIBRISPEECH

    try:
        LIBRISPEECH(work, url=name, download=True)
    except DAMAGED as e:
        damaged = archive.resolve()
        if not archive.is_symlink():  # the user deletes an own archive
            archive.unlink(missing_ok=True)
        raise AsrError(
            f"{damaged}: the archive is damaged ({_reason(e)}): "
            + ("delete it and " if damaged.exists() else "it was deleted; ")
            + "run the same command again"
        ) from None
    except UNREACHED as e:
        raise AsrError(f"{name}: could not be fetched ({_reason(e)}): the same command tries again") from None
    if not (work / "LibriSpeech" / name).is_dir():
        raise AsrError(f"{archive}: holds no LibriSpeech/{name}: delete it and run the same command again")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

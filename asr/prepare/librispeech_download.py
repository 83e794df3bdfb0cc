"""Fetching LibriSpeech, by torchaudio's dataset, so that a stop at any moment costs little and leaves nothing half done."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

from asr.errors import AsrError
from asr.prepare.librispeech import check_names, corpus_folder

ARCHIVE_GIGABYTES = {
    "train-clean-100": 6.4,
    "train-clean-360": 23.1,
    "train-other-500": 30.6,
    "dev-clean": 0.34,
    "dev-other": 0.31,
    "test-clean": 0.35,
    "test-other": 0.33,
}
"""sizes of the archives; unpacked they take as much again"""

DAMAGED = (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile)
UNREACHED = (OSError, RuntimeError, HTTPException)  # no network, another checksum, a connection that broke off, a full disk


def download_librispeech(data: Path, subsets: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Fetch and unpack subsets into the corpus in `data`; yields the name and gigabytes of each archive before it is fetched.

    A subset that is there, whole or in part, is left alone. The work is done in a folder beside, from which the subset takes its
    place when it is whole. After a stop, archives that have been fetched are not fetched again; nor is one that lies in `data`.

    Raises UsageError for an unknown subset, AsrError when one cannot be had or the disk cannot hold it.
    """
    check_names(subsets)
    corpus = corpus_folder(data)
    for name in subsets:
        place = corpus / name
        if place.is_dir() and any(place.iterdir()):
            continue
        beside = corpus / ".fetching" / name
        archive = _clear(beside, data)
        fetched = archive.is_file()
        _check_room(corpus, name, fetched)
        yield name, 0.0 if fetched else ARCHIVE_GIGABYTES[name]
        _fetch(name, beside, archive)
        for file in (beside / "LibriSpeech").glob("*.TXT"):
            os.replace(file, corpus / file.name)
        os.replace(beside / "LibriSpeech" / name, place)
        shutil.rmtree(beside)
        if not any(beside.parent.iterdir()):
            beside.parent.rmdir()


def _clear(beside: Path, data: Path) -> Path:
    """Where the archive is or will be. What a stop left in the folder goes, but for a whole archive; one in `data` is used there."""
    beside.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(beside / "LibriSpeech", ignore_errors=True)  # unpacked in part
    for partial in beside.glob("*.partial"):  # fetched in part: torchaudio does not go on with it
        partial.unlink()
    archive = beside / f"{beside.name}.tar.gz"
    if archive.is_symlink():
        archive.unlink()
    own = data / archive.name
    if own.is_file() and not archive.exists():
        archive.symlink_to(own.resolve())
    return archive


def _check_room(corpus: Path, name: str, fetched: bool) -> None:
    needed = ARCHIVE_GIGABYTES[name] * (1 if fetched else 2)
    free = shutil.disk_usage(corpus).free / 1e9
    if free < needed:
        raise AsrError(f"{corpus}: {name} needs {needed:.1f} GB of disk while it is unpacked, and {free:.1f} GB are free: make room")


def _fetch(name: str, beside: Path, archive: Path) -> None:
    from torchaudio.datasets import LIBRISPEECH

    try:
        LIBRISPEECH(beside, url=name, download=True)
    except DAMAGED as e:
        culprit = archive.resolve()
        if not archive.is_symlink():  # ours; another's archive is for them to delete
            archive.unlink(missing_ok=True)
        raise AsrError(
            f"{culprit}: the archive is damaged ({_plain(e)}): "
            + ("delete it and " if culprit.exists() else "it was deleted; ")
            + "run the same command again"
        ) from None
    except UNREACHED as e:
        raise AsrError(f"{name}: could not be fetched ({_plain(e)}): the same command tries again") from None
    if not (beside / "LibriSpeech" / name).is_dir():
        raise AsrError(f"{archive}: holds no LibriSpeech/{name}: delete it and run the same command again")


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

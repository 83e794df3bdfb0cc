"""Report in one line which dependency is missing or does not load, the reason, and the command that repairs the installation.

Compiled packages fail on import with various exceptions: `torchaudio` raises OSError beside a torch that it was not built for, and
RuntimeError beside one with another CUDA version. Their tracebacks have in common that they pass through the body of a module of another
package.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from asr.errors import DependencyError

TESTED_PAIR = ("torch==2.14.1", "torchaudio==2.11.0")  # as in pyproject.toml, which a run from source cannot read
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "multipart": "python-multipart",
    "google": "protobuf",
    "PIL": "pillow",
}  # distributions with other names than their modules


@contextmanager
def naming_dependencies() -> Iterator[None]:
    """Replace the exception of a failed import in the block by an error of one line. Other exceptions pass.

    Raises:
        DependencyError: the import of a dependency failed.
    """
    try:
        yield
    except Exception as e:
        if problem := import_problem(e):
            raise DependencyError(problem) from e
        raise


def import_problem(error: BaseException) -> str | None:
    """Explain an exception that was raised by the import of a dependency.

    Args:
        error: any exception, with its traceback.

    Returns:
        One line with the package, its version, the reason and a command; None if no import of a dependency failed.
    """
    package = _package(error)
    if package is None:
        return None
    if package.lstrip("_") in sys.stdlib_module_names:
        return f"this Python was built without its module {package}: install a complete Python"
    distribution = DISTRIBUTIONS.get(package, package.replace("_", "-"))
    found = _version(distribution)
    if found is None:
        return f"{distribution} is not installed: run {_command(distribution)}"
    found = f"{distribution} {found}"
    reason = _reason(error)
    if distribution == "torchaudio":
        return (
            f"{found} does not load beside torch {_version('torch')}, since the two were not built for each other ({reason}): "
            f"run {_command(distribution)}"
        )
    return f"{found} does not load ({reason}): run {_command(distribution)}"


def _package(error: BaseException) -> str | None:
    """Return the top-level package whose import failed, or None."""
    package: str | None = None
    if isinstance(error, ImportError) and error.name:
        package = error.name.partition(".")[0]
        return None if package == "asr" else package
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "<module>":  # the body of a module runs on import
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        trace = trace.tb_next
    return None if package in (None, "asr", "__main__") or _version(DISTRIBUTIONS.get(package, package)) is None else package


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _reason(error: BaseException) -> str:
    """Return the first line of the deepest cause, without folders of files."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"(?:/[^/\s:]+)+/(?=[^/\s:]+)", "", lines[0]).rstrip(".:")


def _command(distribution: str) -> str:
    """Return the command that installs a version that las-asr was tested with."""
    if distribution in ("torch", "torchaudio"):
        cpu = (_version("torch") or "").endswith("+cpu")  # PyTorch's CPU builds come from an index of their own
        return " ".join(["uv pip install --torch-backend=cpu" if cpu else "pip install", *TESTED_PAIR])
    requirement, extra = _requirement(distribution)
    if extra:
        return f"pip install 'las-asr[{extra}]'"
    again = "" if _version(distribution) is None else "--force-reinstall "
    return f"pip install {again}'{requirement}'"


def _requirement(distribution: str) -> tuple[str, str | None]:
    """Return the requirement of las-asr for a distribution, such as `av<20,>=17.1`, and the extra that it belongs to, if any."""
    try:
        requirements = importlib.metadata.requires("las-asr") or []
    except importlib.metadata.PackageNotFoundError:  # a run from source
        requirements = []
    for requirement in requirements:
        specifier, _, marker = requirement.partition(";")
        name = re.match(r"[A-Za-z0-9._-]+", specifier)
        if name and re.sub(r"[._]", "-", name[0]).lower() == distribution.lower():
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
            return specifier.strip(), extra[1] if extra else None
    return distribution, None

"""Errors that a person can act on: one line that names the file or key at fault and what to do.

The command line prints these without a traceback; a library user catches `AsrError`.
"""

from __future__ import annotations


class AsrError(Exception):
    """A failure whose message is written for the person who runs the tool. Exit code 1."""

    exit_code = 1


class UsageError(AsrError):
    """The request itself is wrong: a bad option, an unknown key, a file that is not there. Exit code 2."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or a `key=value` override that cannot be used."""


class AudioError(AsrError):
    """A recording that cannot be read or is of no use."""


class ManifestError(AsrError):
    """A manifest with lines that cannot be used.

    `problems` holds one `file:line: key: what is wrong` string a problem; the message shows them all.
    """

    def __init__(self, problems: list[str]):
        self.problems = problems
        super().__init__("\n".join(problems))


class DependencyError(AsrError, ImportError):
    """A package that is missing, or that does not load beside the others."""


class ModelError(AsrError):
    """A model folder or checkpoint that is missing, incomplete or damaged."""

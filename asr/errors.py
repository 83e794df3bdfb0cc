"""Exceptions with exit codes. A message is one line that names the file or key at fault, and the remedy.

The command line prints them without a traceback. Users of the library catch `AsrError`.
"""

from __future__ import annotations


class AsrError(Exception):
    """An expected failure, with a message for the user. Exit code 1."""

    exit_code = 1


class UsageError(AsrError):
    """Wrong usage: a bad option, an unknown key, a file that does not exist. Exit code 2."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or a `key=value` override that cannot be used."""


class AudioError(AsrError):
    """A recording that cannot be read or used."""


class ManifestError(AsrError):
    """A manifest with lines that cannot be used. The message has one line for each problem.

    Attributes:
        problems: one `file:line: key: problem` string for each problem.
    """

    def __init__(self, problems: list[str]):
        self.problems = problems
        super().__init__("\n".join(problems))


class DependencyError(AsrError, ImportError):
    """A package that is not installed, or does not load with the installed versions of others."""


class ModelError(AsrError):
    """A model folder or checkpoint that is missing, incomplete or damaged."""

"""User-defined normalisers: a YAML file of steps, applied in order.

    name: broadcast                # default: the file's name
    version: 2                     # default: 1
    description: broadcast news, without fillers
    steps:
      - unicode: NFKC                                  # or NFC, NFD, NFKD
      - straighten_apostrophes                         # replace ’ ‘ ʼ ` ´ by '
      - remove_accents                                 # café -> cafe
      - lower                                          # or upper
      - replace: {pattern: '\\[[^\\]]*\\]', by: ' '}      # a Python regular expression; `by` is optional
      - remove_punctuation: {keep: "'", by: ' '}       # punctuation and symbols; the defaults are shown
      - replace_words: {mister: mr, gonna: going to}   # whole words
      - remove_words: [uh, um, mhm]
      - collapse_spaces
      - librispeech                                    # the built-in normaliser as one step

A step without settings is its name alone. Words are separated by white space.

The steps are not jiwer's transforms: those find words at `\\b` (`it` also matches in `it's`), keep symbols, and read replacements as regular
expression templates.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from asr.errors import ConfigError, UsageError
from asr.text.normalize import APOSTROPHES, normalize_librispeech
from asr.text.unicode_form import unicode_form
from asr.yaml_text import NotYamlError, read_yaml

Change: TypeAlias = Callable[[str], str]


class _StepError(ValueError):
    """A step that cannot be used."""


@dataclass(frozen=True)
class Steps:
    """The steps of a file as a function from text to text."""

    name: str
    version: str
    description: str
    definition: str
    """the steps as JSON"""
    changes: tuple[Change, ...] = field(repr=False)

    def __call__(self, text: str) -> str:
        for change in self.changes:
            text = change(text)
        return text


def read_steps(path: Path) -> Steps:
    """Read a file of steps.

    Raises:
        UsageError: The file cannot be read.
        ConfigError: The file is invalid; the message names file and line.
    """
    root: Any
    try:
        content, root = read_yaml(path)
    except NotYamlError as e:
        raise ConfigError(f"{path}:{e.line}: {e}") from None
    except OSError as e:
        raise UsageError(f"{path}: cannot be read: {e.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    if not isinstance(content, dict) or not isinstance(content.get("steps"), list) or not content["steps"]:
        raise ConfigError(f"{path}:1: expected a key `steps` with a list of steps")
    unknown = sorted(map(str, content.keys() - {"name", "version", "description", "steps"}))
    if unknown:
        raise ConfigError(f"{path}:1: {unknown[0]} is not a key; expected name, version, description, steps")
    nodes = next(value for key, value in root.value if key.value == "steps").value
    changes = []
    for step, node in zip(content["steps"], nodes, strict=True):
        try:
            changes.append(_change(step))
        except _StepError as e:
            raise ConfigError(f"{path}:{node.start_mark.line + 1}: {e}") from None
    description = str(content.get("description") or f"{len(changes)} steps of {path.name}")
    definition = json.dumps(content["steps"], sort_keys=True, default=str)
    return Steps(str(content.get("name") or path.stem), str(content.get("version", 1)), description, definition, tuple(changes))


def _change(step: Any) -> Change:
    if isinstance(step, str):
        name, setting = step, None
    elif isinstance(step, dict) and len(step) == 1:
        name, setting = next(iter(step.items()))
    else:
        raise _StepError("a step is a name, or `name: setting`")
    if name in _PLAIN and setting is None:
        return _PLAIN[name]
    if name in _SET:
        return _SET[name](setting)
    if name in _PLAIN:
        raise _StepError(f"{name} takes no setting")
    raise _StepError(f"{name} is not a step; expected one of {', '.join(sorted([*_PLAIN, *_SET]))}")


# ---------------------------------------------------------------- steps without settings


def _collapse_spaces(text: str) -> str:
    return " ".join(text.split())


def _remove_accents(text: str) -> str:
    split = unicode_form("NFD", text)
    return unicode_form("NFC", "".join(c for c in split if unicodedata.category(c) != "Mn"))


def _straighten_apostrophes(text: str) -> str:
    return APOSTROPHES.sub("'", text)


_PLAIN: dict[str, Change] = {
    "collapse_spaces": _collapse_spaces,
    "librispeech": normalize_librispeech,
    "lower": str.lower,
    "remove_accents": _remove_accents,
    "straighten_apostrophes": _straighten_apostrophes,
    "upper": str.upper,
}

# ---------------------------------------------------------------- steps with settings


def _unicode(setting: Any) -> Change:
    if setting not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise _StepError(f"unicode is {setting!r}, expected NFC, NFD, NFKC or NFKD")
    return lambda text: unicode_form(setting, text)


def _remove_punctuation(setting: Any) -> Change:
    chosen = _settings("remove_punctuation", setting or {}, {"keep": "'", "by": " "})
    keep, by = chosen["keep"], chosen["by"]

    def change(text: str) -> str:
        return "".join(by if unicodedata.category(c)[0] in "PS" and c not in keep else c for c in text)

    return change


def _replace(setting: Any) -> Change:
    chosen = _settings("replace", setting, {"pattern": None, "by": ""})
    try:
        pattern = re.compile(chosen["pattern"])
        pattern.sub(chosen["by"], "")
        re.compile(chosen["pattern"] + "|").sub(chosen["by"], "")  # checks the groups of `by` even if the pattern does not match
    except (re.error, IndexError) as e:
        raise _StepError(f"replace: {e}") from None
    return lambda text: pattern.sub(chosen["by"], text)


def _replace_words(setting: Any) -> Change:
    if not isinstance(setting, dict) or not all(isinstance(part, str) for pair in setting.items() for part in pair):
        raise _StepError("replace_words: expected `{word: words}`, all of them strings (quote yes, no, on, off and numbers)")
    return lambda text: " ".join(setting.get(word, word) for word in text.split())


def _remove_words(setting: Any) -> Change:
    if not isinstance(setting, list) or not all(isinstance(word, str) for word in setting):
        raise _StepError("remove_words: expected a list of strings (quote yes, no, on, off and numbers)")
    unwanted = frozenset(setting)
    return lambda text: " ".join(word for word in text.split() if word not in unwanted)


def _settings(step: str, given: Any, defaults: dict[str, str | None]) -> dict[str, str]:
    """Settings of a step with its defaults; a default of None marks a required setting."""
    if not isinstance(given, dict) or given.keys() - defaults.keys():
        raise _StepError(f"{step}: expected {{{', '.join(defaults)}}}")
    chosen: dict[str, str] = {}
    for key, value in (defaults | given).items():
        if not isinstance(value, str):
            raise _StepError(f"{step}: {key} is {'missing' if value is None else repr(value) + ', expected a string'}")
        chosen[key] = value
    return chosen


_SET: dict[str, Callable[[Any], Change]] = {
    "remove_punctuation": _remove_punctuation,
    "remove_words": _remove_words,
    "replace": _replace,
    "replace_words": _replace_words,
    "unicode": _unicode,
}

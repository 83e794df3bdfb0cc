"""YAML for configs: text, numbers, lists and mappings of limited size, with errors of one line.

PyYAML's safe loader runs no code. But aliases can expand a few lines to gigabytes, the last of two equal keys silently wins, and deep nesting
and tags such as `!!bool maybe` end in tracebacks.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

MOST_CHARACTERS = 200_000  # in a file
MOST_VALUES = 100_000  # in a document with expanded aliases
DEEPEST = 50  # levels of nesting
LONGEST_NUMBER = 100  # characters

_TAGS = "tag:yaml.org,2002:"  # `!!` in a document
_TEXT, _NUMBERS = f"{_TAGS}str", (f"{_TAGS}int", f"{_TAGS}float")


class NotYamlError(ValueError):
    """Text that is not YAML, or exceeds the limits.

    Attributes:
        line: the line of the problem, 1 for the first.
    """

    def __init__(self, line: int, problem: str):
        super().__init__(f"not YAML: {problem}")
        self.line = line


def read_yaml(path: Path) -> tuple[Any, Node | None]:
    """Read a UTF-8 file.

    Returns:
        As `decode_yaml`.

    Raises:
        NotYamlError: the file is not YAML, or exceeds the limits.
        OSError: the file cannot be read.
        UnicodeDecodeError: the file is not UTF-8.
    """
    with open(path, encoding="utf-8-sig") as f:
        return decode_yaml(f.read(MOST_CHARACTERS + 1))


def decode_yaml(text: str) -> tuple[Any, Node | None]:
    """Decode a document.

    Returns:
        Its value, and its node, which has the line numbers. Both are None if the document is empty.

    Raises:
        NotYamlError: the text is not YAML, or exceeds the limits.
    """
    if len(text) > MOST_CHARACTERS:
        raise NotYamlError(1, f"more than {MOST_CHARACTERS:,} characters, which no config needs")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else loader.construct_document(node), node
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        raise NotYamlError(mark.line + 1 if mark else 1, e.problem or "cannot be read") from None
    except yaml.reader.ReaderError as e:
        raise NotYamlError(text.count("\n", 0, e.position) + 1, f"the character U+{int(e.character):04X} is not allowed") from None


class _Loader(yaml.SafeLoader):
    """The safe loader with limits on size, depth, numbers and tags. `1e-3` is a number, as in YAML 1.2 and JSON."""

    def __init__(self, text: str):
        super().__init__(text)
        self._depth = 0
        self._sizes: dict[int, int] = {}  # values in a node with expanded aliases, by the id of the node

    def compose_node(self, parent: Node | None, index: Any) -> Any:
        event: Any = self.peek_event()
        start, anchor = event.start_mark, event.anchor if isinstance(event, yaml.AliasEvent) else None
        if getattr(event, "tag", None) not in (None, _TEXT):
            raise ConstructorError(None, None, f"the tag {_short(event.tag.replace(_TAGS, '!!'))} is not allowed", start)
        self._depth += 1
        if self._depth > DEEPEST:
            raise ConstructorError(None, None, f"nested deeper than {DEEPEST} levels", start)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if id(node) not in self._sizes:
            if anchor is not None:
                raise ConstructorError(None, None, f"the alias *{_short(anchor)} is inside the node that it names", start)
            self._sizes[id(node)] = self._checked(node)
        if self._sizes[id(node)] > MOST_VALUES:
            raise ConstructorError(None, None, f"more than {MOST_VALUES:,} values with expanded aliases", start)
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError) as e:  # an impossible date or number
            raise ConstructorError(None, None, f"{_short(str(node.value))} cannot be read: {e}", node.start_mark) from None

    def _checked(self, node: Node) -> int:
        """Return the number of values in a node. Raises ConstructorError for a repeated key, a long number, a NUL or a surrogate."""
        if isinstance(node, ScalarNode):
            if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
                raise ConstructorError(None, None, f"a number of more than {LONGEST_NUMBER} characters", node.start_mark)
            if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in node.value):
                raise ConstructorError(None, None, "a NUL or a surrogate in a text", node.start_mark)
            return 1
        if not isinstance(node, MappingNode):
            return 1 + sum(self._sizes[id(child)] for child in node.value)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode):
                if (key.tag, key.value) in lines:
                    problem = f"the key {_short(key.value)} is already in line {lines[key.tag, key.value] + 1}"
                    raise ConstructorError(None, None, problem, key.start_mark)
                lines[key.tag, key.value] = key.start_mark.line
        return 1 + sum(self._sizes[id(child)] for pair in node.value for child in pair)


_EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*[eE][0-9]+|[eE][-+]?[0-9]+)$")  # PyYAML reads only 1.0e+3 as a number
_Loader.add_implicit_resolver(f"{_TAGS}float", _EXPONENT, list("-+0123456789"))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"

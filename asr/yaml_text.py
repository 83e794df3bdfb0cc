"""YAML as configs are written: text, numbers, lists and mappings of a person's size, with errors of one line.

PyYAML's safe loader runs no code, but it lets a few lines grow to gigabytes (aliases), takes the last of two equal keys without a word, and
fails with a traceback on deep nesting and on tags such as `!!bool maybe`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode

MOST_CHARACTERS = 200_000  # of a file
MOST_VALUES = 100_000  # of a document whose aliases are written out
DEEPEST = 50  # levels
LONGEST_NUMBER = 100  # characters

_TAGS = "tag:yaml.org,2002:"  # which !! stands for
_TEXT, _NUMBERS = f"{_TAGS}str", (f"{_TAGS}int", f"{_TAGS}float")


class NotYamlError(ValueError):
    """Text that cannot be used as YAML, and why, with the line (1 for the first)."""

    def __init__(self, line: int, problem: str):
        super().__init__(f"not YAML: {problem}")
        self.line = line


def read_yaml(path: Path) -> tuple[Any, Node | None]:
    """`decode_yaml` of a UTF-8 file. Raises what it raises, OSError and UnicodeDecodeError."""
    with open(path, encoding="utf-8-sig") as f:
        return decode_yaml(f.read(MOST_CHARACTERS + 1))


def decode_yaml(text: str) -> tuple[Any, Node | None]:
    """The value of a document, and its node, which knows the lines; None and None of an empty one. Raises NotYamlError."""
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
    """The safe loader, without what no config needs."""

    def __init__(self, text: str):
        super().__init__(text)
        self._depth = 0
        self._sizes: dict[int, int] = {}  # values in a node, by its id, aliases written out

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
                raise ConstructorError(None, None, f"the alias *{_short(anchor)} stands inside what it names", start)
            self._sizes[id(node)] = self._checked(node)
        if self._sizes[id(node)] > MOST_VALUES:
            raise ConstructorError(None, None, f"more than {MOST_VALUES:,} values, aliases written out", start)
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, ArithmeticError) as e:  # a date that no calendar has, a number that is none
            raise ConstructorError(None, None, f"{_short(str(node.value))} cannot be read: {e}", node.start_mark) from None

    def _checked(self, node: Node) -> int:
        """The number of values in a node. Raises ConstructorError for a key that comes twice, a number that is none, half a character."""
        if isinstance(node, ScalarNode):
            if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
                raise ConstructorError(None, None, f"a number of more than {LONGEST_NUMBER} characters", node.start_mark)
            if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in node.value):
                raise ConstructorError(None, None, "a NUL or half a character in a text", node.start_mark)
            return 1
        if not isinstance(node, MappingNode):
            return 1 + sum(self._sizes[id(child)] for child in node.value)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, ScalarNode):
                if (key.tag, key.value) in lines:
                    problem = f"the key {_short(key.value)} stands in line {lines[key.tag, key.value] + 1} already"
                    raise ConstructorError(None, None, problem, key.start_mark)
                lines[key.tag, key.value] = key.start_mark.line
        return 1 + sum(self._sizes[id(child)] for pair in node.value for child in pair)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"

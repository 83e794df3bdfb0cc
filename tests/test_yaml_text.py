"""YAML that would crash, hang or be misread says so in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.config import Config, ModelFolderConfig
from asr.config_file import load_config
from asr.errors import ConfigError
from asr.text.normalizer import load_normalizer
from asr.yaml_text import MOST_CHARACTERS, NotYamlError, decode_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
BAD = {
    "alias bomb": (BOMB, 5, "more than 100,000 values with expanded aliases"),
    "merged bomb": (BOMB + "b: &b {x: *a11}\nc: {<<: *b}\n", 5, "more than 100,000 values with expanded aliases"),
    "alias in itself": ("a: &a\n- *a\n", 2, "the alias *a is inside the node that it names"),
    "deep lists": ("[" * 50_000, 1, "nested deeper than 50 levels"),
    "deep mappings": ("{a: " * 50_000, 1, "nested deeper than 50 levels"),
    "deep blocks": ("- " * 50_000, 1, "nested deeper than 50 levels"),
    "long": ("a: " + "b" * MOST_CHARACTERS, 1, "more than 200,000 characters, which no config needs"),
    "twice": ("model:\n  a: 1\n  b: 2\n  a: 3\n", 4, "the key a is already in line 2"),
    "twice in a line": ("{a: 1, a: 1}", 1, "the key a is already in line 1"),
    "Python": ("a: !!python/object/apply:os.getcwd []", 1, "the tag !!python/object/apply:os.getcwd is not allowed"),
    "tag that fits nothing": ("a: !!bool maybe", 1, "the tag !!bool is not allowed"),
    "time that is none": ("a: !!timestamp soon", 1, "the tag !!timestamp is not allowed"),
    "own tag": ("a: !mine 1", 1, "the tag !mine is not allowed"),
    "long number": ("\na: " + "1" * 5_000, 2, "a number of more than 100 characters"),
    "long sexagesimal": ("a: 1" + ":59" * 60_000, 1, "a number of more than 100 characters"),
    "no number": ("a: 0x_", 1, "0x_ cannot be read: invalid literal"),
    "no date": ("a: 2024-13-45", 1, "2024-13-45 cannot be read: month must be in"),
    "list as key": ("? [a]\n: 1", 1, "found unhashable key"),
    "NUL": ('a: "b\\0"', 1, "a NUL or a surrogate in a text"),
    "half a character": ('a: "\\ud800"', 1, "a NUL or a surrogate in a text"),
    "control character": ("a: 1\nb: \x1b[31m", 2, "the character U+001B is not allowed"),
    "several documents": ("a: 1\n---\nb: 2", 2, "but found another document"),
}


@pytest.mark.parametrize("name", BAD)
def test_says_the_line_and_the_problem(name: str) -> None:
    text, line, problem = BAD[name]
    with pytest.raises(NotYamlError) as e:
        decode_yaml(text)
    assert e.value.line == line
    assert str(e.value).startswith(f"not YAML: {problem}")


def test_aliases_and_merged_keys_are_understood() -> None:
    value, node = decode_yaml("base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nagain: [*base, *base]\n'no': !!str 5\n")
    assert value == {"base": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}, "again": [{"a": 1, "b": 2}] * 2, "no": "5"}
    assert node is not None
    assert decode_yaml("") == (None, None)


@pytest.mark.parametrize("name", BAD)
def test_every_reader_of_yaml_says_so(name: str, tmp_path: Path) -> None:
    text, line, _ = BAD[name]
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    for read in (lambda: load_config(Config, path), lambda: load_config(ModelFolderConfig, path), lambda: load_normalizer(path)):
        with pytest.raises(ConfigError, match=rf"file\.yaml:{line}: not YAML: ") as e:
            read()
        assert "\n" not in str(e.value)


@pytest.mark.parametrize("value", ["[" * 2_000, "!!bool maybe", "1" * 5_000, "{a: 1, a: 2}"])
def test_overrides_likewise(value: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the value is not YAML: "):
        load_config(Config, tmp_path / "recipe.yaml", [f"train.epochs={value}"])

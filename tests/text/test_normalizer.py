"""Normalisers by name and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import ConfigError, UsageError
from asr.text.normalizer import load_normalizer


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("none", "It's  “5”!", "It's  “5”!"),
        ("librispeech", "It’s well-known.", "IT'S WELL KNOWN"),
        ("librispeech", "...", ""),
        ("whisper-en", "Mr. Smith's colour cost twenty-one dollars, uh [noise]", "mister smith is color cost $21"),
    ],
)
def test_by_name(name: str, text: str, expected: str) -> None:
    if name == "whisper-en":
        pytest.importorskip("whisper_normalizer", reason="needs pip install 'las-asr[whisper-en]'")
    found = load_normalizer(name)
    assert found(text) == expected
    assert found.name == name
    assert found.version
    assert len(found.hash) == 12
    assert found.hash == load_normalizer(name).hash


def test_hashes_differ_where_the_steps_differ(tmp_path: Path) -> None:
    hashes = {load_normalizer(name).hash for name in ("none", "librispeech")}
    for steps in ("[lower]", "[upper]", "[lower, collapse_spaces]"):
        hashes.add(load_normalizer(write(tmp_path, f"steps: {steps}")).hash)
    assert len(hashes) == 5
    one = load_normalizer(write(tmp_path, "steps: [lower]")).hash
    assert load_normalizer(write(tmp_path, "name: another\nsteps: [lower]  # the same")).hash == one
    assert load_normalizer(write(tmp_path, "version: 2\nsteps: [lower]")).hash != one


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [
        ("lower", "ÀB", "àb"),
        ("upper", "àb", "ÀB"),
        ("collapse_spaces", " a \t b ", "a b"),
        ("remove_accents", "café Zoë", "cafe Zoe"),
        ("straighten_apostrophes", "it’s", "it's"),
        ("librispeech", "it’s", "IT'S"),
        ("unicode: NFKC", "ﬁne", "fine"),
        ("remove_punctuation", "it's well-known, $5.", "it's well known   5 "),
        ("remove_punctuation: {keep: '-', by: ''}", "it's well-known, $5.", "its well-known 5"),
        (r"replace: {pattern: '\[\w+\]', by: ''}", "a [noise] b", "a  b"),
        (r"replace: {pattern: '(\w)\1', by: '\1'}", "aabc", "abc"),
        ("replace_words: {mister: mr, gonna: going to}", "mister x gonna go", "mr x going to go"),
        ("remove_words: [uh, um]", "uh so um umm", "so umm"),
    ],
)
def test_steps(step: str, text: str, expected: str, tmp_path: Path) -> None:
    assert load_normalizer(write(tmp_path, f"steps:\n  - {step}\n"))(text) == expected


def test_steps_are_done_in_order(tmp_path: Path) -> None:
    path = write(
        tmp_path, "name: n\nversion: 3\ndescription: d\nsteps:\n  - lower\n  - replace: {pattern: a, by: B}\n  - remove_words: [B]\n"
    )
    found = load_normalizer(str(path))
    assert (found.name, found.version, found.description) == ("n", "3", "d")
    assert found("A B c") == "b c"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("steps:\n  - lower\n  - lowr\n", ":3: lowr is not a step; expected one of collapse_spaces"),
        ("steps:\n  - lower: 5\n", ":2: lower takes no setting"),
        ("steps:\n  - replace: {by: x}\n", ":2: replace: pattern is missing"),
        ("steps:\n  - replace: {pattern: '('}\n", ":2: replace: missing ), unterminated"),
        ("steps:\n  - replace: {pattern: a, by: '\\2'}\n", ":2: replace: invalid group reference"),
        ("steps:\n  - replace\n", ":2: replace: expected {pattern, by}"),
        ("steps:\n  - remove_words: [no]\n", ":2: remove_words: expected a list of strings"),
        ("steps:\n  - replace_words: [a]\n", ":2: replace_words: expected"),
        ("steps:\n  - unicode: NFX\n", ":2: unicode is 'NFX'"),
        ("steps:\n  - [lower]\n", ":2: a step is a name"),
        ("steps: []\n", ":1: expected a key `steps`"),
        ("step: [lower]\n", ":1: expected a key `steps`"),
        ("steps: [lower]\nversoin: 2\n", ":1: versoin is not a key"),
        ("steps:\n  - {\n", "not YAML"),
        ("", ":1: expected a key `steps`"),
    ],
)
def test_a_bad_file_is_named_with_its_line(content: str, expected: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        load_normalizer(path)
    assert str(caught.value).startswith(f"{path}:")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_reported() -> None:
    with pytest.raises(UsageError, match=r'normalizer "librispeach": expected none, librispeech, whisper-en, or a YAML file'):
        load_normalizer("librispeach")
    with pytest.raises(UsageError, match=r"nowhere\.yaml: cannot be read"):
        load_normalizer("nowhere.yaml")

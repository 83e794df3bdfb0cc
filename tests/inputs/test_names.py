"""Names of output files: by hand, and what is true of all."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.inputs.names import Name, distinct_names, safe_part


def names(*paths: str) -> list[str]:
    """Of files named one by one."""
    found = [PurePosixPath(path) for path in paths]
    return distinct_names([Name(p.parts[:-1], (), p.stem, p.suffix) for p in found])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["talks/a.mp3", "talks/b.mp3"], ["a", "b"]),
        (["a.tar.mp3", "noending"], ["a.tar", "noending"]),
        (["x/a.mp3", "x/a.wav", "x/b.wav"], ["a.mp3", "a.wav", "b"]),  # the ending, for these only
        (["x/a", "x/a.mp3"], ["a", "a.mp3"]),
        (["mon/a.mp3", "tue/a.mp3"], ["mon/a", "tue/a"]),
        (["mon/a.mp3", "tue/a.wav"], ["a.mp3", "a.wav"]),
        (["mon/1/a.mp3", "tue/1/a.mp3", "wed/2/a.mp3"], ["mon/1/a", "tue/1/a", "2/a"]),  # no more than is needed
        (["x/a.mp3", "y/a.mp3", "y/a.wav"], ["x/a.mp3", "y/a.mp3", "a.wav"]),
        (["x/a.mp3", "x/a.wav", "x/a.mp3.flac"], ["a.mp3", "a.wav", "a.mp3.flac"]),  # a longer name met another
        (["x/a.mp3", "x/A.mp3"], ["a", "A-2"]),  # one file, on other systems
        (["x/é.mp3", "y/é.mp3"], ["x/é", "y/é"]),  # so is é in one sign and in two
    ],
)
def test_as_short_as_they_can_be(paths: list[str], expected: list[str]) -> None:
    assert names(*paths) == expected


def test_what_is_below_a_named_folder_is_kept() -> None:
    assert distinct_names([Name(("talks",), ("mon",), "a", ".mp3"), Name(("talks",), (), "a", ".mp3")]) == ["mon/a", "a"]
    assert distinct_names([Name(("x",), ("mon",), "a"), Name(("y",), ("mon",), "a")]) == ["x/mon/a", "y/mon/a"]


def test_utterances_of_one_id_are_numbered() -> None:
    assert distinct_names([Name(("x",), (), "u"), Name(("x",), (), "u"), Name(("x",), (), "u-2")]) == ["u", "u-2", "u-2-2"]


@pytest.mark.parametrize(
    ("part", "safe"),
    [
        ("a b.c", "a b.c"),
        ("speaker/7", "speaker_7"),
        ("..\\up", ".._up"),
        ("..", "__"),
        (".", "_"),
        ("", "_"),
        (" ", "_"),
        ("a\0b\nc", "a_b_c"),
        ("日本", "日本"),
    ],
)
def test_a_part_stays_where_it_is_put(part: str, safe: str) -> None:
    assert safe_part(part) == safe


def test_a_part_too_long_is_cut_and_stays_apart_from_others() -> None:
    first, second = safe_part("é" * 300 + "1"), safe_part("é" * 300 + "2")
    assert first != second
    assert first[:90] == "é" * 90
    assert all(len(part.encode()) <= 200 for part in (first, second, safe_part("." * 300)))
    assert safe_part("é" * 300 + "1") == first


PARTS = st.text(st.sampled_from("aAbé./\\\0- "), max_size=5) | st.sampled_from(["..", "a" * 300, "a-2"])
NAMES = st.builds(
    Name,
    st.lists(PARTS, max_size=3).map(tuple),
    st.lists(PARTS, max_size=2).map(tuple),
    PARTS,
    st.sampled_from(["", ".mp3", ".wav"]),
)


@given(st.lists(NAMES, max_size=12))
def test_no_two_are_alike_and_none_leaves_the_folder(parts: list[Name]) -> None:
    found = distinct_names(parts)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) == len(parts)
    for name in found:
        path = PurePosixPath("out") / name
        assert path.parts[0] == "out"
        assert len(path.parts) > 1
        assert not {"..", ".", ""} & set(name.split("/"))
        assert "\0" not in name
        assert "\\" not in name
        assert all(len(part.encode()) <= 203 for part in name.split("/"))  # with a number

"""Names of output files: by hand, and for any parts."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import UsageError
from asr.inputs.names import Name, are_distinct, check_distinct, folders_of, safe_part


@pytest.mark.parametrize(
    ("name", "short", "full"),
    [
        (Name(("talks",), (), "a", ".mp3"), "a", "talks/a.mp3"),
        (Name(("talks",), ("mon",), "a", ".mp3"), "mon/a", "talks/mon/a.mp3"),
        (Name((), (), "a.tar", ".mp3"), "a.tar", "a.tar.mp3"),
        (Name((), (), "noending"), "noending", "noending"),
        (Name(("..", "x"), (), "../u", ".wav"), ".._u", "__/x/.._u.wav"),
    ],
)
def test_short_and_full(name: Name, short: str, full: str) -> None:
    assert (name.short, name.full) == (short, full)


def test_folders_begin_at_the_working_folder_or_at_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folders_of(Path("a.mp3")) == ()
    assert folders_of(Path("x/../y/./a.mp3")) == ("y",)
    assert folders_of(tmp_path / "y" / "a.mp3") == ("y",)
    assert folders_of(Path("../a.mp3")) == tmp_path.parent.parts[1:]


@pytest.mark.parametrize("same", [("a", "a"), ("a", "A"), ("x/\u00e9", "x/e\u0301"), ("Stra\u00dfe", "STRASSE")])
def test_names_that_are_one_file_somewhere_clash(same: tuple[str, str]) -> None:
    assert not are_distinct(same)
    with pytest.raises(UsageError, match=r"^output files of the same name for one and other \(.*\): rename it$"):
        check_distinct(same, ("one", "other"), "rename it")


def test_distinct_names_pass() -> None:
    assert are_distinct(["a", "b", "x/a"])
    check_distinct(["a", "b", "x/a"], ["same"] * 3, "")


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
def test_parts_of_paths_are_made_safe(part: str, safe: str) -> None:
    assert safe_part(part) == safe


def test_a_part_too_long_is_cut_and_stays_apart_from_others() -> None:
    first, second = safe_part("é" * 300 + "1"), safe_part("é" * 300 + "2")
    assert first != second
    assert first[:90] == "é" * 90
    assert all(len(part.encode()) <= 200 for part in (first, second, safe_part("." * 300), safe_part("é\udc80" * 300)))
    assert safe_part("é" * 300 + "1") == first


PARTS = st.text(st.sampled_from("aAbé./\\\0- "), max_size=5) | st.sampled_from(["..", "a" * 300, "a-2"])
NAMES = st.builds(
    Name,
    st.lists(PARTS, max_size=3).map(tuple),
    st.lists(PARTS, max_size=2).map(tuple),
    PARTS,
    st.sampled_from(["", ".mp3", ".wav"]),
)


@given(NAMES)
def test_none_leaves_the_output_folder(name: Name) -> None:
    for found in (name.short, name.full):
        path = PurePosixPath("out") / found
        assert path.parts[0] == "out"
        assert len(path.parts) > 1
        assert not {"..", ".", ""} & set(found.split("/"))
        assert "\0" not in found
        assert "\\" not in found
        assert all(len(part.encode()) <= 200 for part in found.split("/"))

"""Lists of phrases: usual contents, and the messages for unusable ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import UsageError
from asr.text.phrases import read_phrases

ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")


def test_a_file_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    lines = ["\ufeff# our people", "", "Zoë Łukasz-O’Brien", "  kubernetes\t2.5 ", "Smith, J.", "smith j\t3", "SMITH  J", "\t", "# end"]
    path.write_text("\r\n".join(lines), encoding="utf-8")
    expected = {"ZOE LUKASZ O'BRIEN": 1.5, "KUBERNETES": 2.5, "SMITH J": 3.0}
    assert read_phrases(path, ALPHABET, 1.5) == read_phrases(str(path), ALPHABET, 1.5) == expected
    assert read_phrases([line.lstrip("\ufeff") for line in lines], ALPHABET, 1.5) == expected


@pytest.mark.parametrize(
    ("alphabet", "phrase"),
    [("Zoëzoeßs", "Zoë ß"), ("ZOËS", "ZOË SS"), ("zoeës", "zoë ss"), ("zoes", "zoe ss"), ("ZOES", "ZOE SS")],
)
def test_letters_become_those_that_the_model_writes(alphabet: str, phrase: str) -> None:
    assert list(read_phrases(["Zoe\u0308 ß"], alphabet, 1.0)) == [phrase]


def test_every_line_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("Anna\nC3PO & R2D2\nBert\tmany\nCarl\t-1\nDora\tnan\n...\nЖук\nA" + " a" * 60 + "\n\t3\n", encoding="utf-8")
    with pytest.raises(UsageError) as error:
        read_phrases(path, ALPHABET, 1.0)
    lines = str(error.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{path}:{n}" for n in range(2, 10)]
    assert "'3', '&', '2', which the model cannot write: spell it as it is said" in lines[0]
    assert "'Bert' has the weight 'many' after its tab, expected a number above 0" in lines[1]
    assert "weight -1" in lines[2]
    assert "weight nan" in lines[3]
    assert "no letter" in lines[4]
    assert "'Ж', 'у', 'к'" in lines[5]
    assert "121 characters, and a phrase at most 100" in lines[6]


def test_a_long_list_of_problems_is_cut() -> None:
    with pytest.raises(UsageError) as error:
        read_phrases([str(n) for n in range(1000)], ALPHABET, 1.0)
    assert str(error.value).splitlines()[9:] == [
        "hotwords:10: '9' has '9', which the model cannot write: spell it as it is said, in letters (2 as TWO, & as AND)",
        "hotwords: 990 more of its lines cannot be used",
    ]


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty.txt", tmp_path / "clip.flac"
    empty.write_text("# nothing\n\n")
    binary.write_bytes(b"fLaC\x00\xff\xfe")
    for source, message in [
        (empty, "empty.txt: no phrase in it: write one a line"),
        ([], "hotwords: no phrase in it"),
        (binary, "clip.flac: not a text file"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "none.txt", "none.txt: cannot be read: No such file"),
    ]:
        with pytest.raises(UsageError, match=message):
            read_phrases(source, ALPHABET, 1.0)
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="expected a number above 0"):
            read_phrases(["ANNA"], ALPHABET, weight)


@given(st.lists(st.text()))
def test_any_lines_give_phrases_in_the_alphabet_or_a_usage_error(lines: list[str]) -> None:
    try:
        phrases = read_phrases(lines, ALPHABET, 1.0)
    except UsageError:
        return
    assert phrases
    assert all(
        set(phrase) <= ALPHABET | {" "} and phrase == " ".join(phrase.split(" ")) and weight > 0 for phrase, weight in phrases.items()
    )

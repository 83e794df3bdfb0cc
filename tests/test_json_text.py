"""Reading JSON: values with line numbers, and errors."""

from __future__ import annotations

import json

import pytest

from asr.json_text import NotJsonError, array_elements, decode_json

GOOD = [{"a": 1}, [2, "x, y]"], "ZOË\u2028", None]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_elements_are_those_that_json_reads(indent: int | None) -> None:
    text = "\n" + json.dumps(GOOD, indent=indent)
    found = list(array_elements(text))
    assert [element for _, element in found] == json.loads(text)
    lines = text.split("\n")
    for (line, element), after in zip(found, [*found[1:], (len(lines), None)], strict=False):
        assert json.dumps(element)[0] in lines[line - 1]
        assert line <= after[0]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('[{"a": 1},\n{"a" 2}]', 2, "not JSON: Expecting ':' delimiter"),
        ('[\n{\n"a": 1,\n"b" 2}]', 2, "not JSON: Expecting ':' delimiter in line 4"),
        ('[{"a": "' + 300 * "x" + '",\n "b" 2}]', 1, "not JSON: Expecting ':' delimiter in line 2"),  # far on in a long element
        ("[1,\n1" + 5000 * "0" + "]", 2, "not JSON: a number is too long"),
        ("[1,\n" + 100_000 * "[", 2, "not JSON: nested too deeply"),
        ("[1,\n2", 2, "not JSON: the array breaks off"),
        ("[1,\n2\n\n", 4, "not JSON: the array breaks off"),
        ("[1,\n", 2, "not JSON: Expecting value"),
        ("[1\n2]", 2, "not JSON: no comma after an element of the array"),
        ("[1,\n,2]", 2, "not JSON: Expecting value"),
        ("[,1]", 1, "not JSON: Expecting value"),
        ("[1,\n]", 2, "not JSON: Expecting value"),
        ("[1]\n\n[2]", 3, "not JSON: something follows the end of the array: only one can be read"),
        ("[]\n]", 2, "not JSON: something follows the end of the array: only one can be read"),
    ],
)
def test_the_first_bad_element_is_named(text: str, line: int, problem: str) -> None:
    with pytest.raises(NotJsonError) as caught:
        list(array_elements(text))
    assert (caught.value.line, str(caught.value)) == (line, problem)


def test_nothing_in_an_array_is_no_element() -> None:
    assert list(array_elements("\n[ \n ] \n")) == []


def test_elements_come_before_what_is_wrong_behind_them() -> None:
    found = array_elements("[1,\n2] 3")
    assert [next(found), next(found)] == [(1, 1), (2, 2)]
    with pytest.raises(NotJsonError):
        next(found)


def test_a_bad_value_is_named() -> None:
    assert decode_json(b'{"a": [1]}') == {"a": [1]}
    with pytest.raises(NotJsonError, match="not JSON: Extra data") as caught:
        decode_json("1 2", line=7)
    assert caught.value.line == 7
    with pytest.raises(UnicodeDecodeError):
        decode_json(b'"\xff"')

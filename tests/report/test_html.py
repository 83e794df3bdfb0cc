"""The report's page without a browser: it reaches for nothing, holds the data whole, and cannot be broken out of by any text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.report import report, write_report
from asr.report.html import SCRIPTS, TABLE_ROWS, render_html
from asr.report.packing import pack_alignment
from asr.score import evaluate
from asr.score.alignment import align

NASTY = [
    "</script><script>hacked = 1</script>",
    "<!-- <script>",
    "<img src=x onerror=hacked=1>",
    "\"'`>&amp;",
    "{{ 7 * 7 }}",
    "\u2028\u0000",
]


class Page(HTMLParser):
    """What a browser would see: the elements with their attributes, and the text in scripts and styles."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag in ("script", "style") and self.cdata_elem == tag:
            self.inside.append((tag, attributes, data))

    @property
    def data(self) -> dict[str, Any]:
        (text,) = (text for _, attributes, text in self.inside if attributes.get("id") == "data")
        return json.loads(text)


def nasty_report() -> dict[str, Any]:
    """Every text that a report takes is one that would like to be markup."""
    references = {name: f"GO {name} ON" for name in NASTY}
    first = {name: f"GO {name[::-1]} ON" for name in NASTY}
    details = {name: {"speaker": name, "audio_filepath": f"javascript:{name}", "duration": 1.0, "<b>": name} for name in NASTY}
    return report(evaluate(references, first, references, names=NASTY[:2], details=details, by=["<b>"], title=NASTY[0], samples=20))


def unpack(packed: str | list[list[str]], reference: str) -> list[list[str]]:
    """`page/data.js` in Python: columns [kind, reference word, hypothesis word]."""
    if isinstance(packed, list):
        return [list(row) for row in packed]
    words = iter(reference.split(" ") if reference else [])
    rows: list[list[str]] = []
    for part in packed.split(" ") if packed else []:
        if part[0] == "~":
            rows.append(["s", next(words), part[1:]])
        elif part[0] == "-":
            rows.append(["d", next(words), ""])
        elif part[0] == "+":
            rows.append(["i", "", part[1:]])
        else:
            rows += [["=", word, word] for word in (next(words) for _ in range(int(part)))]
    assert next(words, None) is None
    return rows


def test_the_page_reaches_for_nothing() -> None:
    source = render_html(nasty_report())
    for tag, attributes in Page(source).elements:
        assert tag not in ("iframe", "object", "embed", "base", "img", "audio"), tag
        for name in ("src", "href", "action", "data"):
            assert not attributes.get(name) or re.match(r"#|data:,$", attributes[name] or ""), (tag, attributes)
    code = "".join(text for tag, attributes, text in Page(source).inside if attributes.get("id") != "data")
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|import\(|sendBeacon|innerHTML|insertAdjacentHTML|eval\(", code)
    assert set(re.findall(r"https?://[^\s\"']+", code)) == {"http://www.w3.org/2000/svg"}  # a name, not an address


def test_the_policy_lets_these_scripts_run_and_no_others() -> None:
    page = Page(render_html(nasty_report()))
    (policy,) = (a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy
    assert policy.startswith("default-src 'none';")
    scripts = [text for tag, attributes, text in page.inside if tag == "script" and attributes.get("id") != "data"]
    assert len(scripts) == len(SCRIPTS)
    allowed = re.findall(r"'sha256-([^']+)'", policy.split("script-src")[1].split(";")[0])
    assert allowed == [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]


def test_no_text_becomes_markup() -> None:
    source = render_html(nasty_report())
    page = Page(source)
    assert sum(tag == "script" for tag, _ in page.elements) == len(SCRIPTS) + 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert page.data["ids"] == NASTY
    assert "GO {{ 7 * 7 }} ON" in page.data["words"]


def test_the_data_come_back_whole() -> None:
    found = evaluate(
        ["EVERY ONE GO HOME", "", "ONLY HERE", "GO ON"],
        ["EVERYONE GO", "UH", None, "GO ON"],
        ["EVERY ONE GO HOME", "", "ONLY", ""],
        details=[{"duration": 2.5 * i, "offset": i, "audio_filepath": f"clips/{i}.wav", "speaker": f"s{i % 2}"} for i in range(4)],
        samples=20,
    )
    whole = report(found)
    data = Page(render_html(whole)).data
    for number, system in enumerate(data["systems"]):
        for row, utterance in enumerate(whole["utterances"]):
            result = utterance["systems"][number]
            assert unpack(system["alignments"][row], data["words"][row]) == [list(column) for column in result["alignment"]]
            assert (row in system["missing"]) == (result["hypothesis"] is None)
        assert system["figures"]["errors"] == [u["systems"][number]["errors"] for u in whole["utterances"]]
        assert system["figures"]["rate"] == [u["systems"][number]["rate"] for u in whole["utterances"]]
    assert [data["audio"]["prefix"] + rest for rest in data["audio"]["rest"]] == [f"clips/{i}.wav" for i in range(4)]
    assert data["figures"] == {"duration": [0, 2.5, 5.0, 7.5], "offset": [0, 1, 2, 3]}
    assert [data["groups"]["speaker"]["values"][n] for n in data["groups"]["speaker"]["of"]] == ["s0", "s1", "s0", "s1"]


texts = st.lists(st.sampled_from(["A", "-", "+B", "~", "12", "~C", "\u00a0", "ß"]), max_size=8)


@given(texts, texts)
def test_an_alignment_survives_packing(reference: list[str], hypothesis: list[str]) -> None:
    """Also of words that look like the marks of the packing."""
    rows = align(reference, hypothesis)
    assert unpack(pack_alignment(rows, " ".join(reference)), " ".join(reference)) == [list(row) for row in rows]


def test_words_with_spaces_stay_a_list() -> None:
    rows = [("s", "ICE CREAM", "I SCREAM")]
    assert pack_alignment(rows, None) == rows
    assert pack_alignment(rows, "ICE CREAM") == rows


def test_a_key_with_very_many_groups_has_a_table_of_the_largest() -> None:
    many = TABLE_ROWS + 5
    references = ["A B" if i < 5 else "A" for i in range(many)]
    found = evaluate(references, references, details=[{"speaker": f"s{i}"} for i in range(many)], samples=0)
    source = render_html(report(found))
    table = source.split('aria-label="Table by speaker"')[1].split("</table>")[0]
    assert table.count("<tr>") == TABLE_ROWS + 1
    assert all(f">s{i}<" in table for i in range(5))


def test_pictures_stand_with_their_utterances() -> None:
    data = Page(render_html(report(evaluate(["A", "B"], ["A", "C"])), {"2": "data:image/webp;base64,AAAA"})).data
    assert data["attention"] == {"1": "data:image/webp;base64,AAAA"}


def test_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema_version: 2"):
        render_html(nasty_report() | {"schema_version": 2})


def test_half_a_character_cannot_stop_the_page(tmp_path: Path) -> None:
    (path,) = write_report(evaluate(["A \ud800"], ["A"]), tmp_path / "r.html")
    assert "A \ufffd" in path.read_text(encoding="utf-8")


def summary_of(source: str) -> str:
    """The text of the page's header and summary, with its tags removed and runs of white space as one space."""
    text = re.sub(r"<(script|style).*?</\1>", " ", source.split('<section id="plots">')[0], flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&nbsp;", " ").split())


def test_lists_of_python_have_no_file() -> None:
    text = summary_of(render_html(report(evaluate(["A B"], ["A X"]))))
    assert "1 utterance · 2 words ·" in text
    assert "· 1 utterance" not in text
    assert "File" not in text


def test_the_time_names_its_zone() -> None:
    data = report(evaluate(["A B"], ["A X"])) | {"created": "2026-12-01T04:51:00+00:00"}
    assert "2026-12-01 04:51 UTC" in summary_of(render_html(data))


@pytest.mark.parametrize(
    ("references", "hypotheses", "reason"),
    [
        (["A B"], ["A X"], "no interval: a single utterance"),
        (["A B", "C D"], ["A B", "C D"], "no interval: without errors it cannot be estimated"),
        (["", ""], ["UH", ""], "no interval: the references have no words"),
        (["A B", "C D"], ["A X", "C X"], "no interval"),
    ],
)
def test_a_missing_interval_has_a_reason(references: list[str], hypotheses: list[str], reason: str) -> None:
    assert f">{reason}" in re.sub(r">\s+", ">", render_html(report(evaluate(references, hypotheses))))


def test_a_verdict_does_not_break_within_a_figure() -> None:
    references = ["A B C D"] * 30
    page = render_html(report(evaluate(references, references, ["A B C X", *references[1:]], names=["p", "q"], samples=100)))
    verdict = page.split('<div class="verdict">')[1].split("</div>")[0]
    assert "<p>No clear winner: p is ahead of q by 0.83 points" in verdict
    assert "95\u00a0% interval" in verdict
    assert "matched pairs p\u00a0=\u00a01.000" in verdict


def test_three_systems_have_a_table_of_comparisons() -> None:
    references = [f"A B C D {i}" for i in range(60)]
    close = ["A B C X 0", *references[1:]]
    data = report(evaluate(references, close, ["X X X X X"] * 60, references, names=["one", "two", "three"], samples=200))
    page = render_html(data)
    rows = [
        " ".join(re.sub(r"<[^>]+>", " ", row).split())
        for row in page.split('class="card comparisons"')[1].split("</section>")[0].split("<tr")[2:]
    ]
    assert "one better than two" in rows[0]
    assert "three not clearly better than one" in rows[1]
    assert "three better than two" in rows[2]
    difference, low, high = (100 * abs(data["comparisons"][0][key]) for key in ("difference", "high", "low"))
    assert f"{difference:.2f} {low:.2f} to {high:.2f} &lt; 0.001".replace(" ", "") in rows[0].replace("\u00a0", "").replace(" ", "")
    assert "Holm&#39;s correction for 3 comparisons." in page
    text = summary_of(page)
    assert "No clear winner" not in text
    assert "three has the lowest word error rate, 0.00 %, but is not clearly better than one." in text.replace("\u00a0", " ")
    assert text.index("three has the lowest") < text.index("Word error rate") < text.index("Comparisons")

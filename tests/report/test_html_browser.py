"""The report's page in a real browser: what it lists, sorts, finds and plays is held against the data."""

from __future__ import annotations

import base64
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asr.report import write_report
from asr.score import Evaluation, evaluate
from asr.score.alignment import align

webdriver = pytest.importorskip("selenium.webdriver", reason="needs pip install 'las-asr[test]'")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

ROOT = Path(__file__).parents[2]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="chromium or its chromedriver is not installed (Debian's packages chromium and chromium-driver have them)",
)

WORDS = ["GO", "ON", "HOME", "NOW", "EVERY", "ONE", "CAME", "BACK", "TO", "THE", "OLD", "RIVER", "AND", "SAT", "DOWN"]
SPEAKERS = ["ada", "bob", "cy"]
LONG = "DONAUDAMPFSCHIFF" * 20
NASTY = ["</script><script>hacked = 1</script>", "<img src=x onerror='hacked=1'>", "\"'`><b>&amp;", "{{ 7 * 7 }}"]


def made_up(folder: Path, count: int = 70) -> Evaluation:
    """Two systems with errors of every kind, ids that sort by their numbers, one hypothesis missing, and texts that would like to be markup."""
    chance = random.Random(3)

    def heard(text: str, rate: float) -> str:
        result = []
        for word in text.split():
            luck = chance.random() / rate
            if luck > 0.3:
                result.append(chance.choice(WORDS) if luck < 0.8 else word)
            if 0.8 < luck < 1:
                result.append("UH")
        return " ".join(result)

    references = [" ".join(chance.choice(WORDS) for _ in range(chance.randint(2, 9))) for _ in range(count)]
    references[3], references[4], references[5] = "", f"GO {LONG} HOME", " ".join(WORDS * 20)
    references[6 : 6 + len(NASTY)] = [f"GO {text} HOME" for text in NASTY]
    first: list[str | None] = [heard(text, 0.25) for text in references]
    second: list[str | None] = [heard(text, 0.12) for text in references]
    second[9] = None
    ids = [f"clip-{i}" for i in range(count)]
    ids[6 : 6 + len(NASTY)] = NASTY
    details = [
        {"speaker": SPEAKERS[i % 3], "duration": chance.uniform(0.5, 12), "audio_filepath": str(folder / f"{i}.flac")} for i in range(count)
    ]
    return evaluate(
        dict(zip(ids, references, strict=True)),
        dict(zip(ids, first, strict=True)),
        dict(zip(ids, second, strict=True)),
        names=["ours", "<theirs>"],
        details=dict(zip(ids, details, strict=True)),
        samples=50,
        title="A & <B>",
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("clips")
    shutil.copy(ROOT / "examples" / "river.flac", folder / "0.flac")
    return made_up(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(found: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> str:
    (path,) = write_report(found, tmp_path_factory.mktemp("page") / "report.html")
    return path.as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    show(browser, 1280, 900)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(address)
    return browser


def show(browser: Any, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def wait(condition: Callable[[], Any]) -> Any:
    """The condition's value once it holds; a busy machine gets its time."""
    end = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < end, "waited for 30 s"
        time.sleep(0.05)
    return value


def listed(page: Any) -> list[str]:
    """The ids of all utterances that the page lists, in its order."""
    page.execute_script("while (!document.getElementById('more').hidden) document.getElementById('more').click()")
    return page.execute_script("return [...document.querySelectorAll('.utterance .about a')].map((a) => a.textContent)")


def choose(page: Any, select: str, label: str) -> None:
    script = """
        const select = document.querySelector(arguments[0]);
        select.value = [...select.options].find((option) => option.textContent === arguments[1]).value;
        select.dispatchEvent(new Event("change", { bubbles: true }));"""
    page.execute_script(script, select, label)


def search(page: Any, text: str, found: int) -> list[str]:
    field = page.find_element(By.ID, "search")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text)
    wait(lambda: page.find_element(By.ID, "count").text.startswith(f"{found} of "))
    return listed(page)


def errors(found: Evaluation, number: int) -> dict[str, int]:
    return dict(zip(found.ids, found.systems[number].utterance_words[:, 1:].sum(axis=1).tolist(), strict=True))


def columns(found: Evaluation, number: int, name: str) -> list[tuple[str, str, str]]:
    row = found.ids.index(name)
    return list(align(found.normalized_references[row].split(), found.normalized_hypotheses[number][row].split(), found.alignment))


# ---------------------------------------------------------------- opening


def test_it_opens_from_disk_without_a_complaint_and_asks_for_nothing(page: Any, found: Evaluation) -> None:
    assert page.title == "A & <B>"
    assert page.get_log("browser") == []
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.find_element(By.ID, "count").text == f"{len(found.ids)} utterances"
    assert len(listed(page)) == len(found.ids)


def test_no_text_runs_as_code(page: Any, found: Evaluation) -> None:
    assert set(NASTY) <= set(listed(page))
    assert page.execute_script("return typeof hacked") == "undefined"
    assert page.find_elements(By.CSS_SELECTOR, "#list img, #list b, #list script") == []
    search(page, NASTY[0], 1)
    words = page.execute_script("return [...document.querySelectorAll('.cell.said')].map((c) => c.textContent).join(' ')")
    assert words == f"GO {NASTY[0]} HOME"
    assert page.get_log("browser") == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_screen(page: Any, width: int) -> None:
    show(page, width, 844)
    listed(page)
    wait(lambda: page.execute_script("return document.querySelectorAll('.chart svg').length") >= 4)
    for details in page.find_elements(By.TAG_NAME, "details"):
        page.execute_script("arguments[0].open = true", details)
    wait(lambda: page.execute_script("return document.documentElement.scrollWidth <= innerWidth"))
    wait(
        lambda: page.execute_script(
            "return [...document.querySelectorAll('.chart svg')].every((s) => s.getBoundingClientRect().right <= innerWidth)"
        )
    )


def test_light_and_dark(page: Any) -> None:
    def paper() -> str:
        return str(page.execute_script("return getComputedStyle(document.body).backgroundColor"))

    for scheme, dark in (("light", False), ("dark", True)):
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        assert (paper() == "rgb(22, 24, 27)") == dark
    button = page.find_element(By.ID, "theme")
    wait(lambda: button.get_attribute("aria-pressed") == "true")  # set with the next frame
    button.click()
    assert paper() == "rgb(247, 246, 243)"
    assert button.get_attribute("aria-pressed") == "false"
    page.execute_script("localStorage.clear()")


# ---------------------------------------------------------------- utterances


@pytest.mark.parametrize("name", ["clip-0", "clip-3", "clip-20"])
def test_alignments_are_drawn_as_they_are(name: str, page: Any, found: Evaluation) -> None:
    page.get(page.current_url.split("#")[0] + f"#{name}")
    wait(lambda: listed(page) == [name])
    drawn = page.execute_script("""
        return [...document.querySelectorAll(".column:not(.heads)")].map((column) => [...column.children].map((c) => [c.classList[1], c.textContent]))""")
    for number in range(2):
        expected = [
            ["blank" if kind == "i" else "said", said, {"=": "same"}.get(kind, kind), "–" if kind == "d" else heard]
            for kind, said, heard in columns(found, number, name)
        ]
        seen = [[*column[0], *column[1 + number]] for column in drawn if column[1 + number][0] != "blank"]
        assert seen == expected


def test_a_very_long_utterance_opens_on_a_click(page: Any, found: Evaluation) -> None:
    page.get(page.current_url.split("#")[0] + "#clip-5")
    wait(lambda: listed(page) == ["clip-5"])
    count = "return document.querySelectorAll('.cell.said').length"
    assert page.execute_script(count) < len(WORDS) * 20
    page.find_element(By.CSS_SELECTOR, ".rest").click()
    assert page.execute_script(count) == len(WORDS) * 20


@pytest.mark.parametrize("system", ["all", "ours", "<theirs>"])
def test_sorting(system: str, page: Any, found: Evaluation) -> None:
    numbers = {"all": [0, 1], "ours": [0], "<theirs>": [1]}[system]
    of = [errors(found, number) for number in numbers]
    choose(page, "#system", system)
    amounts = {name: sum(one[name] for one in of) for name in found.ids}
    order = {name: row for row, name in enumerate(found.ids)}
    assert listed(page) == sorted(found.ids, key=lambda name: (-amounts[name], order[name]))
    page.find_element(By.ID, "direction").click()
    assert listed(page) == sorted(found.ids, key=lambda name: (amounts[name], order[name]))

    choose(page, "#sort", "duration")
    assert page.find_element(By.ID, "direction").text == "↓"
    lengths = {name: found.details[order[name]]["duration"] for name in found.ids}
    assert listed(page) == sorted(found.ids, key=lambda name: -lengths[name])
    choose(page, "#sort", "order in the file")
    assert listed(page) == found.ids
    choose(page, "#sort", "id")
    clips = [name for name in listed(page) if name.startswith("clip-")]
    assert clips == sorted(clips, key=lambda name: int(name[5:]))  # clip-10 after clip-9


def test_an_unknown_rate_is_last_in_both_directions(page: Any, found: Evaluation) -> None:
    """clip-3 has no reference words; where something was inserted, its rate is unknown."""
    unknown = [
        name
        for name in found.ids
        if all(errors(found, n)[name] and not found.systems[n].utterance_words[found.ids.index(name), :3].any() for n in (0, 1))
    ]
    choose(page, "#sort", "error rate")
    down = listed(page)
    page.find_element(By.ID, "direction").click()
    up = listed(page)
    assert down[len(down) - len(unknown) :] == unknown
    assert up[len(up) - len(unknown) :] == unknown


@pytest.mark.parametrize("text", ["river and", "UH", "clip-1", "OLD"])
def test_searching(text: str, page: Any, found: Evaluation) -> None:
    def holds(row: int) -> bool:
        sides = [found.ids[row], found.references[row], *(one[row] or "" for one in found.hypotheses)]
        return any(text.lower() in side.lower() for side in sides)

    expected = {name for row, name in enumerate(found.ids) if holds(row)}
    assert 0 < len(expected) < len(found.ids)
    assert set(search(page, text, len(expected))) == expected
    marked = page.execute_script("return [...document.querySelectorAll('.sought')].map((c) => c.textContent.toLowerCase())")
    assert all(any(part in word for part in text.lower().split()) for word in marked)
    page.find_element(By.ID, "reset").click()
    assert len(listed(page)) == len(found.ids)


def test_a_search_without_matches(page: Any) -> None:
    assert search(page, "xylophone", 0) == []
    assert page.find_element(By.ID, "none").is_displayed()


@pytest.mark.parametrize("system", ["all", "ours", "<theirs>"])
def test_filtering_by_errors(system: str, page: Any, found: Evaluation) -> None:
    numbers = {"all": [0, 1], "ours": [0], "<theirs>": [1]}[system]
    choose(page, "#system", system)
    kinds = {"with substitutions": "s", "with deletions": "d", "with insertions": "i"}
    for label, kind in kinds.items():
        choose(page, "#kind", label)
        expected = {name for name in found.ids for n in numbers if kind in [column[0] for column in columns(found, n, name)]}
        assert set(listed(page)) == expected, label
    choose(page, "#kind", "with errors")
    assert set(listed(page)) == {name for name in found.ids for n in numbers if errors(found, n)[name]}
    choose(page, "#kind", "without errors")
    assert set(listed(page)) == {name for name in found.ids if not any(errors(found, n)[name] for n in numbers)}
    choose(page, "#kind", "without a hypothesis")
    assert listed(page) == ([found.ids[9]] if 1 in numbers else [])


def test_filters_work_together(page: Any, found: Evaluation) -> None:
    choose(page, "[data-group=speaker]", "bob")
    choose(page, "[data-group=length]", "1-5 words")
    choose(page, "#kind", "with deletions")
    expected = {
        name
        for row, name in enumerate(found.ids)
        if row % 3 == 1
        and 1 <= len(found.references[row].split()) <= 5
        and any(column[0] == "d" for n in (0, 1) for column in columns(found, n, name))
    }
    assert expected
    assert set(listed(page)) == expected
    assert [chip.text for chip in page.find_elements(By.CSS_SELECTOR, ".chip")] == ["speaker: bob", "length: 1-5 words"]


# ---------------------------------------------------------------- from the lists and plots


@pytest.mark.parametrize("kind", ["s", "d", "i", "recall"])
def test_an_error_leads_to_its_utterances(kind: str, page: Any, found: Evaluation) -> None:
    button = page.find_element(By.CSS_SELECTOR, f".find[data-system='0'][data-kind='{kind}']")
    said, heard = button.get_attribute("data-reference"), button.get_attribute("data-heard")

    def is_it(column: tuple[str, str, str]) -> bool:
        if kind == "recall":
            return column[0] in "sd" and column[1] == said
        return column == (kind, said, heard)

    expected = {name for name in found.ids if any(map(is_it, columns(found, 0, name)))}
    button.click()
    assert set(listed(page)) == expected
    assert len(page.find_elements(By.CSS_SELECTOR, ".sought")) >= len(expected)


def test_a_speaker_in_the_plot_leads_to_their_utterances(page: Any, found: Evaluation) -> None:
    wait(lambda: page.find_elements(By.CSS_SELECTOR, ".press[aria-label^='cy: ']"))[0].send_keys(Keys.ENTER)
    assert set(listed(page)) == {name for row, name in enumerate(found.ids) if row % 3 == 2}


def test_a_link_leads_to_its_utterance_and_back(page: Any, found: Evaluation) -> None:
    link = page.find_element(By.CSS_SELECTOR, ".list a.path")
    name = link.text
    link.click()
    wait(lambda: listed(page) == [name])
    page.find_element(By.ID, "reset").click()
    assert len(listed(page)) == len(found.ids)


def test_the_slash_goes_to_the_search(page: Any) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys("/")
    assert page.switch_to.active_element.get_attribute("id") == "search"
    assert page.switch_to.active_element.get_attribute("value") == ""


# ---------------------------------------------------------------- sound


def test_a_recording_plays_where_it_can_be_reached(page: Any) -> None:
    page.get(page.current_url.split("#")[0] + "#clip-0")
    wait(lambda: listed(page) == ["clip-0"])
    page.find_element(By.CSS_SELECTOR, ".play").click()
    length = wait(lambda: page.execute_script("return document.querySelector('audio')?.duration || 0"))
    assert 3 < length < 10
    wait(lambda: page.execute_script("return document.querySelector('audio').currentTime") > 0)


def test_a_missing_recording_is_reported(page: Any) -> None:
    page.get(page.current_url.split("#")[0] + "#clip-1")
    wait(lambda: listed(page) == ["clip-1"])
    page.find_element(By.CSS_SELECTOR, ".play").click()
    wait(lambda: "cannot be opened" in page.find_element(By.CSS_SELECTOR, ".about").text)


# ---------------------------------------------------------------- plots, paper, phone


def open_report(browser: Any, found: Evaluation, folder: Path, width: int = 1280) -> None:
    show(browser, width, 844)
    browser.get("about:blank")
    (path,) = write_report(found, folder / "report.html")
    browser.get(path.as_uri())
    wait(lambda: browser.execute_script("return document.querySelector('#charts').childElementCount"))


def test_one_bar_alone_is_not_drawn(browser: Any, tmp_path: Path) -> None:
    details = [{"speaker": "ada", "room": room} for room in ("hall", "hut")]
    open_report(browser, evaluate(["A B", "C D"], ["A B", "C X"], details=details, by=["room"], samples=20), tmp_path)
    titles = browser.execute_script("return [...document.querySelectorAll('.chart h3')].map((h) => h.textContent)")
    assert titles == ["Share of utterances by their error rate", "Word error rate by room"]  # one speaker, one length
    assert browser.find_elements(By.CSS_SELECTOR, ".rate .bar") == []
    open_report(browser, evaluate(["A B"], ["A X"]), tmp_path)
    assert browser.find_elements(By.CSS_SELECTOR, ".chart") == []
    assert "No plots" in browser.find_element(By.ID, "charts").text


def test_bars_have_a_scale_from_zero_to_a_labelled_end(page: Any, found: Evaluation) -> None:
    start, end = (span.text for span in page.find_elements(By.CSS_SELECTOR, ".scale span"))
    assert start.replace("\u00a0", " ") == "0 %"
    last = float(end.split("%")[0]) / 100
    for system, bar in zip(found.systems, page.find_elements(By.CSS_SELECTOR, ".rate .bar"), strict=True):
        assert system.interval
        assert system.interval.high <= last
        widths = page.execute_script(
            "return ['.value', '.track'].map((s) => arguments[0].querySelector(s).getBoundingClientRect().width)", bar
        )
        assert widths[0] / widths[1] == pytest.approx(system.words.rate / last, rel=0.02)


def test_the_scale_of_every_plot_ends_at_a_tick(page: Any) -> None:
    wait(lambda: page.execute_script("return document.querySelectorAll('.chart svg').length") >= 4)
    ends = page.execute_script("""
        return [0.0004, 0.003, 0.0099, 0.012, 0.081, 0.21, 0.3, 0.41, 0.79, 1, 1.3, 12].map((largest) => {
          const top = scaleEnd(largest);
          const marks = ticks(top);
          return [largest, top, marks[0], marks.at(-1), marks.length];
        });""")
    for largest, top, first, last, number in ends:
        assert top >= largest * (1 - 1e-9)
        assert (first, last) == (0, pytest.approx(top))
        assert 3 <= number <= 6


@pytest.mark.parametrize(
    "title", ["Short", "A very long heading of a report that somebody wrote for the board of directors " * 3, "LONG" * 80]
)
def test_a_phone_shows_the_heading_in_two_lines(title: str, browser: Any, tmp_path: Path) -> None:
    open_report(browser, evaluate(["A B"], ["A X"], title=title), tmp_path, width=390)
    height, line = browser.execute_script(
        "const h = document.querySelector('h1'); return [h.getBoundingClientRect().height, parseFloat(getComputedStyle(h).lineHeight)]"
    )
    assert height <= 2.05 * line
    assert browser.find_element(By.TAG_NAME, "h1").get_attribute("title") == title


def test_parts_begin_on_pages_of_their_own_on_paper(page: Any) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    breaks = page.execute_script(
        "return ['plots', 'errors', 'utterances'].map((id) => getComputedStyle(document.getElementById(id)).breakBefore)"
    )
    hidden = page.execute_script(
        "return ['nav', '#controls', '.on-screen'].map((s) => getComputedStyle(document.querySelector(s)).display)"
    )
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert breaks == ["page"] * 3
    assert hidden == ["none"] * 3
    pdf = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 4


def test_a_phone_shows_the_figures_of_three_systems(browser: Any, tmp_path: Path) -> None:
    references = ["A B C D E F G H I J"] * 300
    systems = [["A B C D E F G H I X"] * 300] * 3
    names = ["first-system", "second-system", "third-system"]
    open_report(browser, evaluate(references, *systems, names=names, samples=10), tmp_path, width=390)
    wide, room = browser.execute_script("const t = document.querySelector('.figures'); return [t.scrollWidth, t.parentElement.clientWidth]")
    assert wide <= room


def five_systems(words: int = 8) -> Evaluation:
    """Five systems of which one has a long name, on utterances of so many words."""
    chance = random.Random(5)
    references = [" ".join(chance.choice(WORDS) for _ in range(words)) for _ in range(40)]
    systems = [[" ".join("UH" if chance.random() < rate else word for word in text.split()) for text in references] for rate in RATES]
    names = [*(f"system {n} of this year" for n in range(4)), "a-checkpoint-with-a-name-that-does-not-break-2026-11-30-step-120000"]
    return evaluate(references, *systems, names=names, details=[{"speaker": SPEAKERS[i % 3]} for i in range(40)], samples=50)


RATES = (0.1, 0.12, 0.2, 0.3, 0.4)


@pytest.mark.parametrize("width", [1280, 375])
def test_five_systems_are_not_wider_than_the_screen(width: int, browser: Any, tmp_path: Path) -> None:
    open_report(browser, five_systems(), tmp_path, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    first = [section.text.split("\n")[0] for section in browser.find_elements(By.CSS_SELECTOR, ".summary > section")]
    assert first == ["Word error rate", "Comparisons", "Figures", "Normalisation and alignment"]
    assert len(browser.find_elements(By.CSS_SELECTOR, ".comparisons tbody tr")) == 10
    assert browser.find_element(By.CSS_SELECTOR, ".verdict").text.startswith("system 0 of this year has the lowest word error rate, ")


@pytest.fixture
def paper(browser: Any) -> Iterator[Callable[[], Any]]:
    """A function that shows the page as on A4 paper."""

    def turn() -> Any:
        show(browser, 700, 900)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")  # plots follow the width
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        return browser

    yield turn
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_no_table_is_cut_on_paper(browser: Any, paper: Callable[[], Any], tmp_path: Path) -> None:
    open_report(browser, five_systems(), tmp_path)
    paper()
    wide, room = browser.execute_script("const t = document.querySelector('.figures'); return [t.scrollWidth, t.parentElement.clientWidth]")
    assert wide <= room


def test_plots_stand_side_by_side_on_paper(page: Any, paper: Callable[[], Any]) -> None:
    wait(lambda: page.execute_script("return document.querySelectorAll('.chart svg').length") >= 4)
    paper()
    lefts = page.execute_script("return [...document.querySelectorAll('.chart svg')].map((svg) => svg.getBoundingClientRect().left)")
    assert len({round(left) for left in lefts}) == 2
    assert page.execute_script("return document.querySelector('.chart svg').getAttribute('width')") == "310"


def test_nothing_on_paper_needs_a_click(page: Any, paper: Callable[[], Any]) -> None:
    choose(page, "#kind", "with errors")
    choose(page, "#sort", "duration")
    assert not page.find_element(By.ID, "printed").is_displayed()
    paper()
    shown = page.execute_script(
        "return [...document.querySelectorAll('details:not([open]), button')].filter((e) => e.getClientRects().length).map((e) => e.className)"
    )
    assert set(shown) <= {"find", "", "rest", "press"}, shown  # words of the lists, the note on missing hypotheses, "… 180 more words"
    assert page.find_element(By.ID, "printed").text == "The first 20 are printed; sorted by duration, highest first; only with errors"


def test_a_long_utterance_begins_below_its_heading_on_paper(browser: Any, tmp_path: Path) -> None:
    """A browser moves a card that is taller than a page to a new page, unless it may be broken."""
    open_report(browser, five_systems(words=110), tmp_path)
    assert browser.execute_script("return document.querySelectorAll('.utterance.tall').length") == 20
    open_report(browser, five_systems(words=8), tmp_path)
    assert browser.execute_script("return document.querySelectorAll('.utterance.tall').length") == 0


def test_no_label_of_an_axis_is_cut(browser: Any, tmp_path: Path) -> None:
    texts = ["A B C", "D E F G H I J", "K L"] * 4
    details = [{"speaker": SPEAKERS[i % 3], "duration": 1 + i} for i in range(12)]
    for title, wrong in (("all wrong", ""), ("many inserted", "X " * 80)):
        open_report(browser, evaluate(texts, [wrong] * 12, details=details, samples=20, title=title), tmp_path)
        cut = browser.execute_script("""
            return [...document.querySelectorAll('.chart svg')].flatMap((svg) => {
              const box = svg.getBoundingClientRect();
              return [...svg.querySelectorAll('text')].filter((text) => {
                const one = text.getBoundingClientRect();
                return one.left < box.left - 0.5 || one.right > box.right + 0.5;
              }).map((text) => text.textContent);
            });""")
        assert cut == [], title


def test_without_errors_there_is_no_plot(browser: Any, tmp_path: Path) -> None:
    texts = ["A B C", "D E F G H I J", "K L"]
    open_report(browser, evaluate(texts, texts, details=[{"speaker": name} for name in SPEAKERS]), tmp_path)
    assert browser.find_elements(By.CSS_SELECTOR, ".chart") == []
    assert browser.find_element(By.ID, "charts").text == "No plots: there are no errors."


def test_plots_explain_lines_arrows_and_bars(browser: Any, tmp_path: Path) -> None:
    references = ["A B C D E F G"] * 9 + ["A"] * 3
    hypotheses = ["A B C D E F X"] * 9 + ["A", "A", "X " * 30]
    open_report(browser, evaluate(references, hypotheses), tmp_path)
    note = browser.find_element(By.CSS_SELECTOR, ".chart .note").text
    assert note == (
        "Lines: 95 % intervals; an arrow: it ends beyond the scale. Grey bars: number of utterances, at most 9. "
        "Click a bin to list its utterances."
    )


def test_scripts_from_right_to_left(browser: Any, tmp_path: Path) -> None:
    open_report(browser, evaluate(["שלום עולם", "GO ON"], ["שלוט עולם", "GO IN"], names=["<ours>"]), tmp_path)
    rows = browser.execute_script("""
        return [...document.querySelectorAll('.alignment')].map((table) => [
          getComputedStyle(table).direction,
          ...[...table.querySelectorAll('.said')].map((word) => word.getBoundingClientRect().left),
        ]);""")
    directions = {direction: first - second for direction, first, second in rows}
    assert directions["rtl"] > 0 > directions["ltr"]
    words = browser.execute_script("""
        return [...document.querySelectorAll('.find[data-kind=s]')].map((e) => [...e.children].map((part) => part.getBoundingClientRect().left));""")
    assert all(left == sorted(left) for left in words)  # reference, arrow, hypothesis


def test_figures_of_one_system_fit_a_phone(browser: Any, tmp_path: Path) -> None:
    open_report(browser, evaluate(["A B C D"] * 9, ["A B C X"] * 9, names=["the embedded model"]), tmp_path, width=375)
    assert browser.find_element(By.CSS_SELECTOR, ".figures thead").size["height"] <= 1  # the name stands above it
    cell = browser.find_element(By.CSS_SELECTOR, ".figures td")
    assert cell.text.replace("\u00a0", " ") == "9 25.00 %"


def test_errors_of_readable_text_are_listed(tmp_path: Path, browser: Any) -> None:
    found = evaluate(["Go home, now.", "Yes."], ["go home now!", "Yes."], normalizer="librispeech", samples=0, readable=True)
    (page,) = write_report(found, tmp_path / "readable.html")
    browser.get(page.as_uri())
    results = [card.find_element(By.CSS_SELECTOR, ".about .name").text for card in browser.find_elements(By.CSS_SELECTOR, ".utterance")]
    assert sorted(results) == ["0 errors · 0 % · 2 punctuation errors · 1 case error", "correct"]

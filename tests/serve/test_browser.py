"""The page in a browser: a clip goes in; its words can be read, clicked, heard and saved."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import srt
from serve_support import EXAMPLES, Live, Parrot, serving

from asr.serve.settings import ServeSettings
from asr.transcribe import Transcriber

selenium = pytest.importorskip("selenium", reason="needs pip install 'las-asr[test]'")

from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

RIVER = EXAMPLES / "river.flac"
SECONDS = 60  # for a busy machine
SHOTS = os.environ.get("ASR_SCREENSHOTS")  # a folder: the pages as they were seen are saved there
WIDTHS = {"wide": (1200, 1000), "phone": (390, 844)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(saved: Path) -> Iterator[Chrome]:
    chromium, driver = (shutil.which(n) for n in ("chromium", "chromedriver"))
    if not chromium or not driver:
        pytest.skip("chromium or its chromedriver is not installed (Debian's packages chromium and chromium-driver have them)")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--window-size=1200,1000",
    ):  # fmt: skip
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(saved)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = Chrome(options=options, service=ChromeService(driver))
    yield running
    running.quit()


def until(browser: Chrome, what: str) -> None:
    """Wait for an expression of JavaScript to be true."""
    WebDriverWait(browser, SECONDS, 0.1).until(lambda b: b.execute_script(f"return Boolean({what})"), what)


def texts(browser: Chrome) -> list[str]:
    return [word.text for word in browser.find_elements(By.CSS_SELECTOR, "#words button")]


def complaints(browser: Chrome) -> list[str]:
    """Errors in the console: of scripts, of the content security policy, of files that are not there."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def heard(browser: Chrome, server: Live) -> Chrome:
    """The page, after the clip has been transcribed."""
    browser.get_log("browser")
    browser.set_window_size(*WIDTHS["wide"])
    browser.get(server.url)
    browser.find_element(By.ID, "file").send_keys(str(RIVER))
    until(browser, "document.querySelector('#download-srt')")
    return browser


def test_a_clip_is_transcribed_heard_and_saved(heard: Chrome, transcriber: Transcriber, saved: Path) -> None:
    expected = transcriber.transcribe(RIVER)
    assert texts(heard) == [word.text for word in expected.words]

    number = 4
    until(heard, "document.querySelector('#audio').readyState >= 2")
    heard.execute_script("document.querySelector('#audio').playbackRate = 0.1")  # so that the word is not over before it is looked at
    heard.find_elements(By.CSS_SELECTOR, "#words button")[number].click()
    until(heard, f"document.querySelector('#audio').currentTime >= {expected.words[number].start - 0.01}")
    position = heard.execute_script("return document.querySelector('#audio').currentTime")
    assert expected.words[number].start - 0.01 <= position <= expected.words[number].start + 1.5
    until(heard, "document.querySelector('#words .heard')")
    lit = heard.find_element(By.CSS_SELECTOR, "#words .heard")
    assert lit.get_attribute("aria-current") == "true"
    assert lit.text == expected.words[number].text
    heard.execute_script("document.querySelector('#audio').pause()")

    heard.find_element(By.ID, "download-srt").click()
    file = saved / "river.srt"
    deadline = time.monotonic() + SECONDS
    while not file.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    cues = list(srt.parse(file.read_text(encoding="utf-8")))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == expected.text
    assert complaints(heard) == []


def test_the_pictures_show_where_the_speller_looked(heard: Chrome) -> None:
    """Not blank, and each label stands under the place where its word is said."""
    words, drawn = heard.execute_script(
        """
        const canvas = document.querySelector(".picture canvas");
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [
          [...document.querySelectorAll(".label")].map((l) => [l.textContent, (l.offsetLeft + l.offsetWidth / 2) / canvas.clientWidth]),
          new Set(new Uint32Array(pixels.buffer)).size,
        ];
        """
    )
    assert [text for text, _ in words] == texts(heard)
    assert drawn > 200  # colours
    places = [place for _, place in words]
    assert sum(a < b for a, b in pairwise(places)) >= len(places) - 2


def test_words_can_be_reached_by_keyboard(heard: Chrome) -> None:
    until(heard, "document.querySelector('#audio').readyState >= 2")
    heard.find_element(By.ID, "download-json").send_keys(Keys.TAB)
    assert heard.switch_to.active_element.text == texts(heard)[0]
    heard.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert heard.switch_to.active_element.text == texts(heard)[2]
    before = heard.execute_script("return document.querySelector('#audio').currentTime")
    heard.switch_to.active_element.send_keys(Keys.ENTER)
    until(heard, f"document.querySelector('#audio').currentTime > {before}")
    heard.switch_to.active_element.send_keys(Keys.END)
    assert heard.switch_to.active_element.text == texts(heard)[-1]
    heard.execute_script("document.querySelector('#audio').pause()")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", list(WIDTHS))
def test_nothing_is_cut_off_or_faint(heard: Chrome, width: str, theme: str) -> None:
    heard.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    size = {"width": WIDTHS[width][0], "height": WIDTHS[width][1], "deviceScaleFactor": 1, "mobile": width == "phone"}
    heard.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        until(heard, f"window.innerWidth === {WIDTHS[width][0]}")
        assert heard.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        paper, ink = heard.execute_script("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
        assert contrast(paper, ink) >= 7
        assert (luminance(paper) > 0.5) == (theme == "light")
        if SHOTS:
            heard.execute_script("document.querySelectorAll('#words button')[4].click()")
            time.sleep(0.3)
            heard.execute_script("document.querySelector('#audio').pause()")
            heard.save_screenshot(str(Path(SHOTS) / f"{width}-{theme}.png"))
            heard.execute_script("window.scrollTo(0, 1e6)")
            heard.save_screenshot(str(Path(SHOTS) / f"{width}-{theme}-below.png"))
    finally:
        heard.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        heard.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def luminance(colour: str) -> float:
    """of `rgb(r, g, b)`, as WCAG 2 has it"""
    parts = [int(p) / 255 for p in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_what_is_no_recording_is_said_on_the_page(browser: Chrome, server: Live) -> None:
    browser.get(server.url)
    browser.find_element(By.ID, "file").send_keys(str(Path(__file__)))
    until(browser, "!document.querySelector('#error').hidden")
    assert "cannot be decoded" in browser.find_element(By.ID, "error").text


def test_the_microphone_is_a_recording_too(browser: Chrome, server: Live) -> None:
    """The browser's pretended microphone beeps: nobody speaks."""
    browser.get(server.url)
    browser.find_element(By.ID, "record").click()
    until(browser, "document.querySelector('#record-label').textContent.startsWith('Stop (1')")
    browser.find_element(By.ID, "record").click()
    until(browser, "document.querySelector('#download-txt')")
    assert browser.find_element(By.ID, "name").text == "recording.webm"
    assert browser.find_element(By.ID, "error").text == ""


def test_the_page_asks_for_the_key(browser: Chrome) -> None:
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot, ServeSettings(api_key="open-sesame")) as live:  # type: ignore[arg-type, return-value]
        browser.get(live.url)
        browser.find_element(By.ID, "file").send_keys(str(EXAMPLES / "README.md"))
        until(browser, "document.activeElement.id === 'key'")
        browser.switch_to.active_element.send_keys("open-sesame", Keys.ENTER)
        until(browser, "!document.querySelector('#error').hidden")
        assert "cannot be decoded" in browser.find_element(By.ID, "error").text


def test_the_documentation_is_shown_without_a_network(browser: Chrome, server: Live) -> None:
    browser.get_log("browser")
    browser.get(f"{server.url}/docs")
    until(browser, "document.body.textContent.includes('/v1/audio/transcriptions')")
    assert complaints(browser) == []

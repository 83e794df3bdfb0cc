"""The page in a browser: upload, transcript, playback, copy, downloads, microphone, errors, accessibility."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import srt
from serve_support import EXAMPLES, Live, Parrot, node_modules, said, serving

from asr.serve.settings import ServeSettings
from asr.speech.segment import SpeechSegment
from asr.transcribe import Transcriber
from asr.transcript import Segment

selenium = pytest.importorskip("selenium", reason="needs pip install 'las-asr[test]'")

from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

RIVER = EXAMPLES / "river.flac"
RATE = 16_000
SECONDS = 60  # for a busy machine
SCREENSHOTS = os.environ.get("ASR_SCREENSHOTS")  # a folder in which screenshots are saved
SIZES = {"wide": (1200, 1000), "phone": (360, 780)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All example clips with pauses between them: several segments."""
    pause = np.zeros(2 * RATE, np.float32)
    parts = [part for clip in sorted(EXAMPLES.glob("*.flac")) for part in (soundfile.read(clip, dtype="float32")[0], pause)]
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


@pytest.fixture(scope="module")
def browser(saved: Path, talk: Path) -> Iterator[Chrome]:
    """Chromium, whose microphone plays `talk` in a loop."""
    chromium, driver = (shutil.which(n) for n in ("chromium", "chromedriver"))
    if not chromium or not driver:
        pytest.skip("chromium or its chromedriver is not installed (Debian's packages chromium and chromium-driver have them)")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={talk}", "--window-size=1200,1000",
    ):  # fmt: skip
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(saved)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = Chrome(options=options, service=ChromeService(driver))
    running.set_script_timeout(SECONDS)
    yield running
    running.quit()


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    return (node_modules("axe-core") / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def until(browser: Chrome, condition: str) -> None:
    """Wait for an expression of JavaScript to be true."""
    WebDriverWait(browser, SECONDS, 0.1).until(lambda b: b.execute_script(f"return Boolean({condition})"), condition)


def visible(name: str) -> str:
    """A condition for `until`: the element with this id is visible."""
    return f"document.getElementById('{name}')?.checkVisibility()"


def text(browser: Chrome, name: str) -> str:
    return str(browser.execute_script("return document.getElementById(arguments[0]).innerText", name))


def words(browser: Chrome) -> list[str]:
    return [word.text for word in browser.find_elements(By.CSS_SELECTOR, "#segments .word")]


def severe_messages(browser: Chrome) -> list[str]:
    """Errors in the console: of scripts, of the content security policy, of missing files."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def allow(browser: Chrome, live: Live, name: str, setting: str = "granted") -> None:
    browser.execute_cdp_cmd("Browser.setPermission", {"permission": {"name": name}, "setting": setting, "origin": live.url})


def upload(browser: Chrome, live: Live, path: Path) -> None:
    browser.get_log("browser")
    browser.get(live.url)
    browser.find_element(By.ID, "file").send_keys(str(path))


def violations(browser: Chrome, axe: str) -> list[str]:
    """Serious and critical violations that axe-core finds."""
    browser.execute_script(axe)
    found = browser.execute_async_script("axe.run().then((result) => arguments[0](result.violations))")
    return [f"{v['id']}: {node['html'][:200]}" for v in found if v["impact"] in ("serious", "critical") for node in v["nodes"]]


def save_screenshot(browser: Chrome, name: str) -> None:
    if SCREENSHOTS:
        time.sleep(0.3)
        browser.save_screenshot(str(Path(SCREENSHOTS) / f"{name}.png"))


class Halting(Parrot):
    """Recognises one batch, and waits with the next ones."""

    def recognize(self, speech: Sequence[SpeechSegment]) -> list[Segment | None]:
        if self.begun.is_set():
            self.let.wait(60)
        self.begun.set()
        return [said(one) for one in speech]


@pytest.fixture
def result(browser: Chrome, server: Live) -> Chrome:
    """The page with the transcript of a clip."""
    browser.set_window_size(*SIZES["wide"])
    upload(browser, server, RIVER)
    until(browser, visible("download-srt"))
    return browser


def test_a_clip_is_transcribed_played_and_saved(result: Chrome, transcriber: Transcriber, saved: Path) -> None:
    expected = transcriber.transcribe(RIVER)
    assert words(result) == [word.text for word in expected.words]

    number = 4
    until(result, "document.querySelector('#audio').readyState >= 2")
    result.execute_script("document.querySelector('#audio').playbackRate = 0.1")  # so that the word is not over too soon
    result.find_elements(By.CSS_SELECTOR, "#segments .word")[number].click()
    until(result, f"document.querySelector('#audio').currentTime >= {expected.words[number].start - 0.01}")
    position = result.execute_script("return document.querySelector('#audio').currentTime")
    assert expected.words[number].start - 0.01 <= position <= expected.words[number].start + 1.5
    until(result, "document.querySelector('#segments .playing')")
    lit = result.find_element(By.CSS_SELECTOR, "#segments .playing")
    assert lit.get_attribute("aria-current") == "true"
    assert lit.text == expected.words[number].text
    result.execute_script("document.querySelector('#audio').pause()")

    result.find_element(By.ID, "download-srt").click()
    file = saved / "river.srt"
    deadline = time.monotonic() + SECONDS
    while not file.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    cues = list(srt.parse(file.read_text(encoding="utf-8")))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == expected.text
    assert severe_messages(result) == []


def test_segments_have_times_that_play(browser: Chrome, server: Live, transcriber: Transcriber, talk: Path) -> None:
    expected = transcriber.transcribe(talk).segments
    upload(browser, server, talk)
    until(browser, visible("download-srt"))
    times = browser.find_elements(By.CSS_SELECTOR, "#segments .time")
    assert [time.text for time in times] == [f"0:{int(segment.start):02}" for segment in expected]
    assert times[2].get_attribute("aria-label") == f"Play from {times[2].text}"
    times[2].click()
    until(browser, f"document.querySelector('#audio').currentTime >= {expected[2].start - 0.01}")
    assert not browser.execute_script("return document.querySelector('#audio').paused")
    browser.execute_script("document.querySelector('#audio').pause()")


def test_the_transcript_can_be_copied(result: Chrome, server: Live, transcriber: Transcriber) -> None:
    allow(result, server, "clipboard-write")
    allow(result, server, "clipboard-read")
    result.find_element(By.ID, "copy").click()
    until(result, "document.querySelector('#copy').textContent === 'Copied'")
    copied = result.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == transcriber.transcribe(RIVER).text + "\n"


def test_a_page_without_the_clipboard_api_copies(result: Chrome, server: Live, transcriber: Transcriber) -> None:
    """As a page at http:// does."""
    allow(result, server, "clipboard-write")
    allow(result, server, "clipboard-read")
    result.execute_async_script("navigator.clipboard.writeText('before').then(arguments[0])")
    result.execute_script("navigator.clipboard.writeText = () => Promise.reject()")
    result.find_element(By.ID, "copy").click()
    until(result, "document.querySelector('#copy').textContent === 'Copied'")
    copied = result.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == transcriber.transcribe(RIVER).text + "\n"
    assert result.execute_script("return document.activeElement.id") == "copy"


def test_the_pictures_show_the_attention(result: Chrome) -> None:
    """They are not blank, and each label is under the place at which its word is spoken."""
    labels, colours = result.execute_script(
        """
        const canvas = document.querySelector(".picture canvas");
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [
          [...document.querySelectorAll(".label")].map((l) => [l.textContent, (l.offsetLeft + l.offsetWidth / 2) / canvas.clientWidth]),
          new Set(new Uint32Array(pixels.buffer)).size,
        ];
        """
    )
    assert [label for label, _ in labels] == words(result)
    assert colours > 200
    places = [place for _, place in labels]
    assert sum(a < b for a, b in pairwise(places)) >= len(places) - 2


def test_the_transcript_is_used_by_keyboard(browser: Chrome, server: Live, talk: Path) -> None:
    upload(browser, server, talk)
    until(browser, visible("download-json"))
    until(browser, "document.querySelector('#audio').readyState >= 2")
    first, second = browser.find_elements(By.CSS_SELECTOR, "#segments li")[:2]
    browser.find_element(By.ID, "download-json").send_keys(Keys.TAB)

    def focused() -> str:
        return browser.switch_to.active_element.text

    def press(*keys: str) -> str:
        browser.switch_to.active_element.send_keys(*keys)
        return focused()

    assert focused() == "0:00"
    assert press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT) == words(browser)[1]
    assert press(Keys.ARROW_UP) == "0:00"
    assert press(Keys.ARROW_DOWN) == second.find_element(By.CLASS_NAME, "time").text
    assert press(Keys.ARROW_LEFT) == first.find_elements(By.CLASS_NAME, "word")[-1].text
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(browser, "document.querySelector('#audio').currentTime > 0.5")
    assert press(Keys.END) == words(browser)[-1]
    assert browser.execute_script("return document.querySelectorAll('#segments [tabindex=\"0\"]').length") == 1
    browser.execute_script("document.querySelector('#audio').pause()")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_nothing_is_cut_off_or_faint(result: Chrome, size: str, theme: str) -> None:
    width, height = SIZES[size]
    result.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    result.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        until(result, f"window.innerWidth === {width}")
        assert result.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        paper, ink = result.execute_script("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
        assert contrast(paper, ink) >= 7
        assert (luminance(paper) > 0.5) == (theme == "light")
        save_screenshot(result, f"{size}-{theme}")
    finally:
        result.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        result.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)` as defined by WCAG 2."""
    parts = [int(p) / 255 for p in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_appears_during_recognition_and_cancel_frees_the_place(browser: Chrome, talk: Path) -> None:
    parrot = Halting()
    settings = ServeSettings(batch_seconds=3.0, requests=1)
    with serving(lambda: parrot, settings) as live:  # type: ignore[arg-type, return-value]
        upload(browser, live, talk)
        until(browser, "document.querySelectorAll('#segments li').length")
        assert browser.find_element(By.ID, "status").text.startswith("Transcribing … ")
        assert not browser.find_elements(By.ID, "download-txt")
        assert live.figure("asr_requests_under_way") == 1
        browser.find_element(By.ID, "cancel").send_keys(Keys.ENTER)
        assert live.is_clean()
        assert not browser.find_element(By.ID, "work").is_displayed()
        assert browser.execute_script("return document.activeElement.id") == "file"  # not on the button that disappeared
        assert text(browser, "announcement") == "Cancelled."
        assert words(browser)  # the text so far stays
        parrot.let.set()
        browser.find_element(By.ID, "retry").click()
        until(browser, visible("download-txt"))


def test_progress_is_not_announced_at_every_change(browser: Chrome, server: Live, talk: Path) -> None:
    browser.get(server.url)
    browser.execute_script(
        """
        window.announced = [];
        const region = document.getElementById("announcement");
        new MutationObserver(() => window.announced.push(region.textContent)).observe(region, { childList: true });
        """
    )
    browser.find_element(By.ID, "file").send_keys(str(talk))
    until(browser, visible("download-srt"))
    announced = [text for text in browser.execute_script("return window.announced") if text]
    assert announced == ["Uploading.", "Transcribing.", f"Done: {len(words(browser))} words."]
    assert browser.execute_script("return document.getElementById('status').closest('[role=status], [aria-live]')") is None


def test_a_file_that_is_no_recording(browser: Chrome, server: Live) -> None:
    upload(browser, server, Path(__file__))
    until(browser, visible("error"))
    assert (
        text(browser, "error") == "The file cannot be decoded: it is damaged, or no recording: check that it plays, or convert it to WAV."
    )


def test_a_file_over_the_limit_is_not_sent(browser: Chrome, tmp_path: Path) -> None:
    parrot = Parrot()
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(3 * 2**20))
    with serving(lambda: parrot, ServeSettings(upload_bytes=2**20)) as live:  # type: ignore[arg-type, return-value]
        browser.get(live.url)
        until(browser, "document.getElementById('limits').textContent")
        assert text(browser, "limits") == "Language: English. At most 1 MiB and 2 hours."
        browser.find_element(By.ID, "file").send_keys(str(large))
        until(browser, visible("error"))
        assert text(browser, "error") == "The file has 3 MiB, and this server accepts 1: send it in parts."
        assert live.figure("asr_uploads_under_way") == 0


def test_the_language_appears_once_the_model_is_loaded(browser: Chrome) -> None:
    loaded = threading.Event()
    parrot = Parrot()

    def load() -> Transcriber:
        loaded.wait(SECONDS)
        return parrot  # type: ignore[return-value]

    with serving(load, wait=False) as live:
        browser.get(live.url)
        until(browser, "document.getElementById('limits').textContent")
        assert text(browser, "limits") == "At most 100 MiB and 2 hours."
        loaded.set()
        until(browser, "document.getElementById('limits').textContent.startsWith('Language: English. ')")


def test_notes_on_a_recording_are_shown(browser: Chrome, server: Live, tmp_path: Path) -> None:
    cut = tmp_path / "cut.flac"
    cut.write_bytes(RIVER.read_bytes()[: RIVER.stat().st_size // 2])
    upload(browser, server, cut)
    until(browser, visible("download-srt"))
    assert text(browser, "notes").startswith("Note: breaks off at 0:0")
    assert text(browser, "announcement").endswith(text(browser, "notes"))


def test_another_file_replaces_the_one_in_progress(browser: Chrome, talk: Path, tmp_path: Path) -> None:
    """Though it cannot be sent."""
    parrot = Halting()
    empty = tmp_path / "empty.wav"
    empty.touch()
    with serving(lambda: parrot, ServeSettings(batch_seconds=3.0)) as live:  # type: ignore[arg-type, return-value]
        upload(browser, live, talk)
        until(browser, "document.querySelectorAll('#segments li').length")
        browser.find_element(By.ID, "file").send_keys(str(empty))
        until(browser, visible("error"))
        assert text(browser, "error") == "The file is empty: choose another one."
        assert not browser.find_element(By.ID, "work").is_displayed()
        assert not browser.find_element(By.ID, "again").is_displayed()
        assert live.is_clean()
        parrot.let.set()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "data.items.add(new File(['a'], 'a.wav')); data.items.add(new File(['b'], 'b.wav'));",
            "Only one recording at a time: choose one file.",
        ),
        (
            "File.prototype.slice = () => ({ arrayBuffer: () => Promise.reject() });"  # as of a folder, or of a file that was moved
            "XMLHttpRequest.prototype.send = function () { this.onerror(); };"
            "data.items.add(new File(['a'], 'a.wav'));",
            "The file cannot be read: it is a folder, or was changed or moved. Choose it again.",
        ),
    ],
)
def test_what_cannot_be_dropped(browser: Chrome, server: Live, script: str, says: str) -> None:
    browser.get(server.url)
    browser.execute_script(
        f"const data = new DataTransfer(); {script} document.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true }}));"
    )
    until(browser, visible("error"))
    assert text(browser, "error") == says


def test_the_cancel_button_is_whole_on_a_phone(browser: Chrome, talk: Path) -> None:
    parrot = Halting()
    with serving(lambda: parrot, ServeSettings(batch_seconds=3.0)) as live:  # type: ignore[arg-type, return-value]
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True})
        try:
            upload(browser, live, talk)
            until(browser, "document.querySelectorAll('#segments li').length")
            lines = "const r = document.createRange(); r.selectNodeContents(document.getElementById('cancel')); return r.getClientRects().length"
            assert browser.execute_script(lines) == 1
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            browser.get("about:blank")
            parrot.let.set()


def test_a_failed_transcription_can_be_tried_again(browser: Chrome) -> None:
    """A recording of the microphone exists in the page only: an error must not lose it."""
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot) as live:  # type: ignore[arg-type, return-value]
        live.service.stopping = True
        upload(browser, live, RIVER)
        until(browser, visible("error"))
        assert text(browser, "error") == "The server is stopping: try again in a few seconds."
        live.service.stopping = False
        assert not browser.find_element(By.ID, "save").is_displayed()  # the user has the file
        browser.find_element(By.ID, "retry").send_keys(Keys.ENTER)
        until(browser, visible("download-txt"))
        assert browser.execute_script("return document.activeElement.id") == "name"
        assert not browser.find_element(By.ID, "error").is_displayed()


def test_text_appears_while_the_microphone_records(browser: Chrome, server: Live) -> None:
    allow(browser, server, "microphone")
    browser.get_log("browser")
    browser.get(server.url)
    browser.find_element(By.ID, "record").click()
    until(browser, "document.querySelector('#spoken').textContent.includes('624')")
    assert text(browser, "record-label").startswith("Stop (0:")
    assert browser.find_element(By.ID, "file").get_attribute("disabled")
    browser.find_element(By.ID, "record").click()
    until(browser, visible("download-txt"))
    assert text(browser, "name") == "recording.webm"
    assert "624" in " ".join(words(browser))
    assert not browser.find_element(By.ID, "live").is_displayed()
    assert severe_messages(browser) == []
    assert server.is_clean()


def test_a_recording_survives_a_server_that_is_gone(browser: Chrome, saved: Path) -> None:
    """The page says so while it records. A second click on Stop does not begin another recording; the recording can be saved, or sent again."""
    parrot = Parrot()
    parrot.let.set()
    busy = "The server is busy or cannot be reached. The recording goes on, and the text follows."
    with serving(lambda: parrot) as live:  # type: ignore[arg-type, return-value]
        allow(browser, live, "microphone")
        browser.get(live.url)
        live.service.stopping = True
        browser.find_element(By.ID, "record").send_keys(Keys.ENTER)
        until(browser, f"document.getElementById('live-note').textContent === '{busy}'")
        assert text(browser, "announcement") == busy
        live.service.stopping = False
        until(browser, "document.getElementById('live-note').textContent.startsWith('Speak: ')")
        leaving = "const event = new Event('beforeunload', { cancelable: true }); dispatchEvent(event); return event.defaultPrevented"
        assert browser.execute_script(leaving)

        live.service.stopping = True
        browser.find_element(By.ID, "record").click()
        until(browser, visible("error"))
        assert text(browser, "live-note") == ""  # no text will replace it
        assert browser.execute_script(leaving)
        browser.find_element(By.ID, "save").click()
        file = saved / "recording.webm"
        WebDriverWait(browser, SECONDS, 0.1).until(lambda _: file.is_file() and file.stat().st_size > 1000)

        parrot.let.clear()
        live.service.stopping = False
        browser.find_element(By.ID, "retry").send_keys(Keys.ENTER)
        until(browser, visible("cancel"))
        assert browser.execute_script("return document.activeElement.id") == "cancel"
        assert not browser.find_element(By.ID, "record").is_enabled()
        assert not browser.find_element(By.ID, "file").is_enabled()
        parrot.let.set()
        until(browser, visible("download-txt"))
        assert browser.find_element(By.ID, "record").is_enabled()
        assert not browser.execute_script(leaving)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("delete window.MediaRecorder", "This browser cannot record: it has no MediaRecorder."),
        ("Object.defineProperty(window, 'isSecureContext', { value: false })", "The microphone needs a page at https:// or on localhost."),
    ],
)
def test_a_browser_that_cannot_record(browser: Chrome, server: Live, script: str, says: str) -> None:
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        browser.get(server.url)
        assert browser.find_element(By.ID, "microphone").text == says
        assert not browser.find_element(By.ID, "record").is_enabled()
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_a_blocked_microphone(browser: Chrome, server: Live) -> None:
    blocked = "The microphone is blocked for this page: allow it in the settings of the browser."
    allow(browser, server, "microphone", "denied")
    browser.get(server.url)
    until(browser, visible("microphone"))
    assert text(browser, "microphone") == blocked
    browser.find_element(By.ID, "record").click()
    until(browser, visible("error"))
    assert text(browser, "error") == blocked
    allow(browser, server, "microphone")
    until(browser, f"!{visible('microphone')}")


def test_axe_finds_nothing_serious(browser: Chrome, server: Live, talk: Path, axe: str) -> None:
    """On the empty page, during recognition, on a result and on an error, light and dark, wide and on a phone."""
    parrot = Halting()
    with serving(lambda: parrot, ServeSettings(batch_seconds=3.0)) as halting:  # type: ignore[arg-type, return-value]
        states = {
            "empty": lambda: browser.get(server.url),
            "during": lambda: (upload(browser, halting, talk), until(browser, "document.querySelector('#segments li')")),
            "result": lambda: (upload(browser, server, RIVER), until(browser, visible("download-srt"))),
            "error": lambda: (upload(browser, server, Path(__file__)), until(browser, visible("error"))),
        }
        found = {}
        for name, prepare in states.items():
            prepare()
            for theme, (width, height) in {"light": SIZES["wide"], "dark": SIZES["phone"]}.items():
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
                metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
                found[name, theme] = violations(browser, axe)
                save_screenshot(browser, f"{name}-{theme}")
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.get("about:blank")
        parrot.let.set()
    assert {key: value for key, value in found.items() if value} == {}


def test_the_page_asks_for_the_key(browser: Chrome) -> None:
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot, ServeSettings(api_key="open-sesame")) as live:  # type: ignore[arg-type, return-value]
        upload(browser, live, EXAMPLES / "README.md")
        until(browser, "document.activeElement.id === 'key'")
        browser.switch_to.active_element.send_keys("open-sesame", Keys.ENTER)
        until(browser, visible("error"))
        assert "cannot be decoded" in text(browser, "error")


def test_the_documentation_is_shown_without_a_network(browser: Chrome, server: Live) -> None:
    browser.get_log("browser")
    browser.get(f"{server.url}/docs")
    until(browser, "document.body.textContent.includes('/v1/audio/transcriptions')")
    assert severe_messages(browser) == []

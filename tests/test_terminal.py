"""No text steers a terminal, and none is changed on its way into a file."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.markdown import Markdown
from rich.table import Table

from asr.terminal import SafeConsole, escape_controls, print_result

EVIL = "\x1b]0;owned\x07 \x9b31m \x1b[2J \r \x08 \u202edlrow [red]x[/] [/nothing] [link=http://a.example]y[/link] :smile:"
SEEN = (
    "\\u001b]0;owned\\u0007 \\u009b31m \\u001b[2J \\u000d \\u0008 \\u202edlrow [red]x[/] [/nothing] [link=http://a.example]y[/link] :smile:"
)
OWN_CODES = re.compile("\x1b\\[[0-9;?]*[a-zA-Z]")  # colours and movements, which rich writes itself


def written(terminal: bool, *values: object) -> str:
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=terminal, width=400, color_system="truecolor" if terminal else None)
    for value in values:
        console.print(value)
    return out.getvalue()


def table() -> Table:
    found = Table(title=EVIL, caption=EVIL)
    found.add_column(EVIL)
    found.add_row(EVIL)
    return found


def test_a_terminal_is_shown_every_character() -> None:
    for text in (written(True, EVIL), written(True, table()), written(True, Markdown(escape_controls(EVIL)))):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", OWN_CODES.sub("", text))
        assert "\\u001b]0;owned\\u0007 \\u009b31m" in text
    assert written(True, EVIL) == SEEN + "\n"
    assert OWN_CODES.sub("", written(True, table())).count(SEEN) == 4


def test_bytes_that_no_string_can_hold_are_escaped() -> None:
    assert not re.search("[\x9b\x07\u202e]", written(True, Markdown(EVIL)))


def test_a_status_takes_no_markup() -> None:
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=True, width=200)
    with console.status(f"reading {EVIL} …"):
        pass
    assert "[/nothing]" in out.getvalue()
    assert "\x1b]0" not in out.getvalue()


def test_tabs_and_line_ends_stay() -> None:
    assert escape_controls("a\tb\nü 東京 \u200d👍🏽") == "a\tb\nü 東京 \u200d👍🏽"


def test_a_file_gets_the_text_unescaped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    print_result(EVIL + "\tx")
    assert capsys.readouterr().out == EVIL + "\tx\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_result(EVIL + "\tx")
    assert capsys.readouterr().out == SEEN + "\tx\n"
    assert "[red]x[/] [/nothing]" in written(False, EVIL)


def in_terminal(*command: str, folder: Path) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "asr", *command], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # Linux: the other end is closed
                break
            if not part:
                break
            found += part
        process.wait()
    os.close(ours)
    return found.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")
@pytest.mark.parametrize("command", ["score", "check", "info"])
def test_commands_in_a_terminal(tmp_path: Path, command: str) -> None:
    evil = "\x1b]0;owned\x07[/b]\u202e"
    lines = [
        {"id": f"{evil}{i}", "audio_filepath": f"{evil}.wav", "text": f"a {evil}", "pred_text": f"b{evil}", "speaker": evil}
        for i in (1, 1, 2)
    ]
    if command == "score":
        lines[1]["id"] = evil
    name = f"{evil}.json".replace("/", ":")
    (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    arguments = {
        "score": ["score", name, "--by", "speaker"],
        "check": ["manifest", "check", name],
        "info": ["info", f"./{name}"],
    }[command]
    text = in_terminal(*arguments, folder=tmp_path)
    assert "\\u001b]0;owned\\u0007" in text
    assert not re.search("\x1b\\]|\x07|\u202e", text)
    assert "Traceback" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")
@pytest.mark.parametrize(
    "arguments",
    [
        ("transcribe", "--EVIL"),
        ("manifest", "stats", "m.json", "EVIL"),
        ("transcribe", "a", "--profile", "EVIL"),
        ("EVIL",),
        ("prepare", "EVIL"),
        ("--EVIL",),
    ],
)
def test_usage_errors_in_a_terminal(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    evil = "\x1b]0;owned\x07\u202e"
    text = in_terminal(*(argument.replace("EVIL", evil) for argument in arguments), folder=tmp_path)
    assert "owned" in text
    assert not re.search("\x1b\\]|\x07|\u202e", text)
    assert "Error" in text

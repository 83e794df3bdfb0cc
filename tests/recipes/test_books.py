"""Whole books for the language model: which may be learnt, and what is left of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_support import recipe_script

TESTS = Path(__file__).resolve().parents[1]
books = recipe_script("librispeech/books.py")

WORDS = [
    "river",
    "stone",
    "lamp",
    "window",
    "garden",
    "harbour",
    "winter",
    "letter",
    "carriage",
    "summer",
    "candle",
    "forest",
    "bridge",
    "kitchen",
    "meadow",
    "shadow",
]


def sentence(chance: random.Random) -> str:
    words = [chance.choice(WORDS) for _ in range(chance.randint(8, 20))]
    words[chance.randint(3, 5)] += ","
    return " ".join(words).capitalize() + "."


def book(seed: int, sentences: int = 200) -> list[str]:
    """A book's paragraphs, a sentence each."""
    chance = random.Random(seed)
    return [sentence(chance) for _ in range(sentences)]


def known(sentences: list[str]) -> str:
    return "".join(f"{books.normalized(s)}\n" for s in sentences)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    (folder / "deeper").mkdir(parents=True)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["books.py", *map(str, arguments)])
    books.main()


def made(monkeypatch: pytest.MonkeyPatch, folder: Path, sentences: list[str], *more: object) -> list[str]:
    """The passages written out of the folder's books when these sentences are known."""
    (folder.parent / "known.txt").write_text(known(sentences))
    output = folder.parent / "out.txt"
    run(monkeypatch, folder, "--known", folder.parent / "known.txt", "--output", output, "--processes", 1, *more)
    return output.read_text().splitlines()


class InThisProcess:
    """A pool without processes of its own."""

    def __init__(self, processes: int, initializer, initargs):
        (books._cleared,) = initargs

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *error: object) -> None: ...

    def map(self, function, items):
        return map(function, items)


def words(lines: list[str]) -> list[str]:
    return [word for line in lines for word in line.split()]


# ---------------------------------------------------------------- which books


def test_only_books_known_in_every_part_are_taken(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    cleared, half, sparse, foreign = (book(seed) for seed in range(4))
    for name, text in {"cleared": cleared, "deeper/half": half, "sparse": sparse, "foreign": foreign}.items():
        (folder / f"{name}.txt").write_text("\n\n".join(text))
    lines = made(monkeypatch, folder, [*cleared[::7], *half[:100], *sparse[::25]])
    assert words(lines) == words([books.normalized(s) for s in cleared])


def test_a_duplicate_book_is_used_once(monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = book(1), book(2, 100)
    (folder / "a.txt").write_text("\n\n".join(one[:150]))
    (folder / "b.txt").write_text("\n\n".join(one))
    (folder / "c.txt").write_text("\n\n".join(other))
    lines = made(monkeypatch, folder, [*one[::5], *other[::5]])
    assert words(lines) == words([books.normalized(s) for s in [*one, *other]])  # the larger first
    assert "3 texts, 3 of them cleared, 1 there twice\nout.txt: 2 books" in capsys.readouterr().out


def test_processes_and_the_order_of_files_change_nothing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for seed in range(4):
        (folder / f"{seed}.txt").write_text("\n\n".join(book(seed)))
    sentences = [s for seed in range(4) for s in book(seed)[::5]]
    lines = made(monkeypatch, folder, sentences)
    assert made(monkeypatch, folder, sentences, "--processes", 2) == lines
    again = made(monkeypatch, folder, sentences, "--seed", 2)
    assert again != lines
    assert words(again) == words(lines)


# ---------------------------------------------------------------- what is in them


def test_notices_and_headings_go(folder: Path) -> None:
    path = folder / "a.txt"
    path.write_bytes(
        "Title: Emma\r\n*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***\r\n\r\nCHAPTER I\r\n\r\nEmma Woodhouse, handsome,\r\nclever.\r\n\r\n"
        "The Second Chapter\r\n\r\nShe was caf\xe9.\r\n\r\nEnd of the Project Gutenberg EBook\r\n\r\nDonate.".encode("latin-1")
    )
    assert list(books.paragraphs(books.read_book(path))) == ["Emma Woodhouse, handsome, clever.", "She was café."]


def test_tei(folder: Path) -> None:
    path = folder / "a.xml"
    path.write_text(
        "<TEI><teiHeader><p>Written by no one.</p></teiHeader><text><body><head>The First.</head><p>Fish &amp; <hi>chips</hi> went<note>A note."
        "</note> by.</p><p>They ate.</p></body></text></TEI>"
    )
    assert list(books.normalized_sentences(books.read_book(path))) == ["FISH CHIPS WENT BY", "THEY ATE"]


def test_markdown(folder: Path) -> None:
    path = folder / "a.md"
    path.write_text(
        "# Title: Emma\n\n## Year: 1815\n\n-------\n\n### I.\n\nShe was *not* _amused_,\nat all.\n\n> They  ate\\.\n", encoding="utf-8"
    )
    assert list(books.normalized_sentences(books.read_book(path))) == ["SHE WAS NOT AMUSED AT ALL", "THEY ATE"]
    assert " ".join(books.passages(books.read_book(path), random.Random(1))) == "SHE WAS NOT AMUSED AT ALL THEY ATE"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Mr. Brown met Mrs. Drew. Dr. St. John did not.", ["MISTER BROWN MET MISSUS DREW", "DOCTOR SAINT JOHN DID NOT"]),
        ("‘’Tis he,’ said J. Silver. “Who?” “He.”", ["TIS HE SAID J SILVER", "WHO", "HE"]),
        ("The dogs’ tails wagged o’ nights.", ["THE DOGS TAILS WAGGED O NIGHTS"]),
        ("It isn't so!  Is it?", ["IT ISN'T SO", "IS IT"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert list(books.normalized_sentences(text)) == sentences


def test_passages_are_cut_at_punctuation_alone_and_are_as_long_as_utterances() -> None:
    paragraphs = book(5, 3000)
    passages = list(books.passages("\n\n".join(paragraphs), random.Random(1)))
    phrases = [words([books.normalized(phrase)]) for s in paragraphs for phrase in s.split(", ")]
    ends, at = set(), 0
    for phrase in phrases:
        at += len(phrase)
        ends.add(at)
    at = 0
    for passage in passages:
        at += len(passage.split())
        assert at in ends
    lengths = [len(p.split()) for p in passages]
    assert max(lengths) <= books.PASSAGE_WORDS[1]
    assert sum(n <= 14 for n in lengths) / len(lengths) == pytest.approx(0.4, abs=0.1)  # the middle of 4 and 50 is 14; phrases overshoot
    assert words(passages) == words([books.normalized(s) for s in paragraphs])


def test_unspeakable_passages_are_left_out_without_joining_their_neighbours() -> None:
    text = "On that day, in 1815, he won, they say. It cost £5! Louis XIV came."
    assert list(books.passages(text, random.Random(1))) in (
        ["ON THAT DAY", "HE WON THEY SAY"],
        ["ON THAT DAY", "HE WON", "THEY SAY"],
    )


SLOW = """
import sys, time
from pathlib import Path
from tests_support import recipe_script

books = recipe_script("librispeech/books.py")

def read_book(path):
    (path.parent / "begun").touch()
    time.sleep(1)
    return ""

books.read_book = read_book
books.main()
"""


# ---------------------------------------------------------------- what cannot be done


def test_an_unreadable_file_affects_no_other(monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.txt").write_text("\n\n".join(book(1)))
    (folder / "b.txt").write_text("\n\n".join(book(2)))
    read = books.read_book

    def refuse(path: Path) -> str:
        if path.name == "b.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(books, "read_book", refuse)
    monkeypatch.setattr(books, "ProcessPoolExecutor", InThisProcess)
    assert words(made(monkeypatch, folder, [*book(1)[::5], *book(2)[::5]])) == words([books.normalized(s) for s in book(1)])
    assert capsys.readouterr().err.splitlines() == [f"{folder}/b.txt: left out, it cannot be read: Permission denied"]


def test_an_output_that_cannot_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.txt").write_text("\n\n".join(book(1)))
    (folder.parent / "out.txt").mkdir()
    with pytest.raises(SystemExit) as stopped:
        made(monkeypatch, folder, book(1))
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: {folder.parent}/out.txt: Is a directory"


@pytest.mark.parametrize(
    ("breaker", "message"),
    [
        (lambda folder: folder.rename(folder.with_name("elsewhere")), "{folder}: no such folder"),
        (lambda folder: (folder / "a.txt").unlink(), "{folder}: no .txt, .md or .xml file in there"),
        (lambda folder: (folder.parent / "known.txt").write_text("OTHER WORDS ALTOGETHER THAT NO BOOK HAS\n"), "none of 1 texts is a book"),
        (lambda folder: (folder.parent / "known.txt").unlink(), "{folder.parent}/known.txt: no such file (--known)"),
    ],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capsys: pytest.CaptureFixture[str], breaker, message: str
) -> None:
    (folder / "a.txt").write_text("\n\n".join(book(1)))
    (folder.parent / "known.txt").write_text(known(book(1)))
    breaker(folder)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, folder, "--known", folder.parent / "known.txt", "--output", folder.parent / "out.txt", "--processes", 1)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: " + message.format(folder=folder))
    assert not (folder.parent / "out.txt").exists()


def test_ctrl_c_is_one_line_of_all_processes_together(folder: Path) -> None:
    for i in range(60):
        (folder / f"{i}.txt").touch()
    (folder.parent / "known.txt").write_text(known(book(1)))
    arguments = [str(folder), "--known", str(folder.parent / "known.txt"), "--output", str(folder.parent / "out.txt")]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background are born deaf to it
    )
    end = time.monotonic() + 120
    while not (folder / "begun").exists():
        assert process.poll() is None
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    stopped = time.monotonic()
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, "error: stopped\n")
    assert time.monotonic() - stopped < 20  # and not the half minute that the others would take

"""What the user names is what is found, in that order; a mistake is one clear line."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from asr.errors import ManifestError, UsageError
from asr.inputs import Recording, expand


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in random.sample(names, len(names)):  # the order of a folder is nobody's
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def labels(*arguments: str) -> list[str]:
    return [recording.label for recording in expand(arguments)]


def outputs(*arguments: str) -> list[str]:
    return [recording.name for recording in expand(arguments)]


# ---------------------------------------------------------------- files and folders


def test_files_in_the_order_named(here: Path) -> None:
    touch("b.mp3", "talks/a.wav", "noending")
    [b, a, odd] = expand(["b.mp3", "talks/a.wav", "noending"])
    assert (b.label, b.name, b.utterance.id, b.utterance.audio_filepath) == ("b.mp3", "b", "b", Path("b.mp3"))
    assert (a.label, a.name, a.utterance.audio_filepath) == ("talks/a.wav", "a", Path("talks/a.wav"))
    assert (odd.name, odd.utterance.offset, odd.utterance.duration) == ("noending", 0.0, None)


def test_a_file_that_is_not_there_stays_in_the_list(here: Path) -> None:
    touch("a.mp3")
    assert labels("gone.mp3", "a.mp3", "no/such/folder/b.mp3") == ["gone.mp3", "a.mp3", "no/such/folder/b.mp3"]
    assert labels("x" * 5000, "nul\0.mp3") == ["x" * 5000, "nul\0.mp3"]


def test_a_folder_is_searched_in_all_its_depth(here: Path) -> None:
    touch("t/b.mp3", "t/A.WAV", "t/mon/c.webm", "t/mon/deep/d.sph", "t/notes.txt", "t/a.json", "t/.hidden.mp3", "t/.git/e.mp3", "t/mon.mp3")
    assert labels("t") == ["t/A.WAV", "t/b.mp3", "t/mon/c.webm", "t/mon/deep/d.sph", "t/mon.mp3"]
    assert outputs("t/") == ["A", "b", "mon/c", "mon/deep/d", "mon"]
    assert labels(".")[0] == "t/A.WAV"


def test_folders_of_the_same_names_keep_theirs(here: Path) -> None:
    touch("x/mon/a.mp3", "y/mon/a.mp3", "y/mon/b.mp3")
    assert outputs("x", "y") == ["x/mon/a", "y/mon/a", "mon/b"]
    assert outputs("x/mon/a.mp3", "y/mon/a.mp3") == ["x/mon/a", "y/mon/a"]


def test_links_are_followed_but_not_in_circles(here: Path) -> None:
    touch("t/a.mp3", "elsewhere/b.mp3")
    Path("t/again").symlink_to(here / "t", target_is_directory=True)
    Path("t/other").symlink_to(here / "elsewhere", target_is_directory=True)
    Path("t/twice").symlink_to(here / "elsewhere", target_is_directory=True)
    Path("t/broken.mp3").symlink_to("nowhere.mp3")
    assert labels("t") == ["t/a.mp3", "t/broken.mp3", "t/other/b.mp3"]


def test_a_folder_without_recordings_says_what_was_looked_for(here: Path) -> None:
    touch("t/notes.txt", "t/.hidden.mp3")
    with pytest.raises(UsageError, match=r"^t: holds no recordings; looked for .*\.flac.*\.mp3.*\.wav"):
        expand(["t"])


def test_a_folder_that_may_not_be_read_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch("t/a.mp3", "t/private/b.mp3")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "private":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", guarded)
    with pytest.raises(UsageError, match=r"^t/private: cannot be searched: Permission denied$"):
        expand(["t"])


def test_what_is_named_twice_is_taken_once(here: Path) -> None:
    touch("t/a.mp3", "t/b.mp3")
    assert labels("t/b.mp3", "t", "./t/../t/a.mp3", str(here / "t/b.mp3")) == ["t/b.mp3", "t/a.mp3"]


def test_nothing_named(here: Path) -> None:
    with pytest.raises(UsageError, match="nothing is named"):
        expand([])


def test_an_empty_argument_is_not_this_folder(here: Path) -> None:
    touch("a.mp3")
    with pytest.raises(UsageError, match="argument is empty"):
        expand(["a.mp3", ""])


# ---------------------------------------------------------------- globs


def test_globs_that_the_shell_left_alone(here: Path) -> None:
    touch("t/b.mp3", "t/a.mp3", "t/mon/c.mp3", "t/mon/d.wav", "t/.e.mp3")
    assert labels("t/*.mp3") == ["t/a.mp3", "t/b.mp3"]
    assert labels("t/**/*.mp3") == ["t/a.mp3", "t/b.mp3", "t/mon/c.mp3"]
    assert labels("t/mon/[cd].*") == ["t/mon/c.mp3", "t/mon/d.wav"]
    assert labels(f"{here}/t/?.mp3") == [f"{here}/t/a.mp3", f"{here}/t/b.mp3"]
    assert outputs("t/**/*.mp3") == ["a", "b", "c"]


def test_folders_among_the_matches_are_searched_and_may_be_empty(here: Path) -> None:
    touch("t/a.mp3", "t/mon/b.mp3", "t/empty/notes.txt")
    assert labels("t/*") == ["t/a.mp3", "t/mon/b.mp3"]
    with pytest.raises(UsageError, match=r"t/e\*: matches no recordings"):
        expand(["t/e*"])


def test_a_glob_without_a_match(here: Path) -> None:
    with pytest.raises(UsageError, match=r"t/\*\*/\*\.mp3: matches no file"):
        expand(["t/**/*.mp3"])


def test_a_file_may_be_called_like_a_glob(here: Path) -> None:
    touch("talk [1].mp3", "talk 1.mp3")
    assert labels("talk [1].mp3") == ["talk [1].mp3"]


# ---------------------------------------------------------------- manifests


def write(name: str, *lines: dict[str, object]) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_a_manifest_names_parts_of_recordings(here: Path) -> None:
    write("m/dev.json", {"audio_filepath": "a.wav", "id": "u1", "offset": 1.5, "duration": 2, "gender": "f"}, {"audio_filepath": "b.wav"})
    touch("c.mp3")
    [first, second, third] = expand(["m/dev.json", "c.mp3"])
    assert (first.label, first.name, first.utterance.id) == ("u1", "u1", "u1")
    u = first.utterance
    assert (u.audio_filepath, u.offset, u.duration, u.extra, u.source) == (Path("m/a.wav"), 1.5, 2.0, {"gender": "f"}, "m/dev.json:1")
    assert (second.label, second.name, third.name) == ("b", "b", "c")


def test_ids_cannot_lead_out_of_the_output_folder(here: Path) -> None:
    ids = ["../../etc/passwd", "..", "/abs", "a/b", "a\0b", "x" * 400, "C:\\x"]
    write("m.jsonl", *({"audio_filepath": "a.wav", "id": one} for one in ids))
    found = expand(["m.jsonl"])
    assert [r.name for r in found][:5] == [".._.._etc_passwd", "__", "_abs", "a_b", "a_b-2"]
    assert [r.utterance.id for r in found] == ids  # what it is called stays
    for r in found:
        path = (here / "out" / f"{r.name}.srt").resolve()
        assert path.parent == here / "out"
        path.parent.mkdir(exist_ok=True)
        path.touch()  # and the system takes it


def test_utterances_of_the_same_id_get_files_of_their_own(here: Path) -> None:
    write("m.json", {"audio_filepath": "x/a.wav"}, {"audio_filepath": "y/a.wav"}, {"audio_filepath": "y/a.wav"})
    assert outputs("m.json") == ["x/a", "y/a", "y/a-2"]
    assert outputs("m.json", "./m.json") == ["x/a", "y/a", "y/a-2"]


def test_bad_manifests(here: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.json: no such manifest"):
        expand(["gone.json"])
    Path("bad.json").write_text('{"audio_filepath": 7}\nnonsense\n', encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        expand(["bad.json"])
    assert [p.split(":")[1] for p in caught.value.problems] == ["1", "2"]


# ---------------------------------------------------------------- the same again


def test_the_same_command_finds_its_files_again(here: Path) -> None:
    """Whatever has become of the inputs' order on disk, and of files that have gone meanwhile."""
    touch("x/a.mp3", "x/a.wav", "x/b.mp3", "y/a.mp3", "y/mon/c.mp3", "z/c.mp3")
    arguments = ["x", "y/**/*.mp3", "z/c.mp3", "gone/b.mp3"]
    before = {r.label: r.name for r in expand(arguments)}
    for name in ("x/b.mp3", "x/a.wav"):
        Path(name).rename("elsewhere")
        Path("elsewhere").rename(name)
    Path("z/c.mp3").unlink()
    after: list[Recording] = expand(arguments)
    assert {r.label: r.name for r in after} == before
    assert before == {
        "x/a.mp3": "x/a.mp3",
        "x/a.wav": "a.wav",
        "x/b.mp3": "x/b",
        "y/a.mp3": "y/a.mp3",
        "y/mon/c.mp3": "mon/c",
        "z/c.mp3": "z/c",
        "gone/b.mp3": "gone/b",
    }

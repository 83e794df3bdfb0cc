"""What the user names is what is found, in that order; a mistake is one clear line."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from asr.errors import ManifestError, UsageError
from asr.inputs import Recording, expand, input_files, names_one_recording, output_names


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
    return [recording.name.short for recording in expand(arguments)]


def full_outputs(*arguments: str) -> list[str]:
    return [recording.name.full for recording in expand(arguments)]


# ---------------------------------------------------------------- files and folders


def test_files_in_the_order_named(here: Path) -> None:
    touch("b.mp3", "talks/a.wav", "noending")
    [b, a, odd] = expand(["b.mp3", "talks/a.wav", "noending"])
    assert (b.label, b.name.short, b.utterance.id, b.utterance.audio_filepath) == ("b.mp3", "b", "b", Path("b.mp3"))
    assert (a.label, a.name.short, a.utterance.audio_filepath) == ("talks/a.wav", "a", Path("talks/a.wav"))
    assert (odd.name.short, odd.utterance.offset, odd.utterance.duration) == ("noending", 0.0, None)


def test_a_file_that_is_not_there_stays_in_the_list(here: Path) -> None:
    touch("a.mp3")
    assert labels("gone.mp3", "a.mp3", "no/such/folder/b.mp3") == ["gone.mp3", "a.mp3", "no/such/folder/b.mp3"]
    assert labels("x" * 5000, "nul\0.mp3") == ["x" * 5000, "nul\0.mp3"]


def test_a_folder_is_searched_recursively(here: Path) -> None:
    touch("t/b.mp3", "t/A.WAV", "t/mon/c.webm", "t/mon/deep/d.sph", "t/notes.txt", "t/a.json", "t/.hidden.mp3", "t/.git/e.mp3", "t/mon.mp3")
    assert labels("t") == ["t/A.WAV", "t/b.mp3", "t/mon/c.webm", "t/mon/deep/d.sph", "t/mon.mp3"]
    assert outputs("t/") == ["A", "b", "mon/c", "mon/deep/d", "mon"]
    assert labels(".")[0] == "t/A.WAV"


def test_full_names_begin_at_the_working_folder_or_at_the_root(here: Path) -> None:
    touch("x/mon/a.mp3", "x/a", "y/mon/a.mp3")
    assert full_outputs("x", "y/*/a.mp3", "./y/../x/a") == ["x/mon/a.mp3", "y/mon/a.mp3", "x/a"]
    assert full_outputs(str(here / "x"), ".") == ["x/mon/a.mp3", "y/mon/a.mp3"]
    outside = here.parent / "outside.wav"
    assert full_outputs("../outside.wav", "-") == [str(outside)[1:], "standard-input"]


def test_links_are_followed_but_not_in_circles(here: Path) -> None:
    touch("t/a.mp3", "elsewhere/b.mp3")
    Path("t/again").symlink_to(here / "t", target_is_directory=True)
    Path("t/other").symlink_to(here / "elsewhere", target_is_directory=True)
    Path("t/twice").symlink_to(here / "elsewhere", target_is_directory=True)
    Path("t/broken.mp3").symlink_to("nowhere.mp3")
    assert labels("t") == ["t/a.mp3", "t/broken.mp3", "t/other/b.mp3"]


def test_a_folder_without_recordings_lists_the_expected_endings(here: Path) -> None:
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
    assert (first.label, first.name.short, first.utterance.id) == ("u1", "u1", "u1")
    u = first.utterance
    assert (u.audio_filepath, u.offset, u.duration, u.extra, u.source) == (Path("m/a.wav"), 1.5, 2.0, {"gender": "f"}, "m/dev.json:1")
    assert (second.label, second.name.short, third.name.short) == ("b", "b", "c")


def test_ids_cannot_lead_out_of_the_output_folder(here: Path) -> None:
    ids = ["../../etc/passwd", "..", "/abs", "a/b", "a\0b", "x" * 400, "C:\\x"]
    write("m.jsonl", *({"audio_filepath": "a.wav", "id": one} for one in ids))
    found = expand(["m.jsonl"])
    assert [r.name.short for r in found][:5] == [".._.._etc_passwd", "__", "_abs", "a_b", "a_b"]
    assert [r.utterance.id for r in found] == ids  # what it is called stays
    for name in [r.name.short for r in found] + [r.name.full for r in found]:
        path = (here / "out" / f"{name}.srt").resolve()
        assert path.parent == here / "out"
        path.parent.mkdir(exist_ok=True)
        path.touch()  # and the system takes it


def test_bad_manifests(here: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.json: no such manifest"):
        expand(["gone.json"])
    Path("bad.json").write_text('{"audio_filepath": 7}\nnonsense\n', encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        expand(["bad.json"])
    assert [p.split(":")[1] for p in caught.value.problems] == ["1", "2"]


# ---------------------------------------------------------------- names of output files


@pytest.mark.parametrize("argument", ["x/a.mp3", "x", "x/*.mp3", "m.json", "-"])
def test_a_name_does_not_depend_on_the_other_inputs(here: Path, argument: str) -> None:
    touch("x/a.mp3", "x/a.wav", "y/a.mp3", "y/a.flac", "y/x/a.mp3")
    write("m.json", {"audio_filepath": "x/a.mp3"}, {"audio_filepath": "y/a.mp3", "id": "a"}, {"audio_filepath": "x/a.mp3", "offset": 2})
    alone = [(r.name, r.utterance.id, r.label) for r in expand([argument])]
    for others in (["y"], ["y/a.mp3", "y/a.flac"], ["y", "y/x", "z/a.mp3"], ["y/**/*.mp3"]):
        assert [(r.name, r.utterance.id, r.label) for r in expand([argument, *others])][: len(alone)] == alone
        assert [(r.name, r.utterance.id, r.label) for r in expand([*others, argument])][-len(alone) :] == alone


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["x/a.mp3", "x/a.wav"], "x/a.mp3 and x/a.wav (a): add --full-names"),
        (["x", "y"], "x/a.mp3 and x/a.wav (a), x/a.mp3 and y/A.mp3 (A): add --full-names"),
        (["m.json"], "m.json:1 and m.json:2 (u): give each utterance of a manifest an id of its own, or"),
        (["m.json", "u.flac"], "m.json:1 and m.json:2 (u), m.json:1 and u.flac (u): give each"),
        (["many"], "many/0.mp3 and many/0.wav (0), many/1.mp3 and many/1.wav (1), many/2.mp3 and many/2.wav (2) and 2 more: add"),
    ],
)
def test_two_inputs_with_one_name_are_refused(here: Path, arguments: list[str], expected: str) -> None:
    touch("x/a.mp3", "x/a.wav", "y/A.mp3", *(f"many/{i}.{ending}" for i in range(5) for ending in ("mp3", "wav")))
    write("m.json", {"audio_filepath": "x/a.mp3", "id": "u"}, {"audio_filepath": "x/b.mp3", "id": "u"})
    with pytest.raises(UsageError) as caught:
        output_names(expand(arguments))
    assert str(caught.value).startswith(f"output files of the same name for {expected}")
    assert "\n" not in str(caught.value)


def test_full_names_distinguish_them(here: Path) -> None:
    touch("x/a.mp3", "x/a.wav", "y/a.mp3")
    write("m.json", {"audio_filepath": "x/a.mp3", "offset": 1.5}, {"audio_filepath": "x/a.wav", "offset": 1.5})
    found = expand(["x", "y/a.mp3", "m.json"])
    assert output_names(found, full=True) == ["x/a.mp3", "x/a.wav", "y/a.mp3", "x/a-1.50.mp3", "x/a-1.50.wav"]


def test_many_names_take_no_time(here: Path) -> None:
    began = time.process_time()
    assert len(output_names(expand([f"{i}.mp3" for i in range(10_000)]))) == 10_000
    write("m.json", {"audio_filepath": "a.wav", "id": "é" * 3_000_000})
    assert len(expand(["m.json"])[0].name.short.encode()) <= 200
    assert time.process_time() - began < 20


def test_one_recording_is_one_that_is_named_by_itself(here: Path) -> None:
    touch("t/a.mp3", "b [1].mp3")
    write("m.json", {"audio_filepath": "t/a.mp3"})
    assert all(names_one_recording([argument]) for argument in ("t/a.mp3", "gone.mp3", "b [1].mp3", "-"))
    assert not any(names_one_recording([argument]) for argument in ("t", "t/*.mp3", "m.json"))
    assert not names_one_recording(["t/a.mp3", "gone.mp3"])


def test_the_files_that_are_read(here: Path) -> None:
    touch("t/a.mp3")
    write("m.json", {"audio_filepath": "b.wav"}, {"audio_filepath": "c.wav"})
    expected = {"t/a.mp3", "m.json", "b.wav", "c.wav", "/dev/stdin"}
    assert input_files(expand(["t", "m.js*", "-"])) == set(map(Path, expected))


def test_the_same_command_finds_its_files_again(here: Path) -> None:
    """Whatever has become of the inputs' order on disk, and of files that have gone meanwhile."""
    touch("x/a.mp3", "x/b.mp3", "y/mon/c.mp3", "z/d.mp3")
    arguments = ["x", "y", "z/d.mp3", "gone/e.mp3"]
    before = {r.label: r.name.short for r in expand(arguments)}
    for name in ("x/b.mp3", "x/a.mp3"):
        Path(name).rename("elsewhere")
        Path("elsewhere").rename(name)
    Path("z/d.mp3").unlink()
    after: list[Recording] = expand(arguments)
    assert {r.label: r.name.short for r in after} == before
    assert before == {"x/a.mp3": "a", "x/b.mp3": "b", "y/mon/c.mp3": "mon/c", "z/d.mp3": "d", "gone/e.mp3": "e"}

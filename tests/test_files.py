"""Atomic writing: all or nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from asr.errors import UsageError
from asr.files import HOST, atomic_file, atomic_folder, check_writable, clean_folder, overwritten, recover_folder, write_atomically
from asr.model.checkpoint import load_model


def test_replaces_a_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "a.txt", "one")
    write_atomically(tmp_path / "deep" / "a.txt", b"two")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"two"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_failure_leaves_the_file_before(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "a.txt", "\ud800")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_written_piece_by_piece_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "f") as f:
        f.write(b"one")
        assert not (tmp_path / "f").exists()
        f.write(b" two")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "f") as f:
        f.write(b"three")
        raise RuntimeError
    assert (tmp_path / "f").read_bytes() == b"one two"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_an_error_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"), atomic_file(tmp_path / "f"):
        (tmp_path / "missing").read_bytes()
    with pytest.raises(OSError, match=r"No space left on device: '.*/f'"), atomic_file(tmp_path / "f"):
        raise OSError(28, "No space left on device")


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "f") as partial:
        (partial / "a").write_text("one", encoding="utf-8")
        assert not (tmp_path / "f").exists()
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "f") as partial:
        (partial / "a").write_text("two", encoding="utf-8")
        raise RuntimeError
    assert (tmp_path / "f" / "a").read_text(encoding="utf-8") == "one"
    with atomic_folder(tmp_path / "f") as partial:
        (partial / "b").mkdir()
        (partial / "b" / "c").write_text("three", encoding="utf-8")
    assert [str(p.relative_to(tmp_path)) for p in (tmp_path / "f").rglob("*")] == ["f/b", "f/b/c"]
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_the_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", "text")


def test_writing_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    for name in ("there", "new"):
        (tmp_path / name).symlink_to(Path("far") / name)
    (tmp_path / "far" / "there").write_text("before", encoding="utf-8")
    for name in ("there", "new"):
        write_atomically(tmp_path / name, "one")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "far" / name).read_text(encoding="utf-8") == "one"
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "there") as f:
        f.write(b"half")
        raise RuntimeError
    assert (tmp_path / "far" / "there").read_text(encoding="utf-8") == "one"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["far", "new", "new", "there", "there"]


def test_a_link_to_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "far" / "old").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far")
    with atomic_folder(tmp_path / "link") as partial:
        (partial / "a").write_text("one", encoding="utf-8")
    assert (tmp_path / "link").is_symlink()
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["far", "far/a", "link"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    reader.start()
    check_writable(pipe)
    write_atomically(pipe, "one")
    reader.join(10)
    assert heard == [b"one"]
    assert pipe.is_fifo()
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_a_device_is_written_to_through_a_link_too(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    device = Path(os.ttyname(theirs))
    (tmp_path / "link").symlink_to(device)
    for path in (device, tmp_path / "link"):
        write_atomically(path, "one")
        assert os.read(ours, 100) == b"one"
    assert device.is_char_device()
    assert (tmp_path / "link").is_symlink()
    os.close(ours)
    os.close(theirs)


def test_an_unwritable_path_is_reported_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "new", tmp_path / "deep" / "er" / "new"):
        check_writable(path)
    for path, error in (
        (tmp_path, IsADirectoryError),
        (tmp_path / "file" / "new", NotADirectoryError),
        (tmp_path / ("x" * 300), OSError),
    ):
        with pytest.raises(error) as caught:
            check_writable(path)
        assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_read_only_folder_is_reported_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    if os.geteuid() == 0:  # who may write anywhere
        monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(PermissionError, match="new"):
        check_writable(tmp_path / "new")
    tmp_path.chmod(0o700)


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_folder_that_cannot_be_replaced_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    with atomic_folder(tmp_path / "f") as partial:
        (partial / "a").write_text("one", encoding="utf-8")
    replace = os.replace

    def fail(source: Path, target: Path) -> None:
        if source.name.endswith(".partial"):
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(error)), atomic_folder(tmp_path / "f") as partial:
        (partial / "a").write_text("two", encoding="utf-8")
    assert (tmp_path / "f" / "a").read_text(encoding="utf-8") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def killed_between_renames(folder: Path, process: str) -> None:
    """Leave a folder as a process does that is killed between the two renames of its replacement."""
    shutil.copytree(folder, folder.with_name(f".{folder.name}.{process}.partial"))
    folder.rename(folder.with_name(f".{folder.name}.{process}.old"))


@pytest.mark.parametrize("host", [HOST, "elsewhere"])
def test_a_killed_replacement_is_undone_by_the_next_reader(tmp_path: Path, tiny_folder: Path, dead: int, host: str) -> None:
    model = Path(shutil.copytree(tiny_folder, tmp_path / "a [model]"))
    for come_next in (lambda: load_model(model), lambda: clean_folder(tmp_path, ".*"), lambda: recover_folder(model)):
        killed_between_renames(model, f"{host}-{dead}")
        come_next()
        assert (model / "config.yaml").is_file()
        shutil.rmtree(tmp_path / f".{model.name}.{host}-{dead}.partial", ignore_errors=True)
        assert [path.name for path in tmp_path.iterdir()] == [model.name]
    killed_between_renames(model, f"{host}-{dead}")
    with atomic_folder(model) as partial:
        (partial / "a").write_text("new", encoding="utf-8")
    assert [path.name for path in model.iterdir()] == ["a"]


def test_a_folder_that_was_never_there_is_not_made(tmp_path: Path) -> None:
    recover_folder(tmp_path / "f")
    recover_folder(tmp_path / "deep" / "f")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="no such model folder"):
        load_model(tmp_path / "f")


def test_a_replacement_under_way_is_waited_for(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "f") as partial:
        (partial / "a").write_text("one", encoding="utf-8")
    old = tmp_path / f".f.{HOST}-{os.getppid()}.old"
    (tmp_path / "f").rename(old)
    second = threading.Timer(0.2, lambda: shutil.copytree(old, tmp_path / "f"))
    second.start()
    recover_folder(tmp_path / "f")
    second.join()
    assert (tmp_path / "f" / "a").is_file()
    assert old.is_dir()


def test_litter_of_living_processes_and_other_names_stays(tmp_path: Path, dead: int) -> None:
    gone = [f".a.{HOST}-{dead}.partial", f".a.b.{HOST}-{dead}.old", f".a.elsewhere-{dead}.partial"]
    kept = [f".a.{HOST}-{os.getppid()}.partial", f".c.{HOST}-{dead}.partial", f".b.elsewhere-{dead}.partial", ".a.partial", "a", "a.b"]
    for name in [*gone, *kept]:
        (tmp_path / name).write_text("x", encoding="utf-8")
    os.utime(tmp_path / gone[-1], (0, 0))
    clean_folder(tmp_path, "a|a.b|b")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    clean_folder(tmp_path / "nowhere", ".*")


@pytest.mark.parametrize("name", ["x" * 255, "ö" * 120])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, "one")
    with atomic_folder(tmp_path / "f" / name):
        pass
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]


def test_a_file_is_known_by_whatever_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    (tmp_path / "soft").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "hard")
    outputs = [tmp_path / name for name in ("soft", "hard", "b", "x/../a", "new")]
    inputs = [tmp_path / "a", tmp_path / "gone", Path("nul\0"), tmp_path / "new"]
    assert overwritten(outputs, inputs) == [tmp_path / name for name in ("soft", "hard")]
    (tmp_path / "x").mkdir()
    assert overwritten(outputs, inputs) == [tmp_path / name for name in ("soft", "hard", "x/../a")]
    assert overwritten([], inputs) == overwritten(outputs, []) == []

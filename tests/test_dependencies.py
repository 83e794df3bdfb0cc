"""A dependency that is missing or does not load ends in one line; what a command does not need it does not import."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from asr import dependencies
from asr.dependencies import TESTED_PAIR, import_problem, naming_dependencies
from asr.errors import DependencyError

ROOT = Path(__file__).parents[1]
SPEECH = ROOT / "examples" / "river.flac"


def pretend(folder: Path, package: str, version: str, body: str) -> None:
    """Put a package in front of the installed one."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text(body)
    name = dependencies.DISTRIBUTIONS.get(package, package)
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def python(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(str(p) for p in (path, ROOT) if p)}
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=ROOT)


UNLOADABLE = (
    'raise OSError("Could not load this library: /opt/lib/libtorchaudio.so") from OSError("/opt/lib/libtorchaudio.so: undefined symbol: f")'
)


def test_a_torchaudio_built_for_another_torch_is_one_line(tmp_path: Path) -> None:
    pretend(tmp_path, "torchaudio", "2.99.0", UNLOADABLE)
    result = python("-m", "asr", "transcribe", SPEECH, path=tmp_path)
    torch = importlib.metadata.version("torch")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: torchaudio 2.99.0 does not load beside torch {torch}, since the two were not built for each other "
        f"(libtorchaudio.so: undefined symbol: f): run {dependencies._command('torchaudio')}\n"
    )


@pytest.mark.parametrize("package", ["torch", "soundfile", "sentencepiece", "yaml", "typer", "numpy"])
def test_a_package_that_does_not_load_is_one_line(tmp_path: Path, package: str) -> None:
    pretend(tmp_path, package, "0.0.1", 'raise ImportError("libx.so.1: cannot open shared object file")')
    result = python("-m", "asr", "transcribe", SPEECH, path=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(r"error: \S+ 0\.0\.1 does not load \(libx\.so\.1: .*\): run pip install .*\n", result.stderr), result.stderr


def test_from_python_it_is_an_import_error(tmp_path: Path) -> None:
    pretend(tmp_path, "torchaudio", "2.99.0", UNLOADABLE)
    result = python("-c", "import asr\ntry: asr.load_model()\nexcept ImportError as e: print(type(e).__name__, e)", path=tmp_path)
    assert result.stdout.startswith("DependencyError torchaudio 2.99.0 does not load beside torch"), result


def test_a_missing_package_is_named_with_the_version_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "_version", lambda distribution: None)
    for module, line in {
        "yaml": "pyyaml is not installed: run pip install 'pyyaml>=6'",
        "silero_vad": "silero-vad is not installed: run pip install 'silero-vad~=6.2.2'",
        "fastapi": "fastapi is not installed: run pip install 'las-asr[serve]'",
        "_lzma": "this Python was built without its module _lzma: install a complete Python",
        "cffi": "cffi is not installed: run pip install 'cffi'",  # a dependency of a dependency
        "torch": f"torch is not installed: run pip install {' '.join(TESTED_PAIR)}",
    }.items():
        assert import_problem(ModuleNotFoundError(f"No module named {module!r}", name=f"{module}.x")) == line


def test_a_cpu_build_is_mended_by_cpu_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "_version", {"torch": "2.13.0+cpu", "torchaudio": "2.11.0"}.get)
    assert dependencies._command("torchaudio") == f"uv pip install --torch-backend=cpu {' '.join(TESTED_PAIR)}"


def test_other_errors_pass() -> None:
    for error in (OSError(28, "No space left on device"), ModuleNotFoundError("No module named 'asr.x'", name="asr.x"), ValueError("x")):
        with pytest.raises(type(error)) as caught, naming_dependencies():
            raise error
        assert caught.value is error
    with pytest.raises(DependencyError, match="nosuchpackage is not installed"), naming_dependencies():
        import nosuchpackage  # noqa: F401


def test_transcribing_imports_nothing_that_it_does_not_need() -> None:
    program = f"""
import sys
from asr.cli import app
try: app(["transcribe", {str(SPEECH)!r}])
except SystemExit as e: assert not e.code
heavy = "librosa tensorboard matplotlib jiwer kaldialign rapidfuzz accelerate fastapi jinja2 scipy sklearn numba pandas silero_vad av".split()
print([name for name in (*heavy, "asr.train", "asr.score", "asr.serve", "asr.prepare") if name in sys.modules])
"""
    result = python("-c", program)
    assert result.stdout.splitlines()[-1] == "[]", result


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def test_the_pair_is_pinned_and_the_lock_holds_it() -> None:
    requirements = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    locked = lines(ROOT / "constraints.txt")
    for requirement in TESTED_PAIR:
        assert f'"{requirement}"' in requirements
        assert requirement in locked


def test_the_lock_has_one_exact_version_of_every_requirement() -> None:
    """That it is of the present requirements: .ci/lock was run after the last change of pyproject.toml."""
    locked: dict[str, list[str]] = {}
    for line in lines(ROOT / "constraints.txt"):
        found = re.fullmatch(r"([a-z0-9-]+)==([^ ;]+)(?: ; (.+))?", line)
        assert found, f"constraints.txt: {line}"
        locked.setdefault(found[1], []).append(found[2])
    section = re.search(
        r"^dependencies = \[\n(.*?)^\]\n\n\[project.optional-dependencies\]\n(.*?)\n\n", read("pyproject.toml"), re.DOTALL | re.MULTILINE
    )
    assert section
    for name, _ in re.findall(r'"([a-z0-9-]+)([><=~][^"\[\]]*)"', section[1] + section[2]):
        assert name in locked, name


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")

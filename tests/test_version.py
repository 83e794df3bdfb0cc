"""What version it says it is, installed or not."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import asr
from asr.version import version


def test_it_is_the_one_installed() -> None:
    assert version() == importlib.metadata.version("las-asr")


def test_sources_that_were_never_installed_work_and_say_so(tmp_path: Path) -> None:
    # As on a machine that has the packages but not this one: the end of a training, its model's card, must not fail for that.
    shutil.copytree(Path(asr.__file__).parent, tmp_path / "asr", ignore=shutil.ignore_patterns("pretrained", "__pycache__"))
    hide = (
        "import importlib.metadata as m; found = m.distribution\n"
        "def hidden(name):\n"
        "    if name == 'las-asr': raise m.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "m.distribution = hidden\n"
        "import asr, asr.version; print(asr.__file__, asr.version.version())\n"
    )
    done = subprocess.run([sys.executable, "-c", hide], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [str(tmp_path / "asr" / "__init__.py"), "unknown"], done.stderr

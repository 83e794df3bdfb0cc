"""A server in a process of its own, for the benchmarks of `asr serve`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from asr.errors import AsrError

TELEMETRY = ".ses"
"""onnxruntime leaves this file in the temporary folder"""

METRICS_SECONDS = 300.0
"""how long /metrics may take on a busy server"""


@dataclass(frozen=True)
class Running:
    """The server's process, address and files."""

    process: int
    url: str
    log: Path
    temporary: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = httpx.URL(self.url)
        assert url.port is not None
        return url.host, url.port

    def memory(self) -> float:
        """Resident memory (MiB)."""
        return int(Path(f"/proc/{self.process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors(self) -> int:
        """Number of open file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.process}/fd").iterdir())

    def metrics(self) -> str:
        """The text of /metrics."""
        return httpx.get(f"{self.url}/metrics", timeout=METRICS_SECONDS).text

    def files(self) -> list[str]:
        """Names in its temporary folder, and of deleted files there that it still holds open."""
        names = [path.name for path in self.temporary.iterdir() if path.name != TELEMETRY]
        for descriptor in Path(f"/proc/{self.process}/fd").iterdir():
            with suppress(OSError):
                if (name := str(descriptor.readlink())).startswith(f"{self.temporary}/"):
                    names.append(name)
        return names


@contextmanager
def server(*options: str) -> Iterator[Running]:
    """Start `asr serve` on a free port, and stop it at the end.

    Args:
        options: options of `asr serve`

    Raises:
        AsrError: the server ended before it was ready
    """
    command = [sys.executable, "-m", "asr", "serve", "--port", "0", *options]
    with tempfile.TemporaryDirectory() as folder:
        temporary, log = Path(folder) / "tmp", Path(folder) / "log.txt"
        temporary.mkdir()
        with open(log, "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | {"TMPDIR": str(temporary)})
        try:
            while not re.search(r"^ready", log.read_text(), re.MULTILINE):
                if process.poll() is not None:
                    raise AsrError(f"the server ended with exit code {process.returncode}: run {shlex.join(command)} to see why")
                time.sleep(0.1)
            address = re.search(r"^listening on (http://\S+:\d+)", log.read_text(), re.MULTILINE)
            assert address is not None
            yield Running(process.pid, address[1], log, temporary)
        finally:
            process.terminate()
            process.wait()

"""The soak of the server, in seconds: hostile clients of every kind, and good ones that notice nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from tests_support import ROOT, script

pytest.importorskip("fastapi", reason="the server needs pip install 'las-asr[serve]'")
pytest.importorskip("httpx", reason="needs pip install 'las-asr[test]'")

from serve_support import Live, Parrot, serving

from asr.serve import connections
from asr.serve.settings import ServeSettings


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setitem(connections.SECONDS, "head", 2.0)
    parrot = Parrot()
    parrot.let.set()
    with serving(lambda: parrot, ServeSettings(upload_seconds=2.0)) as running:  # type: ignore[arg-type, return-value]
        yield running


def test_good_clients_among_hostile_ones(live: Live) -> None:
    program = script(ROOT / "benchmarks" / "serve_soak.py")
    river = ROOT / "examples" / "river.flac"
    target = program.Target(*live.address, [program.Clip(river.read_bytes(), "3.907")])
    tally = asyncio.run(program.soak(target, seconds=6, good_clients=4, hostile_each=4, interval=0.3, pause=0.05))
    assert tally.wrong == []
    assert not tally.failures
    assert len(tally.latencies) > 10
    assert {kind.split()[0] for kind in tally.answers} == set(program.HOSTILE)
    assert not [kind for kind in tally.answers if " 5" in kind]
    assert not re.findall(r'status="5\d\d"', live.service.metrics.text().decode())
    assert live.is_clean()

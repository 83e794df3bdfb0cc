"""A server with the embedded model, for all tests of a session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from serve_support import Live

    from asr.transcribe import Transcriber

for needed in ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "swagger_ui_bundle"):
    pytest.importorskip(needed, reason="the server needs pip install 'las-asr[serve]'")


@pytest.fixture(scope="session")
def transcriber() -> Transcriber:
    import asr

    return asr.load_model(device="cpu")


@pytest.fixture(scope="session")
def server(transcriber: Transcriber) -> Iterator[Live]:
    from serve_support import serving

    with serving(lambda: transcriber) as live:
        yield live

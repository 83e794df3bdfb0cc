"""The body of a request to its fields and a file, within bounds.

Nothing that the sender says is believed: not the length, nor the file's name or type; the file gets a name of our own, and what is in it
decides. It is deleted when the block ends, however it ends.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from asr.serve.errors import DO_NOT_RETRY, ApiError
from asr.serve.settings import ServeSettings

FIELDS = 64
FIELD_BYTES = 64 * 1024
LINGER_SECONDS = 5.0  # for which the rest of a refused body is read and dropped: a client that is still sending would miss the answer
TAIL = 1024  # bytes of the end of a body that are remembered


@dataclass(frozen=True)
class Upload:
    """What was sent."""

    fields: dict[str, list[str]]
    path: Path
    """the file, under a name of ours"""


class Body:
    """The body of a request, bounded."""

    def __init__(self, request: Request, settings: ServeSettings):
        self._request, self._limit, self._settings = request, settings.upload_bytes, settings
        self._ended = False
        self._tail = b""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Raises ApiError where it is too large or too slow, ClientDisconnect where it breaks off."""
        received, began = 0, time.monotonic()
        stated = self._request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > self._limit:
            raise self._too_large()
        while not self._ended:
            left = began + self._settings.upload_seconds + received / self._settings.upload_rate - time.monotonic()
            try:
                chunk = await asyncio.wait_for(self._receive(), max(left, 0.0))
            except asyncio.TimeoutError:
                raise self._too_slow(time.monotonic() - began) from None
            received += len(chunk)
            if received > self._limit:
                raise self._too_large()
            self._tail = (self._tail + chunk[-TAIL:])[-TAIL:]
            yield chunk

    def ends_with(self, end: bytes) -> bool:
        """Whether that is what it ended with, but for white space."""
        return self._tail.rstrip().endswith(end)

    async def linger(self) -> None:
        """Read and drop the rest for a while, unless the client waits to be told to send it."""
        if self._request.headers.get("expect", "").lower() == "100-continue" and not self._tail:
            return
        try:
            await asyncio.wait_for(self._drop(), LINGER_SECONDS)
        except (asyncio.TimeoutError, ClientDisconnect):
            return

    async def _drop(self) -> None:
        while not self._ended:
            await self._receive()

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _too_slow(self, seconds: float) -> ApiError:
        message = f"the request has not arrived within {seconds:.0f} s: send a smaller file, or by a faster way"
        return ApiError(408, message, code="upload_timeout", headers={"Connection": "close", **DO_NOT_RETRY})

    def _too_large(self) -> ApiError:
        message = f"the request is larger than {self._limit / 2**20:g} MiB, the most that this server takes: compress the recording, or send parts"
        return ApiError(413, message, param="file", code="file_too_large")


@asynccontextmanager
async def received(body: Body, request: Request, settings: ServeSettings, folder: Path) -> AsyncIterator[Upload]:
    """A multipart form with a `file`. Raises ApiError, and ClientDisconnect where the body breaks off."""
    kind = request.headers.get("content-type", "")
    if kind.split(";")[0].strip().lower() != "multipart/form-data":
        raise ApiError(415, f"Content-Type is {kind[:100] or 'missing'!r}, expected multipart/form-data with a field named file")
    parser = MultiPartParser(request.headers, body.chunks(), max_files=1, max_fields=FIELDS, max_part_size=FIELD_BYTES)
    try:
        form = await parser.parse()
    except (MultiPartException, UnicodeError, ValueError) as e:
        raise ApiError(400, f"the form cannot be read: {getattr(e, 'message', e)}", code="invalid_form") from None
    try:
        if not body.ends_with(b"--"):
            raise ApiError(400, "the form breaks off before its end: send it again", code="incomplete_form")
        with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-") as copy:
            await asyncio.to_thread(shutil.copyfileobj, _file(form).file, copy, 1 << 20)
            copy.flush()
            await form.close()
            yield Upload({key: [v for v in form.getlist(key) if isinstance(v, str)] for key in form}, Path(copy.name))
    finally:
        await form.close()


def _file(form: FormData) -> UploadFile:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        how = "is missing" if file is None else "is a text, not a file"
        raise ApiError(400, f"file: {how}; send the recording as a file in the field named file", param="file", code="missing_file")
    if not file.size:
        raise ApiError(400, "file: is empty (0 bytes)", param="file", code="empty_file")
    return file

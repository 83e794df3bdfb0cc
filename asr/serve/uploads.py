"""The body of a request, parsed to form fields and a recording within limits.

The stated length, file name and media type are not trusted: the content decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from asr.serve.admission import PendingUpload, client_address
from asr.serve.errors import DO_NOT_RETRY, OUT_OF_RESOURCES, ApiError, internal_error
from asr.serve.recordings import Recording, Recordings
from asr.serve.service import Service
from asr.serve.settings import ServeSettings

FIELDS = 64
FIELD_BYTES = 64 * 1024
HEADER_BYTES = 16 * 1024  # of a part
SPOOL_BYTES = 64 * 1024  # of a file in memory; a larger one goes to disk as it arrives
LINGER_SECONDS = 5.0  # for which a refused body is read on: a client that is still sending would miss the response
FORM_PROBLEMS = {
    "Too many files": "it has more than one file: send the recording alone, in the field named file",
    "Too many fields": f"it has more than {FIELDS} fields: send fewer",
    "Invalid multipart data": "it does not consist of parts that are separated by the boundary in Content-Type: let the HTTP library write both",
    "The Content-Disposition header field": "a part of it has no name: give each part one in Content-Disposition",
}
"""beginnings of Starlette's messages, with their problem and what to do"""


class FormParser(MultiPartParser):
    """Starlette's parser with less of each file in memory, and a limit of the headers of a part, which older versions lack.

    A field that is too long is refused by its name.
    """

    spool_max_size = SPOOL_BYTES
    complete = False
    """the end of the form has arrived"""
    _header_bytes = 0

    def on_end(self) -> None:
        self.complete = True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None and len(part.data) + end - start > FIELD_BYTES:
            raise _missing_file("is text, not a file") if part.field_name == "file" else _too_long(part.field_name)
        super().on_part_data(data, start, end)

    def on_part_begin(self) -> None:
        self._header_bytes = 0
        super().on_part_begin()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        super().on_header_field(data, start, end)

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        super().on_header_value(data, start, end)

    def _count_header(self, length: int) -> None:
        self._header_bytes += length
        if self._header_bytes > HEADER_BYTES:
            raise MultiPartException(f"the headers of a part are longer than {HEADER_BYTES // 2**10} KiB")


@dataclass(frozen=True)
class Upload:
    """A complete upload, counted as a recording in recognition."""

    fields: dict[str, list[str]]
    recording: Recording
    release: Callable[[], None]
    """ends the count before the request ends"""


class Body:
    """The body of a request, bounded in size and in time."""

    def __init__(self, request: Request, settings: ServeSettings):
        self._request, self._limit, self._settings = request, settings.upload_bytes, settings
        self._ended = self._abandoned = self._begun = False

    async def chunks(self, upload: PendingUpload) -> AsyncGenerator[bytes, None]:
        """Yield the body.

        A token bucket limits the time: it starts with `upload_seconds`; each chunk adds its length divided by `upload_rate`, up to
        `upload_seconds`; waiting for the client drains it.

        Raises:
            ApiError: the body is too large or too slow, or the server ended the upload.
            ClientDisconnect: the client closed the connection.
        """
        stated = self._request.headers.get("content-length", "")
        if stated.isdecimal() and (len(stated) > 18 or int(stated) > self._limit):
            raise self._too_large()
        clock = asyncio.get_running_loop().time
        credit = self._settings.upload_seconds
        while not self._ended:
            waiting_since = clock()
            chunk = await self._next_chunk(upload, credit)
            credit = min(self._settings.upload_seconds, credit - (clock() - waiting_since) + len(chunk) / self._settings.upload_rate)
            upload.received += len(chunk)
            if upload.received > self._limit:
                raise self._too_large()
            self._begun = self._begun or bool(chunk)
            yield chunk

    async def linger(self) -> None:
        """Read and drop the rest for a while, unless the client is too slow, or waits for 100 Continue."""
        if self._abandoned:
            return
        if self._request.headers.get("expect", "").lower() == "100-continue" and not self._begun:
            return
        with suppress(asyncio.TimeoutError, ClientDisconnect):
            await asyncio.wait_for(self._drop(), LINGER_SECONDS)

    async def _drop(self) -> None:
        while not self._ended:
            await self._receive()

    async def _next_chunk(self, upload: PendingUpload, seconds: float) -> bytes:
        """Return the next chunk. Raises ApiError if the upload is refused or `seconds` pass first."""
        receiving = asyncio.ensure_future(self._receive())
        either: set[asyncio.Future[Any]] = {receiving, upload.refused}
        try:
            await asyncio.wait(either, timeout=max(seconds, 0.0), return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                return receiving.result()
            self._abandoned = True
            if upload.refused.done():
                upload.refused.result()
            raise self._too_slow()
        finally:
            if not receiving.cancel():
                receiving.exception()  # marks it as retrieved

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _too_slow(self) -> ApiError:
        rate, seconds = self._settings.upload_rate / 2**10, self._settings.upload_seconds
        message = f"the upload is too slow: it stalled for {seconds:g} s, or fell that far behind {rate:g} KiB/s: use a faster connection"
        return ApiError(408, message, code="upload_timeout", headers={"Connection": "close", **DO_NOT_RETRY})

    def _too_large(self) -> ApiError:
        message = (
            f"the request is larger than {self._limit / 2**20:g} MiB, the limit of this server: compress the recording, or send it in parts"
        )
        return ApiError(413, message, param="file", code="file_too_large")


@asynccontextmanager
async def receive_upload(body: Body, request: Request, service: Service) -> AsyncIterator[Upload]:
    """Receive a form with a `file`, then count it as a recording in recognition.

    Raises:
        ApiError: the form cannot be used, or a limit is reached.
        ClientDisconnect: the client closed the connection.
    """
    service.check_ready()
    client = client_address(request)
    with service.admission.upload(client) as upload:
        fields, recording = await _form(body, upload, request, service.recordings)
    try:
        with service.admission.recognition(client) as release:
            yield Upload(fields, recording, release)
    finally:
        if not recording.kept:
            recording.close()


async def _form(body: Body, upload: PendingUpload, request: Request, recordings: Recordings) -> tuple[dict[str, list[str]], Recording]:
    """Parse a form to its fields and its file."""
    _check_content_type(request.headers.get("content-type", ""))
    parser = FormParser(request.headers, body.chunks(upload), max_files=1, max_fields=FIELDS, max_part_size=FIELD_BYTES)
    try:
        form = await parser.parse()
    except (MultiPartException, UnicodeError, ValueError) as e:
        raise _invalid_form(str(getattr(e, "message", e))) from None
    except OSError as e:
        raise (internal_error(e) if e.errno in OUT_OF_RESOURCES else e) from None
    try:
        if not upload.received:
            raise _missing_file("is missing, because the request has no body")
        if not parser.complete:
            raise ApiError(400, "the form is truncated: send it again", code="incomplete_form")
        recording = await asyncio.to_thread(recordings.keep, _file(form).file)  # type: ignore[arg-type]
    except BaseException as e:
        await form.close()
        raise (internal_error(e) if isinstance(e, OSError) and e.errno in OUT_OF_RESOURCES else e) from None
    return {key: [v for v in form.getlist(key) if isinstance(v, str)] for key in form}, recording


def _check_content_type(kind: str) -> None:
    """Raises ApiError unless a header announces a form, and the boundary of its parts."""
    media_type, parameters = parse_options_header(kind)
    if media_type.lower() != b"multipart/form-data":
        given = f"Content-Type is {kind[:100]!r}" if kind else "Content-Type is missing"
        raise ApiError(415, f"{given}, expected multipart/form-data with a field named file", code="invalid_content_type")
    if not parameters.get(b"boundary"):
        message = "Content-Type has no boundary: let the HTTP library write this header, because it knows the boundary of the form"
        raise ApiError(400, message, code="invalid_form")


def _invalid_form(message: str) -> ApiError:
    """Convert a message of the parser."""
    problem = next((known for start, known in FORM_PROBLEMS.items() if message.startswith(start)), message)
    return ApiError(400, f"the form cannot be read: {problem}", code="invalid_form")


def _too_long(name: str) -> ApiError:
    message = f"{name[:60]}: is longer than {FIELD_BYTES // 2**10} KiB, the limit of a field: shorten it"
    return ApiError(400, message, param=name[:60], code="string_above_max_length")


def _missing_file(problem: str) -> ApiError:
    return ApiError(400, f"file: {problem}: send the recording as a file in the field named file", param="file", code="missing_file")


def _file(form: FormData) -> UploadFile:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise _missing_file("is missing" if file is None else "is text, not a file")
    if not file.size:
        raise ApiError(400, "file: the file is empty (0 bytes): send a recording", param="file", code="empty_file")
    return file

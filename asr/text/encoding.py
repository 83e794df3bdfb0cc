"""How a text file is encoded: UTF-8, or UTF-16 as Windows writes it."""

from __future__ import annotations

import codecs


def encoding_of(start: bytes) -> str:
    """The encoding of a file that starts so, told by its byte order mark: UTF-8, with or without one, or UTF-16."""
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # Notepad's "Unicode", Excel's "Unicode text"
    return "utf-16" if wide else "utf-8-sig"

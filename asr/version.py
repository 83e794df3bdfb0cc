"""Which version this is."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """As it was installed; `unknown` in a folder of sources that never was, which must not cost a training its model's card."""
    try:
        return importlib.metadata.version("las-asr")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"

"""The entry point of `asr` and of `python -m asr`, which launchers of several processes need: `torchrun … -m asr train …`."""

from __future__ import annotations

import sys

from asr.dependencies import naming_dependencies
from asr.errors import DependencyError


def main() -> None:
    """Run the command line. Nothing but the standard library is imported before a missing package can be named."""
    try:
        with naming_dependencies():
            from asr.cli import main as command_line
    except DependencyError as e:
        print(f"error: {e}", file=sys.stderr)
        raise SystemExit(e.exit_code) from None
    command_line()


if __name__ == "__main__":
    main()

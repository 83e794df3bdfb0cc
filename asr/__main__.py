"""The entry point of `asr` and of `python -m asr`, for launchers of several processes: `torchrun … -m asr train …`."""

from __future__ import annotations

import signal
import sys

from asr.dependencies import naming_dependencies
from asr.errors import DependencyError


def main() -> None:
    """Run the command line. Other packages are imported where a missing one is reported."""
    default_handler = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if default_handler:  # Ctrl-C during the imports ends the process without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with naming_dependencies():
            from asr.cli import main as command_line
    except DependencyError as e:
        print(f"error: {e}", file=sys.stderr)
        raise SystemExit(e.exit_code) from None
    if default_handler:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command_line()


if __name__ == "__main__":
    main()

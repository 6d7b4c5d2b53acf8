"""How commands end: mistakes of the user with one line and status 2, an interruption with status 130."""

from __future__ import annotations

import sys
from collections.abc import Callable

from softcpt.errors import UserError


def run_command(command: Callable[[], int | None], debug: bool = False) -> None:
    """Run ``command`` and exit with its status; ``debug`` lets tracebacks through."""
    try:
        status = command()
    except UserError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted; the same command continues from here", file=sys.stderr)
        sys.exit(130)
    if status:
        sys.exit(status)

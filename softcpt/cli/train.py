"""The command line ``train.py``, which is ``softcpt train``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from softcpt.utils.requirements import explained


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with one line and status 2 for mistakes of the user, 1 where a requirement
    is not installed."""
    given = sys.argv[1:] if argv is None else list(argv)
    debug = "--debug" in given
    with explained(debug):
        # Here, not at the top: an older Python cannot read these.
        from softcpt.utils.allocator import keep_freed_memory
        from softcpt.utils.console import hide_bars, run_command

        keep_freed_memory()
        hide_bars()
        if "TORCHELASTIC_RUN_ID" in os.environ and os.environ["RANK"] != "0":
            os.environ["TQDM_DISABLE"] = "1"  # before tqdm is imported: one process's bars do
        run_command(lambda: _run(given), debug)


def _run(given: Sequence[str]) -> None:
    # Here, not at the top: these load torch, and mistakes before that are printed at once.
    from softcpt import plugins
    from softcpt.engine.run import run
    from softcpt.engine.run_flags import parser

    given = plugins.without_flag(given)  # before the parser, to which files there add flags
    run(parser().parse_args(given))

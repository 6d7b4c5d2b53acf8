"""Python runs this at its start where this folder is on PYTHONPATH: a grid's worker then has the
fault that its environment states, and says in the end how many calls it counted."""

from __future__ import annotations

import atexit
import json
import os
import sys

STATED = "SOFTCPT_TEST_FAULT"

if STATED in os.environ and "softcpt.grid.worker" in sys.orig_argv:
    from tests.faults.failing import Fault

    stated = json.loads(os.environ[STATED])
    counted = stated.pop("counted")
    fault = Fault(**stated)
    fault.install()

    def count() -> None:
        with os.fdopen(os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "w") as file:
            file.write(f"{fault.calls}\n")

    atexit.register(count)

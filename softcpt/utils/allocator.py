"""Has the C library keep freed memory in the process, for the next tensor.

Without this, glibc gives every large tensor back to the system as soon as it is freed, and the next
one comes as pages that the system has to clear first: a fifth of a training step on the CPU
(docs/performance.md).
"""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Have glibc's malloc keep what is freed for the next tensor of this process; returns whether
    it does.

    Nothing changes on other systems, or where ``MALLOC_*`` variables say how malloc is to work.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    return mallopt is not None and bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1))


def give_back_freed_memory() -> None:
    """Give what is kept back to the system, once."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)

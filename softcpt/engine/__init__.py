"""Runs: configuration, batches, the Dassl trainer, evaluation and results.

The package is callable: once one of its modules is imported, ``softcpt.engine`` is this package,
and ``softcpt.engine()`` must still say who answers to ``import dassl``.
"""

from __future__ import annotations

import sys
from types import ModuleType

from softcpt import dassl


class _Engine(ModuleType):
    def __call__(self) -> str:
        return dassl.engine()


sys.modules[__name__].__class__ = _Engine

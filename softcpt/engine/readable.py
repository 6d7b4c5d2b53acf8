"""Leaves out the images that cannot be read, where FEATURES.ON_ERROR is skip."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from softcpt.data.decode_check import problems
from softcpt.errors import UserError

_log = logging.getLogger(__name__)
_SHOWN = 5


def readable(parts: Mapping[str, Sequence[Any]], workers: int) -> dict[str, list[Any]]:
    """The images of each part that can be decoded; how many cannot is printed.

    Args:
        parts: "train", "val" and "test" -> records with ``impath``.
        workers: processes that decode; 0: this one.

    Raises:
        UserError: all training images, or all test images, cannot be read.
    """
    kept: dict[str, list[Any]] = {}
    for part, items in parts.items():
        found = problems([item.impath for item in items], workers)
        kept[part] = [item for item, problem in zip(items, found) if not problem]
        wrong = list(filter(None, found))
        if items and not kept[part] and part != "val":
            raise UserError(f"{part} images: none of {len(items):,} can be read ({wrong[0]})")
        if wrong:
            _log.warning(
                f"{part} images: {len(wrong):,} of {len(items):,} cannot be read and are left out "
                f"(FEATURES.ON_ERROR skip): {'; '.join(wrong[:_SHOWN])}"
            )
    return kept

"""Takes the keys that a trainer file of another code base adds to the configuration.

Its ``extend_cfg`` is mostly copied whole from that code's ``train.py``. There it is the only one:
it may make nodes that are here already (``cfg.TRAINER.COOP = CN()``), and set defaults of any key.
Here it adds keys, and other defaults than ours count in runs of that file's trainers alone.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from yacs.config import CfgNode

from softcpt.errors import named_reason_of

_log = logging.getLogger(__name__)


def add_keys(extend_cfg: Callable[[CfgNode], Any], place: str, cfg: CfgNode) -> None:
    """Add to ``cfg`` what ``extend_cfg`` adds; what is there already stays as it is. If the
    function fails, that is printed, and nothing is added.

    Args:
        extend_cfg: the function of the file.
        place: the file, for messages.
        cfg: the configuration with all keys of this project; changed.
    """
    theirs = _extended(extend_cfg, place, cfg)
    if theirs is not None:
        _take(cfg, theirs, replace=False)


def take_defaults(extend_cfg: Callable[[CfgNode], Any], place: str, cfg: CfgNode) -> None:
    """Give keys that ``cfg`` has the defaults that they have in the file of the chosen trainer.

    KgCoOp's and TCP's ``TRAINER.COOP.CTX_INIT`` is a switch, for instance.
    """
    theirs = _extended(extend_cfg, place, cfg)
    if theirs is not None:
        _take(cfg, theirs, replace=True)


def _extended(extend_cfg: Callable[[CfgNode], Any], place: str, cfg: CfgNode) -> CfgNode | None:
    """A copy of ``cfg`` after ``extend_cfg``; None: it failed."""
    theirs = cfg.clone()
    try:
        extend_cfg(theirs)
    except Exception as error:  # noqa: BLE001  A user's file may raise anything.
        reason = named_reason_of(error)
        _say_once(f"{place}: its extend_cfg(cfg) fails ({reason}); no key is added")
        return None
    return theirs


def _take(ours: CfgNode, theirs: CfgNode, replace: bool) -> None:
    """Add the keys that ``ours`` lacks, and with ``replace`` their values of those that it has."""
    for key, wanted in theirs.items():
        if key in ours and isinstance(ours[key], CfgNode) and isinstance(wanted, CfgNode):
            _take(ours[key], wanted, replace)
        elif key not in ours or replace:
            ours[key] = wanted


@functools.cache
def _say_once(text: str) -> None:
    _log.warning(text)

"""The configuration tree."""

from __future__ import annotations

import copy

from yacs.config import CfgNode

from .defaults import DEFAULTS

__all__ = ["clean_cfg", "get_cfg_default"]


def get_cfg_default() -> CfgNode:
    """A fresh tree of all settings at their defaults."""
    return CfgNode(copy.deepcopy(DEFAULTS))


def clean_cfg(cfg: CfgNode, trainer: str) -> None:
    """Drop, in place, the settings of every trainer but ``trainer``, so that a printed
    configuration is short."""
    for key in set(cfg.TRAINER) - {"NAME", trainer.upper()}:
        del cfg.TRAINER[key]

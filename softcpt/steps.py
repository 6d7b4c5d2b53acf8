"""Counts a training in steps: how many epochs give as many."""

from __future__ import annotations

import math

from yacs.config import CfgNode


def with_epochs(cfg: CfgNode, batches: int) -> CfgNode:
    """``cfg`` with the epochs that follow from ``OPTIM.MAX_STEPS``, rounded up to whole ones; the
    same where epochs are counted.

    A fixed number of epochs starves small data: with one image of each class they are a few steps.

    Args:
        cfg: the run's settings.
        batches: of one epoch.
    """
    if not cfg.OPTIM.MAX_STEPS:
        return cfg
    cfg, frozen = cfg.clone(), cfg.is_frozen()
    cfg.defrost()
    cfg.OPTIM.MAX_EPOCH = math.ceil(cfg.OPTIM.MAX_STEPS / max(batches, 1))
    if frozen:
        cfg.freeze()
    return cfg


def epochs_given(cfg: CfgNode) -> int | None:
    """The epochs that runs of one comparison have in common; None: they follow from the steps."""
    return None if cfg.OPTIM.MAX_STEPS else int(cfg.OPTIM.MAX_EPOCH)

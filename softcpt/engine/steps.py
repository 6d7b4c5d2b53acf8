"""Counts a training in steps: how many epochs give as many.

A fixed number of epochs starves small data, whose epochs are a step or two. More images of a class
bear more steps before they are learnt by heart: CoOp's own settings are 50, 100 and 200 epochs at
1, 2 to 4 and 8 to 16 shots.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from yacs.config import CfgNode

if TYPE_CHECKING:
    from softcpt.engine.batches import Batches

# Of the keys that say how long to train, the one that is given last counts.
STEP_KEYS = ("OPTIM.MAX_STEPS", "OPTIM.STEPS_PER_SHOT")
MOST_SHOTS = 16  # images of a class beyond these add no steps: published settings end there


def wanted_steps(cfg: CfgNode, images: int, classes: int) -> int:
    """The steps that ``OPTIM.MAX_STEPS`` or ``OPTIM.STEPS_PER_SHOT`` asks for; 0: epochs count.

    Args:
        cfg: the run's settings.
        images: that are trained on.
        classes: of all tasks.
    """
    shots = min(max(round(images / classes), 1), MOST_SHOTS)
    return int(cfg.OPTIM.MAX_STEPS or cfg.OPTIM.STEPS_PER_SHOT * shots)


def with_epochs(cfg: CfgNode, steps: int, batches: int) -> CfgNode:
    """``cfg`` with as many epochs of ``batches`` as give ``steps``, rounded up; the same for 0."""
    if not steps:
        return cfg
    cfg, frozen = cfg.clone(), cfg.is_frozen()
    cfg.defrost()
    cfg.OPTIM.MAX_EPOCH = math.ceil(steps / max(batches, 1))
    if frozen:
        cfg.freeze()
    return cfg


def with_epochs_of(cfg: CfgNode, batches: Batches, classes: int) -> CfgNode:
    """``cfg`` with the epochs of a training on ``batches``, of tasks with so many classes."""
    return with_epochs(cfg, wanted_steps(cfg, len(batches.labels), classes), len(batches))


def epochs_given(cfg: CfgNode) -> int | None:
    """The epochs that runs of one comparison have in common; None: they follow from the steps."""
    counted = cfg.OPTIM.MAX_STEPS or cfg.OPTIM.STEPS_PER_SHOT
    return None if counted else int(cfg.OPTIM.MAX_EPOCH)

"""Optimisers by name."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any

from dassl.utils import check_availability
from torch import nn, optim
from yacs.config import CfgNode


def _constructors(cfg: CfgNode) -> dict[str, Any]:
    """Name in the configuration -> constructor, lacking only what all share."""
    betas = (cfg.ADAM_BETA1, cfg.ADAM_BETA2)
    sgd = {"momentum": cfg.MOMENTUM, "dampening": cfg.SGD_DAMPNING, "nesterov": cfg.SGD_NESTEROV}
    return {
        "adam": partial(optim.Adam, betas=betas),
        "amsgrad": partial(optim.Adam, betas=betas, amsgrad=True),
        "sgd": partial(optim.SGD, **sgd),
        "rmsprop": partial(optim.RMSprop, momentum=cfg.MOMENTUM, alpha=cfg.RMSPROP_ALPHA),
        # Dassl's own RAdam decays weights apart from the gradient, as the method's authors do.
        "radam": partial(optim.RAdam, betas=betas, decoupled_weight_decay=True),
        "adamw": partial(optim.AdamW, betas=betas),
    }


def build_optimizer(
    model: nn.Module | Iterable[nn.Parameter], optim_cfg: CfgNode, param_groups: Any = None
) -> optim.Optimizer:
    """The optimiser ``optim_cfg.NAME`` over ``param_groups`` if given, otherwise over ``model``.

    ``model`` is a module or an iterable of parameters. With STAGED_LR the children in NEW_LAYERS
    learn at LR and all other children at LR * BASE_LR_MULT. Raises ValueError on an unknown name.
    """
    constructors = _constructors(optim_cfg)
    check_availability(optim_cfg.NAME, list(constructors))
    if param_groups is not None and optim_cfg.STAGED_LR:
        warnings.warn("OPTIM.STAGED_LR has no effect when param_groups are given", stacklevel=2)
    if param_groups is None:
        if optim_cfg.STAGED_LR:
            param_groups = _staged_groups(model, optim_cfg)
        else:
            param_groups = model.parameters() if isinstance(model, nn.Module) else model
    optimizer: optim.Optimizer = constructors[optim_cfg.NAME](
        param_groups, lr=optim_cfg.LR, weight_decay=optim_cfg.WEIGHT_DECAY
    )
    return optimizer


def _staged_groups(model: nn.Module | Iterable[nn.Parameter], cfg: CfgNode) -> list[dict[str, Any]]:
    """Old layers at the reduced rate, new ones at the full rate."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"OPTIM.STAGED_LR: a module with named children is needed, not {type(model).__name__}"
        )
    model = model.module if isinstance(model, nn.DataParallel) else model
    new_layers = [cfg.NEW_LAYERS] if isinstance(cfg.NEW_LAYERS, str) else cfg.NEW_LAYERS
    old: list[nn.Parameter] = []
    new: list[nn.Parameter] = []
    for name, child in model.named_children():
        (new if name in new_layers else old).extend(child.parameters())
    return [{"params": old, "lr": cfg.LR * cfg.BASE_LR_MULT}, {"params": new}]

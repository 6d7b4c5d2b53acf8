"""Trainers by name."""

from __future__ import annotations

from typing import Any

from dassl.utils import Registry, check_availability
from yacs.config import CfgNode

TRAINER_REGISTRY = Registry("TRAINER")


def build_trainer(cfg: CfgNode) -> Any:
    """The trainer ``cfg.TRAINER.NAME``. Raises ValueError on an unknown name."""
    name = cfg.TRAINER.NAME
    check_availability(name, TRAINER_REGISTRY.registered_names())
    if cfg.VERBOSE:
        print(f"trainer: {name}")
    return TRAINER_REGISTRY.get(name)(cfg)

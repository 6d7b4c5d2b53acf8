"""How a run's images become the input of its backbone: the keys ``INPUT.*``."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize
from yacs.config import CfgNode

from softcpt.clip.preprocessing import Preprocessing
from softcpt.clip.published_preprocessing import of_name
from softcpt.errors import UserError

_log = logging.getLogger(__name__)


def input_keys(preprocessing: Preprocessing) -> dict[str, Any]:
    """Key -> value of the configuration for images of that kind."""
    return {
        "INPUT.SIZE": (preprocessing.size,) * 2,
        "INPUT.INTERPOLATION": preprocessing.interpolation,
        "INPUT.RESIZE_MODE": preprocessing.resize_mode,
        "INPUT.PIXEL_MEAN": list(preprocessing.mean),
        "INPUT.PIXEL_STD": list(preprocessing.std),
    }


def take_input_of_backbone(cfg: CfgNode, named: bool, given: Collection[str]) -> None:
    """Let images be as an open_clip model was trained on them, and print what changes.

    Args:
        cfg: the configuration; changed.
        named: whether the command line names the backbone. Else the configuration's files do, and
            say of images what they want; where that differs it is printed.
        given: keys that the command line gives, which stay as they are.
    """
    from softcpt.engine.config_keys import set_key

    name = str(cfg.MODEL.BACKBONE.NAME)
    own = of_name(name)
    if own is None:
        return
    other = {key: value for key, value in input_keys(own).items() if _differs(cfg, key, value)}
    taken = {key: value for key, value in other.items() if named and key not in given}
    for key, value in taken.items():
        set_key(cfg, key, value, "backbone")
    if taken:
        _say_once(f"{name} takes images so: {_listed(taken)}")
    left = {key: value for key, value in other.items() if key not in taken}
    if left:
        _say_once(f"{name} was trained on other images than these: {_listed(left)}")


def _differs(cfg: CfgNode, key: str, value: Any) -> bool:
    present = cfg.INPUT[key.partition(".")[2]]
    if isinstance(value, (list, tuple)):
        return list(present) != list(value)
    return bool(present != value)


@functools.cache  # a grid makes a configuration for every job
def _say_once(text: str) -> None:
    _log.info(text)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def build_input_transform(cfg: CfgNode, is_train: bool, quiet: bool = False) -> Any:
    """Dassl's transform of a configuration; with ``INPUT.RESIZE_MODE`` squash tests resize both
    sides, where Dassl's cuts out the middle.

    Raises:
        UserError: images are to stay as they are.
    """
    from dassl.data.transforms import build_transform

    if quiet:
        with redirect_stdout(StringIO()):
            transform = build_transform(cfg, is_train=is_train)
    else:
        transform = build_transform(cfg, is_train=is_train)
    if transform is None:
        raise UserError(
            "INPUT.NO_TRANSFORM: a CLIP takes tensors of one size; leave it at False, and "
            "INPUT.TRANSFORMS at what is to be done"
        )
    if is_train or cfg.INPUT.RESIZE_MODE != "squash":
        return transform
    resize = Resize(tuple(cfg.INPUT.SIZE), InterpolationMode(cfg.INPUT.INTERPOLATION))
    kept = [step for step in transform.transforms if not isinstance(step, (Resize, CenterCrop))]
    return Compose([resize, *kept])

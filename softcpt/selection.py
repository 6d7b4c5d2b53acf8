"""Says what an epoch or a setting may be chosen on: validation images, never those tested on."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from yacs.config import CfgNode

from softcpt.errors import UserError

_log = logging.getLogger(__name__)

FINAL_MODELS = ("last_step", "best_val")


class Image(Protocol):
    """Dassl's record of an image, as far as it is asked here."""

    impath: str


def check_final_model(cfg: CfgNode) -> None:
    """Refuse other values of ``TEST.FINAL_MODEL`` than those there are.

    Raises:
        UserError: it is none of them.
    """
    if cfg.TEST.FINAL_MODEL not in FINAL_MODELS:
        raise UserError(
            f"TEST.FINAL_MODEL is '{cfg.TEST.FINAL_MODEL}': choose {' or '.join(FINAL_MODELS)}"
        )


def untested(val: Sequence[Any] | None, test: Sequence[Any]) -> list[Any]:
    """The validation images whose files are not among the test images, by whatever path."""
    tested = {_file(image) for image in test}
    return [image for image in val or () if _file(image) not in tested]


def obstacle(val: Sequence[Any] | None, test: Sequence[Any]) -> str:
    """Why nothing may be chosen on the validation images, in a few words; "": something may.

    One test image among them is enough. ImageNet's are all test images, as CoOp has it.
    """
    if not val:
        return "there are no validation images"
    tested = len(val) - len(untested(val, test))
    return f"{tested:,} of {len(val):,} validation images are test images" if tested else ""


def settled(
    cfg: CfgNode, val: Sequence[Any] | None, test: Sequence[Any], tell: bool = True
) -> CfgNode:
    """``cfg``, with ``TEST.FINAL_MODEL`` last_step where best_val would choose on test images.

    Dassl measures "val" on the test images where there are no others, so the choice must be made
    before it asks.

    Args:
        cfg: the run's settings.
        val: its validation images, if there are any.
        test: its test images.
        tell: print a line about it.
    """
    if cfg.TEST.FINAL_MODEL != "best_val":
        return cfg
    why = obstacle(val, test)
    if not why:
        return cfg
    if tell:
        _log.info(
            f"TEST.FINAL_MODEL best_val: {why}, so the last step counts: no epoch is chosen on "
            "test images"
        )
    cfg, frozen = cfg.clone(), cfg.is_frozen()
    cfg.defrost()
    cfg.TEST.FINAL_MODEL = "last_step"
    if frozen:
        cfg.freeze()
    return cfg


def of_epoch(epoch: int | None, on: str | None = None) -> dict[str, Any]:
    """For results.json: that an epoch (1-based) was chosen, and on what; None: not known."""
    return {"what": "epoch", "on": on, "value": epoch}


def of_prompt(header: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was chosen for a saved prompt, by its header; an older version's does not say on
    what."""
    if "selected" in header or header["val_result"] is None:
        selected: dict[str, Any] | None = header.get("selected")
        return selected
    return of_epoch(header["epoch"])


def of_mean(headers: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What was chosen for prompts whose mean is taken: no single value."""
    chosen = [found for header in headers if (found := of_prompt(header))]
    if not chosen:
        return None
    known = {found["on"] for found in chosen}
    on = known.pop() if len(known) == 1 else None
    return {"what": chosen[0]["what"], "on": on, "value": None}


def _file(image: Image) -> tuple[int, int] | str:
    """Device and number of the image's file, which all links to it share; else its path."""
    try:
        status = os.stat(image.impath)
    except OSError:  # it is missing, which whoever reads it says
        return os.path.abspath(image.impath)
    return (status.st_dev, status.st_ino)

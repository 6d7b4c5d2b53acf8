"""Chooses the few-shot images of a data set: as CoOp, or as ELEVATER's toolkit does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from softcpt.data.draw_files import Drawn, as_coop_draws, kept_draw
from softcpt.data.elevater_draw import draw
from softcpt.data.split import Split


class DrawRule(Protocol):
    """How the images of a run are drawn from a split."""

    def __call__(self, split: Split, shots: int, seed: int, folder: Path) -> tuple[Drawn, str]:
        """The images of each part, and the file that their draw is from ("": none was needed).

        Args:
            split: the whole split.
            shots: images per class; below 1: all.
            seed: of the draw.
            folder: the data set's, where draws are kept.
        """


@dataclass(frozen=True)
class CoopDraw:
    """``shots`` training images of each class, and min(shots, 4) validation images.

    Attributes:
        kept: folders with draws, first choice first.
        val_is_test: validation images are the test images, undrawn.
    """

    kept: Sequence[str]
    val_is_test: bool = False

    def __call__(self, split: Split, shots: int, seed: int, folder: Path) -> tuple[Drawn, str]:
        """A published draw, one that was kept, or a new one."""
        drawn, source = kept_draw(
            split, shots, seed, folder, self.kept, as_coop_draws, draw_val=not self.val_is_test
        )
        val = split.test if self.val_is_test else drawn["val"]
        return {"train": drawn["train"], "val": val, "test": split.test}, source


def unkept_draw(split: Split, shots: int, seed: int, folder: Path) -> tuple[Drawn, str]:
    """CoOp's draw of images that lie in no folder, so that no file can say what was drawn."""
    del folder
    if shots < 1:
        return {"train": split.train, "val": split.val, "test": split.test}, ""
    places = as_coop_draws(split, shots, seed)
    return {
        "train": [split.train[place] for place in places["train"]],
        "val": [split.val[place] for place in places["val"]],
        "test": split.test,
    }, ""


def undrawn_test_images(split: Split, shots: int, seed: int, folder: Path) -> tuple[Drawn, str]:
    """The test images, which stand in for the training images that Dassl needs."""
    del shots, seed, folder  # nothing is drawn
    return {"train": split.test, "val": [], "test": split.test}, ""


@dataclass(frozen=True)
class ElevaterDraw:
    """ELEVATER's draw (:mod:`softcpt.data.elevater_draw`): validation images are taken from the
    training images; the publisher's are not used.

    Attributes:
        kept: the folder with draws.
    """

    kept: str

    def __call__(self, split: Split, shots: int, seed: int, folder: Path) -> tuple[Drawn, str]:
        """A draw that was kept, or a new one; all training images are divided, not kept."""
        whole = replace(split, val=split.train)
        if shots < 1:
            places = _places(whole, shots, seed)
            chosen = {part: [split.train[i] for i in found] for part, found in places.items()}
            return {**chosen, "test": split.test}, ""
        drawn, source = kept_draw(whole, shots, seed, folder, (self.kept,), _places)
        return {**drawn, "test": split.test}, source


def _places(split: Split, shots: int, seed: int) -> dict[str, list[int]]:
    labels = [(item.label, *item.others) for item in split.train]
    return draw(labels, len(split.class_names[0]), shots, seed)

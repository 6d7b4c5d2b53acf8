"""What every way of loading a model gives, and what they say of one that cannot be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError
from softcpt.text.open_clip_parts import ClipModel
from softcpt.text.own_tokenizer import OwnTokenizer
from softcpt.utils.kinds import in_short, is_kind


class LoadedModel(NamedTuple):
    """A model as its author left it: fp32, on the CPU, in eval mode.

    ``weights`` are the tensors as stored where the model's own are computed from them, else None;
    ``file`` is the file or folder that was given by its path, else None; ``tokenizer`` is None
    where it is CLIP's.
    """

    name: str
    model: ClipModel
    preprocessing: Preprocessing
    weights: dict[str, Tensor] | None = None
    file: Path | None = None
    tokenizer: OwnTokenizer | None = None


def image_side(size: Any, name: str) -> int:
    """Side of a model's square images in pixels; ``size`` is one number, or height and width.

    Raises:
        UserError: they are not square, or it is neither.
    """
    sides = list(size) if isinstance(size, (list, tuple)) else [size, size]
    if len(sides) != 2 or not is_kind(sides, [int]):
        raise UserError(f"{name}: the size of its images is {in_short(size)}; give a number")
    height, width = sides
    if height != width:
        raise UserError(
            f"{name}: its images are {height} x {width}; only square ones are supported, choose "
            "another model"
        )
    side: int = height
    return side

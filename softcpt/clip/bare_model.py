"""Models of a folder that anybody may have written: no memory is taken for the sizes that its
configuration states, but for the tensors that are there."""

from __future__ import annotations

from typing import Any

import torch
from open_clip import CLIP, CustomTextCLIP
from torch import Tensor, nn

from softcpt.errors import UserError
from softcpt.text.open_clip_parts import ClipModel

COPY_AGAIN = "copy the model's folder again"
# So much larger than its factors a table may be: those of the embedded model make four times as
# many numbers.
_MOST_LARGER = 64


def without_weights(model_cfg: dict[str, Any], tensors: int) -> ClipModel:
    """The model that a configuration describes. Whatever sizes are stated there, it takes no memory
    until it gets the tensors, whose shapes must be the same.

    Raises:
        ValueError: it has more layers than there are tensors, or weights from elsewhere.
        Exception: whatever a configuration that makes no sense makes open_clip raise.
    """
    settings = dict(model_cfg)
    for part in ("text_cfg", "vision_cfg"):
        layers = settings[part].get("layers", 0)
        if sum(layers if isinstance(layers, (list, tuple)) else [layers]) > tensors:
            raise ValueError(f"{part} has more layers than there are tensors")
    image = settings["vision_cfg"] = {**settings["vision_cfg"], "timm_model_pretrained": False}
    if ":" in str(image.get("timm_model_name")):
        raise ValueError("its image tower is fetched from elsewhere")
    kind = CustomTextCLIP if settings.pop("custom_text", False) else CLIP
    with torch.device("meta"):
        model: ClipModel = kind(**settings)
    model.eval()
    return model


def fill_masks(model: nn.Module) -> None:
    """The masks of causal attention, which are not among the tensors of a file.

    Raises:
        ValueError: something else is not among them.
    """
    for name, buffer in list(model.named_buffers()):
        if not buffer.is_meta:
            continue
        owner, _, own = name.rpartition(".")
        if own != "attn_mask":
            raise ValueError(f"{name} is not among the tensors")
        mask = torch.full(buffer.shape, float("-inf")).triu_(1)
        model.get_submodule(owner).register_buffer(own, mask, persistent=False)


def product(key: str, left: Tensor, right: Tensor) -> Tensor:
    """The table ``key`` (V, d) that is kept as (V, r) and (r, d).

    Raises:
        UserError: these cannot be multiplied, or would be far larger than they are.
    """
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        shapes = f"{tuple(left.shape)} and {tuple(right.shape)}"
        raise UserError(
            f"model: {key}.left and .right of {shapes} cannot be multiplied; {COPY_AGAIN}"
        )
    if len(left) * right.shape[1] > _MOST_LARGER * (left.numel() + right.numel()):
        raise UserError(f"model: {key} is far larger than what it is made of; {COPY_AGAIN}")
    return left @ right

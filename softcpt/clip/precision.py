"""What a precision means on a device: the types of weights and products, and whether losses are
scaled."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.model import convert_weights_to_lp
from open_clip.modified_resnet import AttentionPool2d
from open_clip.timm_model import TimmModel
from open_clip.transformer import LayerNorm, LayerNormFp32, VisionTransformer
from torch import nn

from softcpt.errors import UserError
from softcpt.text.open_clip_parts import ClipModel, text_parts

_log = logging.getLogger(__name__)

PRECISIONS = ("fp32", "fp16", "bf16", "amp")
WEIGHT_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


def usable_precision(precision: str, device: torch.device) -> str:
    """What ``precision`` is on ``device``: ``fp16`` on a CPU is ``fp32``.

    Raises:
        UserError: it is unknown.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision {precision!r}: unknown; use one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and device.type == "cpu":
        _log.info("fp16 needs a GPU; on this CPU the run uses fp32")
        return "fp32"
    return precision


def autocast_type(device: torch.device) -> torch.dtype:
    """The type that ``amp`` multiplies in: fp16 on CUDA, and on an accelerator from elsewhere that
    says it has it; else bf16."""
    module = getattr(torch, device.type, None)
    supported: list[torch.dtype] = getattr(module, "get_amp_supported_dtype", list)()
    has_fp16 = device.type == "cuda" or torch.float16 in supported
    return torch.float16 if has_fp16 else torch.bfloat16


def needs_loss_scaling(precision: str, device: torch.device) -> bool:
    """Whether gradients go through fp16, where what is below 6e-8 is zero."""
    return precision == "fp16" or (precision == "amp" and autocast_type(device) == torch.float16)


def lower_precision(model: ClipModel, dtype: torch.dtype) -> None:
    """Cast the matrices to ``dtype`` as OpenAI does, and of a timm tower everything but batch
    norms."""
    for module in model.modules():
        if type(module) is LayerNorm:
            # The same parameters, computing in fp32 whatever the input's type.
            module.__class__ = LayerNormFp32
    _cast_matrices(model, dtype)
    # What open_clip does not know: tokens of CoCa's towers, and transformers' layers.
    for module in model.modules():
        _cast_named(module, ("cls_emb", "query"), dtype)
        if isinstance(module, HFTextEncoder):
            module.to(dtype)
    if isinstance(model.visual, TimmModel):
        for module in model.visual.modules():
            if not isinstance(module, nn.BatchNorm2d):
                for parameter in module.parameters(recurse=False):
                    parameter.data = parameter.data.to(dtype)


def _cast_matrices(model: nn.Module, dtype: torch.dtype) -> None:
    text: Any = text_parts(model)
    projection = getattr(text, "text_projection", None)
    if isinstance(projection, nn.Linear):  # open_clip takes every projection for a matrix
        text.text_projection = None
    convert_weights_to_lp(model, dtype)
    if isinstance(projection, nn.Linear):
        text.text_projection = projection.to(dtype)
    _cast_embeddings(model, dtype)


def _cast_embeddings(model: nn.Module, dtype: torch.dtype) -> None:
    """Those of an image tower of open_clip's, which casts them to what its convolution gives."""
    for module in model.modules():
        if isinstance(module, (AttentionPool2d, VisionTransformer)):
            _cast_named(module, ("class_embedding", "positional_embedding"), dtype)


def _cast_named(module: nn.Module, names: Collection[str], dtype: torch.dtype) -> None:
    for name, parameter in module.named_parameters(recurse=False):
        if name in names:
            parameter.data = parameter.data.to(dtype)


def hold_for_autocast(model: ClipModel, dtype: torch.dtype, text: bool) -> None:
    """Cast what autocast would cast at every product, once: the image tower's frozen matrices and
    biases of layers, and with ``text`` the text tower's. Under autocast nothing else changes.

    A linear layer keeps its fp32 bias as ``exact_bias``, for a tower rewritten to add it where
    nothing is cast (softcpt/clip/vit.py).
    """
    for module in (model if text else model.visual).modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.register_buffer("exact_bias", module.bias.detach().clone(), persistent=False)
    if text:
        _cast_matrices(model, dtype)
    else:
        convert_weights_to_lp(model.visual, dtype)
        _cast_embeddings(model.visual, dtype)

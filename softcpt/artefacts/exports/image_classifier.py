"""Image tower and classifier as one module that can be traced: pre-processed images in, logits out.

What does not depend on the image is computed once and kept as a constant: class embeddings, image
prompts. The text tower is left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from softcpt.artefacts.class_matrix import AS_THEY_ARE, class_matrix
from softcpt.errors import UserError
from softcpt.prompters.classifier import TaskClassifier, normalise
from softcpt.prompters.cocoop import CoCoOp
from softcpt.prompters.heads.head import Fitted, Head
from softcpt.prompters.heads.linear_head import LinearHead
from softcpt.prompters.image_prompts import encode_with_prompts
from softcpt.prompters.plot import PLOT
from softcpt.prompters.vpt import ImagePrompter

# Batch sizes at which what was written is compared; traced is another one.
TRACED, COMPARED = 2, (1, 3)
# Of the largest logit; other orders of summation give about 1e-6.
TOLERANCE = 1e-3

_REASONS: dict[type[TaskClassifier], str] = {
    CoCoOp: "the text tower runs for every image, and image tower and classifier are all that is "
    "exported",
    PLOT: "its matching stops when the numbers of a batch say so, which a fixed graph cannot",
}


class ImageClassifier(nn.Module):
    """(B, 3, H, W) pre-processed images -> (B, C) logits of all classes, task after task.

    Args:
        method: what was trained.
    """

    def __init__(self, method: TaskClassifier) -> None:
        super().__init__()
        self.features = _features(method)
        self.classifier = _classifier(method)

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


class _Frozen(nn.Module):
    """Features of the frozen tower (B, D), as the method takes them."""

    def __init__(self, tower: nn.Module, normalised: bool) -> None:
        super().__init__()
        self.tower, self.normalised = tower, normalised

    def forward(self, images: Tensor) -> Tensor:
        features = self.tower(images).flatten(1).float()
        return F.normalize(features, dim=-1) if self.normalised else features


class _Prompted(nn.Module):
    """Normalised features of a tower with prompts."""

    def __init__(self, method: ImagePrompter) -> None:
        super().__init__()
        self.vit, self.tower = method.vit, method.clip.model.visual
        self.register_buffer("prompts", method.prompt_learner(1).detach())

    prompts: Tensor

    def forward(self, images: Tensor) -> Tensor:
        return normalise(encode_with_prompts(self.vit, images, self.prompts))


class _Linear(nn.Module):
    """Features (B, D) @ weights (D, C) + bias (C,)."""

    weights: Tensor
    bias: Tensor

    def __init__(self, weights: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.register_buffer("bias", torch.zeros(weights.shape[1]) if bias is None else bias)

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weights + self.bias


class _ByTask(nn.Module):
    """What heads were fitted to, task after task."""

    def __init__(self, fitted: Sequence[Fitted]) -> None:
        super().__init__()
        self.fitted = [_with_own_tensors(each) for each in fitted]

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([fitted(features) for fitted in self.fitted], dim=1)


def _with_own_tensors(fitted: Any) -> Fitted:
    """The same dataclass with copies of its tensors, which are parts of the method's parameters."""
    values = {field.name: getattr(fitted, field.name) for field in fields(fitted)}
    own: Fitted = replace(
        fitted,
        **{
            name: value.detach().clone(memory_format=torch.contiguous_format)
            for name, value in values.items()
            if isinstance(value, Tensor)
        },
    )
    return own


def _features(method: TaskClassifier) -> nn.Module:
    clip = method.clip
    if isinstance(method, ImagePrompter):
        return _Prompted(method)
    if method.unprojected:
        return _Frozen(clip.projection.tower, normalised=False)
    as_they_are = not isinstance(method, Head) and _as_they_are(method)
    return _Frozen(clip.model.visual, normalised=not as_they_are)


def _as_they_are(method: TaskClassifier) -> bool:
    return class_matrix(method).image_features == AS_THEY_ARE


def _classifier(method: TaskClassifier) -> nn.Module:
    if isinstance(method, Head) and not isinstance(method, LinearHead):
        return _ByTask([method.fitted(task) for task in range(len(method.tasks))])
    matrix = class_matrix(method)
    return _Linear(matrix.logit_scale * matrix.weights, matrix.bias)


@torch.no_grad()
def image_classifier(method: TaskClassifier) -> ImageClassifier:
    """The module of a method, to be traced without gradients.

    Raises:
        UserError: its classifier cannot be traced, or its weights are not fp32 on the CPU.
    """
    for kind, reason in _REASONS.items():
        if isinstance(method, kind):
            raise UserError(
                f"{type(method).__name__}: it cannot be exported ({reason}); only this library "
                "can classify with it"
            )
    clip = method.clip
    if clip.precision != "fp32" or clip.device.type != "cpu":
        raise UserError(
            f"backbone '{clip.name}' in {clip.precision} on {clip.device}: exported are fp32 "
            'weights from the CPU; load it with precision="fp32", device="cpu" (load_prompt, too)'
        )
    method.eval()
    return ImageClassifier(method).eval().requires_grad_(False)


def example(method: TaskClassifier, images: int = TRACED) -> Tensor:
    """Random images (B, 3, H, W), the same every time."""
    generator = torch.Generator().manual_seed(images)
    size = method.clip.image_size
    return torch.randn(images, 3, size, size, generator=generator)


@torch.no_grad()
def compare(
    module: ImageClassifier, method: TaskClassifier, other: Callable[[Tensor], Any], name: str
) -> str:
    """Compare another form of ``module`` with the library on random images; returns a line with the
    largest difference.

    Args:
        module: what was written.
        method: gives the library's own logits.
        other: (B, 3, H, W) -> (B, C) logits of what was written.
        name: what it is called.

    Raises:
        UserError: they differ by more than rounding does.
    """
    largest, reach = 0.0, 0.0
    for images in (example(method, count) for count in COMPARED):
        own = method.classifier()(method.encode_image(images))
        for expected in (own, module(images)):
            given = torch.as_tensor(other(images))
            finite = expected.isfinite()
            same = given.shape == expected.shape and torch.equal(given.isfinite(), finite)
            difference = (given - expected)[finite].abs().max().item() if same else float("inf")
            largest = max(largest, difference)
            reach = max(reach, expected[finite].abs().max().item())
    if largest > TOLERANCE * max(reach, 1.0):
        raise UserError(
            f"{name}: its logits differ from torch's by {largest:.1e} (the largest is "
            f"{reach:.1f}), so nothing was written; use another kind of export"
        )
    return f"largest difference from torch's logits: {largest:.1e} (logits up to {reach:.1f})"

"""The classes of all tasks as one matrix, which any program with the same image tower can use.

    logits = logit_scale * f @ weights + bias,   f = image features / |image features|

A task's classes are the columns from its offset on; a softmax over them alone gives the task's
probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.errors import UserError
from softcpt.prompters.base import Prompter
from softcpt.prompters.classifier import TaskClassifier
from softcpt.prompters.cocoop import CoCoOp
from softcpt.prompters.heads.kernel_head import KernelHead
from softcpt.prompters.heads.linear_head import LinearHead
from softcpt.prompters.heads.prolip import ProLIP
from softcpt.prompters.linear_probe import LinearProbe
from softcpt.prompters.plot import PLOT
from softcpt.prompters.protonet import ProtoNet

# What the image features are that the matrix is multiplied with.
NORMALISED, AS_THEY_ARE, PROMPTED = "normalised", "as they are", "prompted and normalised"

_TOWER = "export it to onnx or torch"
_LIBRARY = "only this library can classify with it"
# Why a method's logits are no product of image features and one matrix, and what helps.
_REASONS: dict[type[TaskClassifier], tuple[str, str]] = {
    CoCoOp: ("every image has class embeddings of its own", _LIBRARY),
    PLOT: ("places of an image are matched to several embeddings of a class", _LIBRARY),
    KernelHead: ("an image is compared with every training image by an exponential", _TOWER),
    ProLIP: (
        "each task has an image projection of its own, and features are normalised behind it",
        _TOWER,
    ),
}


@dataclass(frozen=True)
class ClassMatrix:
    """A linear classifier on image features, and what its columns mean.

    Attributes:
        weights: (D, C), as open_clip's zero-shot classifiers, fp32 on the CPU. Of methods that make
            class embeddings the columns have unit length; of linear heads they have the lengths
            that were fitted.
        logit_scale: the factor itself, not its logarithm.
        bias: (C,), -inf for a class that is never predicted; None: there is none.
        class_names: (C,), task after task.
        task_names: (T,).
        task_offsets: (T,), the first column of each task.
        image_features: "normalised"; "as they are" (a linear probe's: f is not divided by its
            length); "prompted and normalised" (of an image tower with the method's own prompts).
    """

    weights: Tensor
    logit_scale: float
    bias: Tensor | None
    class_names: tuple[str, ...]
    task_names: tuple[str, ...]
    task_offsets: tuple[int, ...]
    image_features: str = NORMALISED

    def logits(self, features: Tensor) -> Tensor:
        """(B, D) image features as the tower gives them -> (B, C) logits of all classes."""
        if self.image_features != AS_THEY_ARE:
            features = torch.nn.functional.normalize(features, dim=-1)
        logits = self.logit_scale * features @ self.weights.to(features)
        return logits if self.bias is None else logits + self.bias.to(features)

    def columns(self, task: int) -> slice:
        """Where the classes of a task stand."""
        ends = (*self.task_offsets[1:], len(self.class_names))
        return slice(self.task_offsets[task], ends[task])


@torch.no_grad()
def class_matrix(method: TaskClassifier) -> ClassMatrix:
    """The class matrix of a trained or fitted method.

    Raises:
        UserError: the method's logits are not those of one matrix; the message says why.
    """
    tasks = method.tasks
    weights, scale, bias = _parts(method)
    bias = None if bias is None or not bias.any() else bias.detach().float().cpu()
    features = PROMPTED if method.prompts_images else NORMALISED
    return ClassMatrix(
        weights.detach().float().t().contiguous().cpu(),
        scale,
        bias,
        tasks.class_names,
        tasks.names,
        tasks.offsets,
        AS_THEY_ARE if isinstance(method, LinearProbe) else features,
    )


def _parts(method: TaskClassifier) -> tuple[Tensor, float, Tensor | None]:
    """(C, D) rows, the logit scale and (C,) offsets."""
    scale = method.clip.logit_scale.exp().item()
    for kind, (reason, remedy) in _REASONS.items():
        if isinstance(method, kind):
            raise UserError(
                f"{type(method).__name__}: its logits are not those of one class matrix ({reason});"
                f" {remedy}"
            )
    if isinstance(method, LinearHead):
        return method.weight / scale, scale, method.bias
    if isinstance(method, LinearProbe):
        return method.weight, 1.0, method.bias
    if isinstance(method, ProtoNet):
        return method.prototypes, scale, method.bias
    if isinstance(method, Prompter) and type(method).logits is Prompter.logits:
        return method.class_embeddings(), scale, None
    raise UserError(
        f"{type(method).__name__}: it computes its logits in a way of its own, which no class "
        "matrix is known to give; use the library"
    )

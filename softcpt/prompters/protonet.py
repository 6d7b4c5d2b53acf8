"""Nearest class means: the classifier of prototypical networks (Snell et al., arXiv 1703.05175) on
CLIP features.

    w_c = mean over the training images of c of f, normalised;   f = image feature / |feature|
    logit of c = exp(logit_scale) * f . w_c        the scaled cosine between feature and mean

SoftCPT's table has a row "ProtoNet" without a number of parameters, and neither its released code
nor its README says how it was made. It is hardly this: the row has 10.1 % at one shot on General-10
where the linear probe has 37.3 %, and with one image per class both would divide the same CLIP
features in much the same way. So this method has the row's name and idea, and its figures are not a
reproduction of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from softcpt.clip.model import Clip
from softcpt.prompters.classifier import MethodOptions, normalise
from softcpt.prompters.feature_classifier import FeatureClassifier, Labelled
from softcpt.tasks import TaskSet


@dataclass
class ProtoNetOptions(MethodOptions):
    """Nothing is chosen."""


class ProtoNet(FeatureClassifier):
    """Class means of image features. Nothing is optimised: there are no trainable parameters.

    Attributes:
        prototypes: (C, D) normalised means.
        bias: (C,) zero; -inf for a class without training images, which is never predicted.
    """

    Options = ProtoNetOptions

    options: ProtoNetOptions
    prototypes: Tensor
    bias: Tensor

    def __init__(self, clip: Clip, tasks: TaskSet, options: ProtoNetOptions) -> None:
        super().__init__(clip, tasks, options)
        self.register_buffer(
            "prototypes", torch.zeros(tasks.num_classes, clip.embed_dim, device=clip.device)
        )
        self.register_buffer("bias", self.no_bias())

    def class_embeddings(self) -> Tensor:
        """(C, D): the prototypes lie where class embeddings do."""
        return self.prototypes

    def logits(
        self, features: Tensor, tasks: Sequence[int] | None = None, classes: Tensor | None = None
    ) -> Tensor:
        """(B, D) normalised image features -> (B, C); of ``tasks`` or ``classes`` (B, C')."""
        columns = self.columns(tasks, classes)
        cosines = self.clip.logit_scale.exp() * features @ self.prototypes[columns].t()
        return cosines + self.bias[columns]

    def fit_task(
        self,
        task: int,
        train: Labelled,
        val: Labelled,  # noqa: ARG002 - nothing is chosen
    ) -> dict[str, float]:
        """Set the means of the task's classes from normalised features."""
        features, labels = train
        columns = self.tasks.columns(task)
        sums = torch.zeros(self.tasks.sizes[task], features.shape[1]).index_add_(
            0, labels, features.float()
        )
        counts = torch.bincount(labels, minlength=self.tasks.sizes[task])
        self.prototypes[columns] = normalise(sums).to(self.prototypes)
        self.bias[columns] = (
            torch.zeros(len(counts)).masked_fill(counts == 0, -torch.inf).to(self.bias)
        )
        return {"training images": len(labels)}

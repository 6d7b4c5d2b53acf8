"""A backbone, perhaps a head, and a linear classifier."""

from __future__ import annotations

from typing import Any

import torch
from dassl.modeling import build_backbone, build_head
from torch import nn
from yacs.config import CfgNode


class SimpleNet(nn.Module):
    """Images (B, 3, H, W) to logits (B, ``num_classes``), or to features (B, fdim) when
    ``num_classes`` is 0."""

    def __init__(self, cfg: CfgNode, model_cfg: CfgNode, num_classes: int, **kwargs: Any) -> None:
        super().__init__()
        backbone, head = model_cfg.BACKBONE, model_cfg.HEAD
        self.backbone = build_backbone(
            backbone.NAME, cfg.VERBOSE, pretrained=backbone.PRETRAINED, **kwargs
        )
        self._fdim: int = self.backbone.out_features
        self.head = None
        if head.NAME and head.HIDDEN_LAYERS:
            self.head = build_head(
                head.NAME,
                cfg.VERBOSE,
                in_features=self._fdim,
                hidden_layers=head.HIDDEN_LAYERS,
                activation=head.ACTIVATION,
                bn=head.BN,
                dropout=head.DROPOUT,
                **kwargs,
            )
            self._fdim = self.head.out_features
        self.classifier = nn.Linear(self._fdim, num_classes) if num_classes > 0 else None

    @property
    def fdim(self) -> int:
        """Width of the features."""
        return self._fdim

    def forward(
        self, x: torch.Tensor, return_feature: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Logits; with ``return_feature`` also the features; only these when there is no
        classifier."""
        features: torch.Tensor = self.backbone(x)
        if self.head is not None:
            features = self.head(features)
        if self.classifier is None:
            return features
        logits: torch.Tensor = self.classifier(features)
        return (logits, features) if return_feature else logits

"""Backbones by name."""

from __future__ import annotations

from typing import Any

from dassl.utils import Registry
from torch import nn

from .build import build_from

BACKBONE_REGISTRY = Registry("BACKBONE")


class Backbone(nn.Module):
    """A network from images (B, 3, H, W) to features (B, out_features); a subclass sets
    ``_out_features``."""

    @property
    def out_features(self) -> int | None:
        """Width of the features, None when the subclass has not set it."""
        return getattr(self, "_out_features", None)


def build_backbone(name: str, verbose: bool = True, **kwargs: Any) -> Any:
    """The backbone ``name``. Raises ValueError on an unknown name."""
    return build_from(BACKBONE_REGISTRY, "backbone", name, verbose, **kwargs)

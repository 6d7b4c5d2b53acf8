"""Top-k accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def compute_accuracy(
    output: torch.Tensor | Sequence[torch.Tensor], target: torch.Tensor, topk: Sequence[int] = (1,)
) -> list[torch.Tensor]:
    """Top-k accuracies in percent, one tensor (1,) per k.

    ``output`` holds logits (B, C), or is a sequence whose first item does; ``target`` (B,) holds
    class indices.
    """
    logits = output if isinstance(output, torch.Tensor) else output[0]
    hits = logits.topk(max(topk), dim=1).indices == target[:, None]
    return [100.0 * hits[:, :k].any(dim=1).float().mean(dim=0, keepdim=True) for k in topk]

"""Distances between two sets of features."""

from __future__ import annotations

import torch
from dassl.utils import check_availability
from torch.nn import functional


def euclidean_squared_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances (M, N) of features (M, D) and (N, D)."""
    squares1 = input1.square().sum(dim=1, keepdim=True)
    squares2 = input2.square().sum(dim=1)
    return squares1 + squares2 - 2 * input1 @ input2.T


def cosine_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """1 - cosine similarity (M, N) of features (M, D) and (N, D)."""
    return 1 - functional.normalize(input1, dim=1) @ functional.normalize(input2, dim=1).T


def compute_distance_matrix(
    input1: torch.Tensor, input2: torch.Tensor, metric: str = "euclidean"
) -> torch.Tensor:
    """Distances (M, N) of features (M, D) and (N, D); "euclidean" means squared. Raises ValueError
    on other names."""
    metrics = {"euclidean": euclidean_squared_distance, "cosine": cosine_distance}
    check_availability(metric, list(metrics))
    return metrics[metric](input1, input2)

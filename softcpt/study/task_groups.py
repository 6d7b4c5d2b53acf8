"""Suggests which tasks to train together, from what they gained in pairs."""

from __future__ import annotations

import numpy as np


def suggest(gains: np.ndarray) -> list[list[int]]:
    """Groups of tasks, from the gains (T, T) of target j by source i.

    Tasks are joined by average linkage of their mutual gains, (gains + gains.T) / 2. Of the T
    partitions that the tree gives, the one is taken whose expected gain is highest: a task's is the
    mean of its gains by the others of its group, and 0 for a task by itself. That gains of pairs
    predict those of larger groups is an assumption; training the groups shows whether it holds.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    mutual = (gains + gains.T) / 2
    distance = mutual.max() - mutual
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average")
    partitions = [fcluster(tree, count, "maxclust") for count in range(1, len(gains) + 1)]
    best = max(partitions, key=lambda labels: expected_gain(gains, labels))
    groups = [np.flatnonzero(best == label).tolist() for label in dict.fromkeys(best.tolist())]
    return sorted(groups)


def expected_gain(gains: np.ndarray, labels: np.ndarray) -> float:
    """Sum over tasks of the mean gain by the others of the same label (T,)."""
    total = 0.0
    for target, label in enumerate(labels):
        others = [source for source in np.flatnonzero(labels == label) if source != target]
        total += float(np.mean(gains[others, target])) if others else 0.0
    return total

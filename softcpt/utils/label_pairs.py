"""Labels of images that have classes of several tasks: one row for each image and task."""

from __future__ import annotations

import torch
from torch import Tensor

from softcpt.utils.sending import on_host, send, send_labels


def image_task_pairs(labels: Tensor, task_of_class: Tensor) -> tuple[Tensor | None, Tensor]:
    """A row for each (image, task) that has a label, image by image, tasks ascending.

    Args:
        labels: (B,) or (B, K) global classes; -1, wherever it stands, is no label. A row of them
            alone gives no pair.
        task_of_class: (C,) task of each class, on the CPU.

    Returns:
        The image of each of P pairs (P,), None where it is 0 ... B-1 as no image has two tasks; and
        the pairs' labels: (P,), or (P, K') with -1 behind a pair's own where one has several.
    """
    if labels.dim() == 1:
        return None, labels
    known = on_host(labels, tasks_only=True)
    given, tasks = known >= 0, task_of_class[known.clamp(min=0)]
    if given[:, 0].all() and not (given & (tasks != tasks[:, :1])).any():
        return None, labels
    known = on_host(labels)
    images, columns = given.nonzero(as_tuple=True)
    keys = images * len(task_of_class) + tasks[images, columns]
    pairs, pair = keys.unique(return_inverse=True)  # ascending
    order = pair.argsort(stable=True)
    counts = torch.bincount(pair, minlength=len(pairs))
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    found = torch.full((len(pairs), int(counts.max()) if len(pairs) else 1), -1)
    found[pair[order], torch.arange(len(order)) - starts] = known[images, columns][order]
    own = found[:, 0] if found.shape[1] == 1 else found
    return send(pairs // len(task_of_class), labels.device), send_labels(own, labels.device)

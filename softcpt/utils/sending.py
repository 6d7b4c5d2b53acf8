"""Sends tensors to a device without waiting for it, and remembers what labels were sent.

A plain ``.to(device)`` of a tensor in pageable memory waits until the device has done all that it
was given before; ``.cpu()`` always does. On the CPU nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from softcpt.utils.step_tape import running_tape

# Of tensors on a device what was sent, and the version that came of it.
_sent = WeakTensorKeyDictionary()
# Of labels on the host those on a device.
_there = WeakTensorKeyDictionary()


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor`` on ``device``; the host does not wait, and may use the tensor on."""
    # MPS shares the host's memory.
    if tensor.device.type != "cpu" or device.type in ("cpu", "meta", "mps"):
        return tensor.to(device)
    tape = running_tape()
    return _send(tensor, device) if tape is None else tape.send(tensor, device, _send)


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    # Torch keeps pinned memory that was freed until the copy is done.
    return tensor.pin_memory().to(device, non_blocking=True)


def send_together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors of any shapes on ``device``: all those of a type are sent as one."""
    if device.type == "cpu":
        return list(tensors)
    kinds = {
        tensor.dtype: [one for one in tensors if one.dtype == tensor.dtype] for tensor in tensors
    }
    parts = {}
    for kind, same in kinds.items():
        block = send(torch.cat([tensor.flatten() for tensor in same]), device)
        parts[kind] = iter(block.split([tensor.numel() for tensor in same]))
    return [next(parts[tensor.dtype]).view(tensor.shape) for tensor in tensors]


def send_labels(labels: Tensor, device: torch.device) -> Tensor:
    """:func:`send`, and :func:`on_host` of the result costs nothing."""
    found: Tensor | None = _there.pop(labels, None)
    if found is None or found.device != device:
        found = send(labels, device)
    if found is not labels:
        same_labels(labels, found)
    return found


def same_labels(labels: Tensor, there: Tensor) -> None:
    """Remember that ``there``, on a device, are the ``labels`` of the host."""
    _sent[there] = (labels, there._version)


def labels_were_sent(labels: Tensor, there: Tensor) -> None:
    """The next :func:`send_labels` of ``labels`` gives ``there``, which came with something
    else."""
    _there[labels] = there


def on_host(labels: Tensor, tasks_only: bool = False) -> Tensor:
    """``labels`` on the CPU: those that :func:`send_labels` was given, unless they were written to
    since; of other tensors a copy, for which the host waits.

    ``tasks_only``: nothing will come of it but the tasks of which there are labels, and whether
    each image has one. A captured step is done again for such labels alone, so it may ask.
    """
    if labels.device.type == "cpu":
        return labels
    tape = running_tape()
    if tape is not None:
        tape.reads_labels(tasks_only)
    known = _sent.get(labels)
    if known is not None and known[1] == labels._version:
        sent: Tensor = known[0]
        return sent
    return labels.cpu()

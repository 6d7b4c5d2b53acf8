"""Keeps the features that are trained on where they are needed: on the device, if they fit."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from softcpt.errors import UserError

# Of the device's free memory: the rest is for the towers' passes, whose size nobody knows before.
SHARE = 4

_log = logging.getLogger(__name__)


class OnDevice:
    """One view of the training images at a time, whose batches are then picked on the device.

    Args:
        asked: ``FEATURES.DEVICE``: "cpu"; "auto": on the device if a quarter of its free memory is
            enough; "cuda": there.
        device: of the towers.

    Raises:
        UserError: they are to be on a GPU, and the towers are not.
    """

    def __init__(self, asked: str, device: torch.device) -> None:
        self.asked, self.device = asked, device
        has_memory = device.type not in ("cpu", "mps")  # of its own
        if asked == "cuda" and not has_memory:
            raise UserError(
                f"FEATURES.DEVICE is cuda: the towers are on {device.type}; give auto or cpu"
            )
        self._wanted = has_memory and asked != "cpu"
        self._said = False
        self._held: tuple[object, Tensor] | None = None

    def put(self, features: Tensor, view: object) -> Tensor:
        """``features`` (N, ...) on the device; those that do not fit as they are.

        Args:
            features: on the host.
            view: what they are known by; the one before is dropped.
        """
        if not self._wanted:
            return features
        if self._held is not None and self._held[0] == view:
            return self._held[1]
        self._held = None
        if self.asked == "auto" and SHARE * features.nbytes > (free := free_bytes(self.device)):
            self._say(features.nbytes, free)
            return features
        self._held = (view, features.to(self.device))
        return self._held[1]

    def _say(self, needed: int, free: int) -> None:
        if not self._said:
            _log.info(
                f"FEATURES.DEVICE auto: features of {needed / 1e6:,.0f} MB stay on the host, as "
                f"the device has {free / 1e6:,.0f} MB free and a quarter of them may be taken"
            )
        self._said = True


def free_bytes(device: torch.device) -> int:
    """Of a device's memory what is free, or kept by torch for nobody."""
    module = torch.get_device_module(device)
    kept: int = module.memory_reserved(device) - module.memory_allocated(device)
    free: int = module.mem_get_info(device)[0]
    return free + kept

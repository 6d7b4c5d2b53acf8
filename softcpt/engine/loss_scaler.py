"""Keeps small gradients alive in fp16: the loss is multiplied by a factor, gradients are divided by
it (Micikevicius et al. 2018, arXiv 1710.03740, 3.2).

    g = gradient of (s L) / s        a step whose g is not finite is left out, and s halved
                                     after 2,000 steps in a row that were taken s is doubled

s is a power of two, so that nothing is rounded by it. Rule, constants and state are those of
torch's GradScaler. But here the factor is known on the host, which reads together with the loss
whether gradients are finite: a step waits for the device once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from softcpt.errors import UserError

_FIRST = 2.0**16
_GROWTH_INTERVAL = 2000
_LEAST = 2.0**-16  # no gradient is so large that it would have to be made smaller than that


class LossScaler:
    """The factor of a run's losses.

    Args:
        device: where losses are.
        enabled: False: the factor is 1, and nothing is looked at.
    """

    def __init__(self, device: torch.device, enabled: bool) -> None:
        self.enabled = enabled
        self._factor, self._taken = (_FIRST if enabled else 1.0), 0
        # Written to, never replaced: a recorded step finds them where they were.
        self._on_device = torch.tensor([self._factor, 1 / self._factor]).to(device)

    def get_scale(self) -> float:
        """The factor s."""
        return self._factor

    def scale(self, loss: Tensor) -> Tensor:
        """``loss`` times s; the loss itself where nothing is scaled."""
        return loss * self._on_device[0] if self.enabled else loss

    @torch.no_grad()
    def unscale(self, optimiser: Optimizer) -> Tensor:
        """Divide the gradients by s. Returns, 0-dim, 1 if one is not finite, else 0; nobody waits
        for it here."""
        found = torch.zeros_like(self._on_device[0])
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for gradient in _gradients(optimiser):
            by_type.setdefault(gradient.dtype, []).append(gradient)
        inverse = self._on_device[1]
        for alike in by_type.values():  # one kernel for all of them
            torch._amp_foreach_non_finite_check_and_unscale_(alike, found, inverse)
        return found

    def update(self, left_out: bool) -> None:
        """Adapt s to a step that was taken, or ``left_out`` as a gradient was not finite.

        Raises:
            UserError: gradients are not finite, however small s is.
        """
        if not self.enabled:
            return
        self._taken = 0 if left_out else self._taken + 1
        if left_out:
            self._set(self._factor / 2)
        elif self._taken == _GROWTH_INTERVAL:
            self._taken = 0
            self._set(self._factor * 2)
        if self._factor < _LEAST:
            raise UserError(
                "gradients: not finite, however the loss is scaled; lower OPTIM.LR, or use PREC "
                "fp32"
            )

    def _set(self, factor: float) -> None:
        # Of a factor that fp32 does not hold torch keeps the one before.
        if factor <= torch.finfo(torch.float32).max:
            self._factor = factor
            self._on_device[0].fill_(factor)
            self._on_device[1].fill_(1 / factor)

    def state_dict(self) -> dict[str, Any]:
        """What a continuation needs; nothing where nothing is scaled."""
        return {"scale": self._factor, "_growth_tracker": self._taken} if self.enabled else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        if self.enabled:
            factor, taken = float(state["scale"]), int(state["_growth_tracker"])
            if not _LEAST <= factor < float("inf") or not 0 <= taken < _GROWTH_INTERVAL:
                raise ValueError(f"a factor of {factor} after {taken} steps")
            self._taken = taken
            self._set(factor)


def _gradients(optimiser: Optimizer) -> Iterator[Tensor]:
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield parameter.grad

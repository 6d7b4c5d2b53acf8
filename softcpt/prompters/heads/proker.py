"""ProKeR: kernel ridge regression of what zero-shot gets wrong (Bendou et al., CVPR 2025, arXiv
2501.11175).

    out(f) = z(f) + k(f, X) (k(X, X) + lambda I)^-1 (Y - z(X)),   k(f, g) = exp(-beta (1 - f . g))

X are the features of all images and views, Y their classes as one-hot, z zero-shot probabilities
over the task's classes: out is tau times the sum, since logits are on that scale. lambda 0.1 and
beta 1 were chosen on Emoji-44's validation images once, for all shots and data; ``search`` takes
the best on a task's own. The matrix has (N V)^2 entries: ``max_kernel`` bounds its side.

*Differs*: in the published code z are cosines f . t, and the second term is lambda times that of
the equation (``published``), so lambda also weighs it beside zero-shot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import torch

from softcpt.clip.model import Clip
from softcpt.errors import UserError
from softcpt.prompters.classifier import option
from softcpt.prompters.heads.head import SearchOptions, Settings
from softcpt.prompters.heads.kernel_head import KernelHead, Memory, kernel
from softcpt.prompters.heads.shots import Shots
from softcpt.tasks import TaskSet


@dataclass
class ProKeROptions(SearchOptions):
    """Options of ProKeR."""

    ridge: float = option(0.1, "lambda: how little is learned from the images", key="LAMBDA")
    beta: float = option(1.0, "sharpness of the kernel")
    published: bool = option(
        False, "cosines in place of probabilities, and lambda times the correction"
    )
    max_kernel: int = option(
        16384, "most images times views in a task: the matrix has the square of it, 8 bytes each"
    )


class ProKeR(KernelHead):
    """Zero-shot with a kernel correction."""

    Options = ProKeROptions
    several_labels = True
    grid = MappingProxyType({"ridge": (0.01, 0.1, 1.0, 10.0), "beta": (0.5, 1.0, 2.0, 5.5, 10.0)})

    options: ProKeROptions

    def __init__(self, clip: Clip, tasks: TaskSet, options: ProKeROptions) -> None:
        super().__init__(clip, tasks, options)
        self.probabilities = not options.published

    def settings(self, shots: Shots) -> Settings:  # noqa: ARG002 - for any number
        """Lambda and beta as they are given."""
        return {"ridge": self.options.ridge, "beta": self.options.beta}

    def solver(self, shots: Shots) -> Callable[[Settings], Memory]:
        """The regression, by the Cholesky factor of the kernel matrix."""
        samples = shots.samples
        if len(samples) > self.options.max_kernel:
            raise UserError(
                f"ProKeR: a task of {len(shots.features):,} images with "
                f"{shots.features.shape[1]} views needs a kernel of {len(samples):,} x "
                f"{len(samples):,}, and at most {self.options.max_kernel:,} are allowed; use fewer "
                "shots or views, or raise TRAINER.PROKER.MAX_KERNEL"
            )
        published = self.options.published
        if published:
            zero_shot = samples @ shots.text.t()
        else:
            zero_shot = (shots.scale * samples @ shots.text.t()).softmax(dim=1)
        residual = shots.sample_targets - zero_shot

        def solve(settings: Settings) -> Memory:
            beta = settings["beta"]
            matrix = kernel(samples, samples, beta)
            matrix.diagonal().add_(settings["ridge"])
            values = torch.cholesky_solve(residual, torch.linalg.cholesky(matrix))
            if published:
                values = shots.scale * settings["ridge"] * values
            return Memory(samples, values, beta, shots.text, not published, shots.scale)

        return solve

"""How many steps a captured step serves: batches are drawn, not trained.

    python benchmarks/replays.py [--benchmark papers] [--epochs 50] [--shots 16] [--batch 32]

Prints one JSON line. The steps are SoftCPT's with ``OPTIM.GRAPH auto`` on a device whose graphs do
nothing, so that only what is captured, and when, is real. ``padding``: tokens of class prompts that
are encoded, over those of the batches' own tasks; 1 where each set of tasks has a graph.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from workloads import BENCHMARKS, PAPERS, report, task_set

import softcpt
from softcpt.engine.captured import MOST_TASKS_BY_SET, CapturedSteps, Results
from softcpt.engine.graphs import GRAPHS
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.utils.step_tape import running_tape
from softcpt.utils.supersets import Sizes


class NoGraph:
    """Runs its work when it is captured, and then never."""

    def __init__(self, _: torch.device) -> None:
        pass

    def capture(self, work: Callable[[], Results], beside: object = None) -> Results:  # noqa: ARG002
        """What the work gives."""
        return work()

    def replay(self) -> None:
        """Nothing."""


def batches(tasks: softcpt.TaskSet, shots: int, epochs: int, size: int) -> Iterator[torch.Tensor]:
    """Labels of all images in another order each epoch."""
    labels = torch.arange(tasks.num_classes).repeat(shots)
    generator = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        yield from labels[torch.randperm(len(labels), generator=generator)].split(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--benchmark", choices=BENCHMARKS, default=PAPERS)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()

    tasks = task_set(args.benchmark)
    clip = softcpt.load_clip(random_openai_state_dict(text_width=64, text_layers=1))
    method = softcpt.build_method("SoftCPT", clip, tasks, n_ctx=16)
    packed = method.packed_prompts.chunks
    GRAPHS["cpu"] = NoGraph
    taken, needed, steps = 0, 0, 0
    by_set = len(tasks) <= MOST_TASKS_BY_SET

    def work(features: torch.Tensor, _: str, labels: torch.Tensor) -> Results:
        tape = running_tape()
        if tape is not None and by_set:  # else a CPU's labels are at hand, and nobody asks
            tape.reads_labels(tasks_only=True)
        with torch.no_grad():
            return *method.loss(features, labels), None

    captured = CapturedSteps(work, method, [])
    asked = Sizes([0], len(tasks))
    with asked.running():
        work(torch.zeros(1, clip.embed_dim), "global", torch.zeros(1, dtype=torch.long))
    tokens = next(owners for owners in asked.asked if len(owners) == packed.lengths.sum())
    for labels in batches(tasks, args.shots, args.epochs, args.batch):
        captured(torch.zeros(len(labels), clip.embed_dim), "global", labels)
        present = tasks.present(labels)
        own = int(packed.lengths[torch.isin(packed.group, torch.tensor(present))].sum())
        steps, needed = steps + 1, needed + own
        taken += own if by_set else Sizes(present, len(tasks)).of(tokens)
    report(
        benchmark=args.benchmark,
        steps=steps,
        graphs=captured.captures,
        kept=len(captured),
        replayed=captured.replays / steps,
        padding=taken / needed,
    )


if __name__ == "__main__":
    main()

"""A training step that is captured on a GPU (``OPTIM.GRAPH auto``) beside the plain one, with
features on the device.

    python benchmarks/captured_step.py [--benchmark Plant-6] [--methods CoOp SoftCPT ...]
    [--dtype fp32|bf16] [--batch 32] [--device cuda]

Prints one JSON line. Towers of RN50's size with random weights, the methods' default options; all
batches have the same tasks. Both sides run in this process in alternating blocks, the best counts.
``same``: whether five steps of both have the same losses and leave the same parameters, bit for
bit. On a device without graphs only the plain step is timed.
"""

from __future__ import annotations

from functools import partial

import torch
from workloads import NAMES, arguments, best_times, memory_gb, report, rn50, task_set

import softcpt
from softcpt.engine.learner import Learner

CHECKED = 5


def learner(method: str, clip: softcpt.Clip, tasks: softcpt.TaskSet, graph: str) -> Learner:
    """The method at its start."""
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, tasks)
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)
    return Learner(prompter, optimiser, graph=graph)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--benchmark", choices=NAMES, default="Plant-6")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--methods", nargs="*", default=["CoOp", "SoftCPT"])
    args = parser.parse_args()

    tasks, clip = task_set(args.benchmark), rn50(args.dtype, args.device)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(args.batch, clip.embed_dim, generator=generator).to(args.device)
    labels = torch.randint(tasks.num_classes, (args.batch,), generator=generator)
    batch = {"features": features, "kind": "global", "label": labels}
    rows = {}
    for method in args.methods:
        sides = {graph: learner(method, clip, tasks, graph) for graph in ("off", "auto")}
        losses = {
            graph: [side.step(batch).loss for _ in range(CHECKED)] for graph, side in sides.items()
        }
        states = [side.method.state_dict() for side in sides.values()]
        same = losses["off"] == losses["auto"] and all(
            torch.equal(states[0][name], states[1][name]) for name in states[0]
        )
        captured = sides["auto"].captured
        if captured is None or captured.refused:
            del sides["auto"]
        seconds = best_times(
            {graph: partial(side.step, batch) for graph, side in sides.items()},
            blocks=args.rounds,
            runs=10,
        )
        rows[method] = {"plain_seconds": seconds["off"], "same": same}
        if "auto" in seconds:
            rows[method]["captured_seconds"] = seconds["auto"]
            rows[method]["over_plain"] = seconds["off"] / seconds["auto"]
        elif captured is not None:
            rows[method]["not_captured"] = captured.refused
    report(
        benchmark=args.benchmark,
        dtype=args.dtype,
        device=args.device,
        batch=args.batch,
        peak_memory_gb=memory_gb(args.device),
        methods=rows,
    )


if __name__ == "__main__":
    main()

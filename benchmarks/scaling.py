"""Measures how a step grows with classes (100 to 21,000, in bounded memory) and tasks (1 to 64).

    python benchmarks/scaling.py [--classes 100 1000 5000 21000] [--tasks 1 4 16 64]

Prints one JSON line. A step is the forward and backward pass of RN50's text tower for all classes,
16 context vectors. Class names are the first lemmas of ImageNet-21k's synsets, as timm has them,
evenly spread. ``by_classes``: one task, with MAX_TEXT_TOKENS; ``memory_gb`` is the most that the
process had used after that size (sizes ascend). ``by_tasks``: 1,000 classes dealt to T tasks;
``step`` encodes all tasks, ``batch_step`` only those which a batch of 32 images drawn evenly from
the classes is expected to meet.
"""

from __future__ import annotations

import time

import torch
from workloads import (
    DTYPES,
    arguments,
    best_times,
    memory_gb,
    report,
    symbols,
    synset_names,
    text_model,
)

from softcpt.text.encoder import TextEncoder
from softcpt.text.packing import PackedPrompts
from softcpt.text.tower import TextTower

N_CTX = 16


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--classes", type=int, nargs="*", default=[100, 1000, 5000, 21_000])
    parser.add_argument("--tasks", type=int, nargs="*", default=[1, 4, 16, 64])
    parser.add_argument("--max-tokens", type=int, default=4096)
    args = parser.parse_args()
    tower = TextTower(text_model().to(args.device), DTYPES[args.dtype])

    encoder = TextEncoder(tower)

    def step(layout: PackedPrompts, groups: list[int] | None = None, max_tokens: int | None = None):
        contexts = 0.02 * torch.randn(layout.num_groups, N_CTX, tower.width, device=args.device)
        contexts = (contexts if groups is None else contexts[groups]).requires_grad_()

        def run() -> None:
            features = encoder(layout, contexts, groups, max_tokens=max_tokens)
            features.float().square().sum().backward()

        return run

    by_classes, sides = [], {}
    for count in sorted(args.classes):
        start = time.perf_counter()
        layout = PackedPrompts(symbols(synset_names(count), N_CTX), None, N_CTX, tower.width)
        tokens = layout.num_tokens
        built = time.perf_counter() - start
        sides[count] = step(layout, max_tokens=args.max_tokens)
        sides[count]()
        by_classes.append(
            {
                "classes": count,
                "tokens": tokens,
                "layout_seconds": round(built, 2),
                "memory_gb": round(memory_gb(args.device), 2),
            }
        )
    seconds = best_times(sides, blocks=args.rounds, runs=1)
    for row in by_classes:
        row |= {
            "seconds": round(seconds[row["classes"]], 3),
            "ms_per_class": round(1e3 * seconds[row["classes"]] / row["classes"], 3),
        }

    names, by_tasks, sides = symbols(synset_names(1000), N_CTX), [], {}
    for count in args.tasks:
        layout = PackedPrompts(
            names, [index * count // 1000 for index in range(1000)], N_CTX, tower.width
        )
        met = round(count * (1 - (1 - 1 / count) ** 32))
        sides[count, "step"] = step(layout)
        sides[count, "batch_step"] = step(layout, list(range(met)))
        by_tasks.append({"tasks": count, "tokens": layout.num_tokens, "tasks_in_batch": met})
    seconds = best_times(sides, blocks=args.rounds, runs=1)
    for row in by_tasks:
        row |= {name: round(seconds[row["tasks"], name], 3) for name in ("step", "batch_step")}
    report(
        dtype=args.dtype,
        device=args.device,
        threads=torch.get_num_threads(),
        max_tokens=args.max_tokens,
        by_classes=by_classes,
        by_tasks=by_tasks,
    )


if __name__ == "__main__":
    main()

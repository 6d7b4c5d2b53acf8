"""A training step of every method on one benchmark, with and without the feature bank.

    python benchmarks/comparison.py [--benchmark Plant-6] [--batch 32] [--methods CoOp SoftCPT ...]
    [--dtype fp32|bf16]

Prints one JSON line. Towers of RN50's size with random weights, the methods' default options.
``bank``: image features are there, as after the first visit to an image's view; ``online``: the
batch's images go through the image tower first, as the published codes do. Methods without gradient
steps have ``once``: the time in which they encode the classes, or are fitted to 16 images a class.
Sides are timed in this process in alternating blocks; the best counts.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from workloads import NAMES, arguments, best_times, memory_gb, report, rn50, task_set

import softcpt


def sides_of(
    prompter: softcpt.Prompter, images: Tensor, labels: Tensor
) -> dict[str, Callable[[], object]]:
    """The method's step, from the bank's features and from images; or what it does once."""
    with torch.no_grad():
        features = prompter.encode_image(images)
    if hasattr(prompter, "fit"):
        every = torch.arange(prompter.tasks.num_classes).repeat_interleave(16)
        shots = torch.nn.functional.normalize(torch.randn(len(every), features.shape[-1]), dim=-1)
        return {"once": lambda: prompter.fit(shots, every, shots, every)}
    trained = [parameter for parameter in prompter.parameters() if parameter.requires_grad]
    if not trained:
        return {"once": lambda: type(prompter)(prompter.clip, prompter.tasks, prompter.options)}
    optimiser = torch.optim.SGD(trained, lr=0.002, momentum=0.9)

    def step(features: Tensor) -> None:
        optimiser.zero_grad()
        prompter.loss(features, labels)[0].backward()
        optimiser.step()

    return {"bank": lambda: step(features), "online": lambda: step(prompter.encode_image(images))}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--benchmark", choices=NAMES, default="Plant-6")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--methods", nargs="*", default=softcpt.list_prompters())
    args = parser.parse_args()

    tasks, clip = task_set(args.benchmark), rn50(args.dtype, args.device)
    images = torch.randn(args.batch, 3, 224, 224).to(args.device)
    labels = torch.randint(
        tasks.num_classes, (args.batch,), generator=torch.Generator().manual_seed(0)
    ).to(args.device)
    rows, sides = {}, {}
    for method in args.methods:
        try:
            prompter = softcpt.build_prompter(method, clip, tasks)
        except softcpt.UserError as error:  # a method that needs a vision transformer
            rows[method] = {"left out": str(error)}
            continue
        rows[method] = {"parameters": sum(parameter.numel() for parameter in prompter.parameters())}
        sides |= {(method, name): side for name, side in sides_of(prompter, images, labels).items()}
    seconds = best_times(sides, blocks=args.rounds, runs=1)
    for (method, name), value in seconds.items():
        rows[method][f"{name}_seconds"] = value
    report(
        benchmark=args.benchmark,
        dtype=args.dtype,
        device=args.device,
        batch=args.batch,
        threads=torch.get_num_threads(),
        peak_memory_gb=memory_gb(args.device),
        methods=rows,
    )


if __name__ == "__main__":
    main()

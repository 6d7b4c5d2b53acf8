"""What the host of a GPU has to do in a training step, plain and captured: launches and waits,
counted on the emulated device.

    python benchmarks/launches.py [--benchmark Plant-6] [--methods CoOp SoftCPT ...] [--batch 32]

Prints one JSON line. The text tower has RN50's 12 blocks, but is narrow: no count depends on its
width. ``tokens``: of the class prompts of the batch's tasks; ``tflop``: of their forward and
backward passes at RN50's width, of 12 d^2 products for a token in a block each way. All tasks are
in the batch, as many as it has images; features and labels come from the host.
"""

from __future__ import annotations

import argparse

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from workloads import BENCHMARKS, report, task_set

import softcpt
from softcpt.engine.learner import Learner
from softcpt.testing.emulated_counts import counted
from softcpt.testing.emulated_device import EmulatedDevice
from softcpt.testing.emulated_graph import emulated_graphs

BLOCKS, WIDTH = 12, 512  # of RN50's text tower


def narrow_clip(device: torch.device) -> softcpt.Clip:
    """RN50's number of blocks, an eighth of their width."""
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=1, width=64, patch_size=16, image_size=32)
    model = CLIP(64, vision, CLIPTextCfg(width=64, heads=1, layers=BLOCKS), quick_gelu=True)
    return softcpt.load_clip(model.state_dict(), device=device)


def counts_of(
    method: str, clip: softcpt.Clip, tasks: softcpt.TaskSet, batch: dict[str, object], graph: str
) -> dict[str, object]:
    """Operations and waits of the fourth step."""
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, tasks)
    learner = Learner(
        prompter, torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9), graph=graph
    )
    for _ in range(4):
        with counted() as counts:
            learner.step(batch)
    found = {"launches": counts.operations.total(), "waits": counts.waits.total()}
    if learner.captured is not None and learner.captured.refused:
        found["not_captured"] = learner.captured.refused
    packed = getattr(prompter, "packed_prompts", None)
    if packed is not None:
        present = torch.tensor(tasks.present(batch["label"]))
        used = torch.isin(packed.chunks.group, present)
        found["tokens"] = int(packed.chunks.lengths[used].sum())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--benchmark", choices=BENCHMARKS, default="Plant-6")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--methods", nargs="*", default=["CoOp", "SoftCPT"])
    args = parser.parse_args()

    tasks, rows = task_set(args.benchmark), {}
    generator = torch.Generator().manual_seed(0)
    first = torch.tensor(tasks.offsets)[: args.batch]  # every task is there
    more = torch.randint(tasks.num_classes, (args.batch - len(first),), generator=generator)
    with EmulatedDevice() as emulated, emulated_graphs():
        clip = narrow_clip(emulated.device)
        features = torch.randn(args.batch, clip.embed_dim, generator=generator)
        batch = {"features": features, "kind": "global", "label": torch.cat([first, more])}
        for method in args.methods:
            plain = counts_of(method, clip, tasks, batch, "off")
            captured = counts_of(method, clip, tasks, batch, "auto")
            tokens = plain.pop("tokens", 0)
            captured.pop("tokens", 0)
            flop = 2 * 2 * 12 * WIDTH**2 * BLOCKS * tokens
            rows[method] = {
                "plain": plain,
                "captured": captured,
                "tokens": tokens,
                "tflop": flop / 1e12,
            }
    report(benchmark=args.benchmark, batch=args.batch, blocks=BLOCKS, methods=rows)


if __name__ == "__main__":
    main()

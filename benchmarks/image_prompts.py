"""Measures time and memory of a UPT step with towers of ViT-B's size: this project's way and the
published way.

    python benchmarks/image_prompts.py [--patch 32|16] [--n-ctx 4] [--batch 32] [--names Plant-6]

Prints one JSON line. Ours: prompts are keys and values of the frozen image tower, which computes
nothing that is not read; the text engine; one optimiser step; all that also with recomputation
(TRAINER.UPT.CHECKPOINT). Published: prompts are tokens in every block, and all class prompts are as
long as the longest (its CUT_CONTEXTLEN), fp32. Random weights; both sides use the same. They run in
this process in alternating blocks; the best counts. Memory is what the first step of each side, the
smallest first, adds to the most that the process had.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from workloads import arguments, best_times, memory_gb, report, symbols, task_set

import softcpt
from softcpt.clip.model import load_clip
from softcpt.testing.naive_text import encode_naively
from softcpt.testing.prompted_vit import image_features


def vit_b(patch: int, precision: str, device: str) -> softcpt.Clip:
    """ViT-B/32 or ViT-B/16 with random weights."""
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=12, width=768, patch_size=patch, image_size=224)
    model = CLIP(512, vision, CLIPTextCfg(width=512, heads=8, layers=12), quick_gelu=True)
    return load_clip(model.state_dict(), precision, device)


def published_step(
    prompter: softcpt.Prompter, images: torch.Tensor, labels: torch.Tensor
) -> Callable[[], None]:
    """A step as the published code computes it, from a copy of the prompts."""
    learner = copy.deepcopy(prompter.prompt_learner)
    clip, names = prompter.clip, prompter.tasks.class_names
    optimiser = torch.optim.SGD(learner.parameters(), lr=0.002, momentum=0.9)
    prompts = symbols(list(names), learner.ctx.shape[-2], "middle")
    longest = max(len(prompt) for prompt in prompts)

    def step() -> None:
        optimiser.zero_grad()
        text, image = learner.both()
        features = image_features(clip.model.visual, images, image[:1], image[1:, None])
        contexts = text.expand(len(names), -1, -1)
        weights = F.normalize(encode_naively(clip.model, prompts, contexts, length=longest), dim=-1)
        F.cross_entropy(100 * features @ weights.t(), labels).backward()
        optimiser.step()

    return step


def our_step(
    prompter: softcpt.Prompter, images: torch.Tensor, labels: torch.Tensor
) -> Callable[[], None]:
    """A step of a prompter."""
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)

    def step() -> None:
        optimiser.zero_grad()
        prompter.loss(prompter.encode_image(images), labels)[0].backward()
        optimiser.step()

    return step


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--patch", type=int, choices=(16, 32), default=32)
    parser.add_argument("--n-ctx", type=int, default=4)
    parser.add_argument("--names", default="Plant-6", help="benchmark whose class names are used")
    args = parser.parse_args()

    tasks = task_set(args.names)
    clip = vit_b(args.patch, args.dtype, args.device)
    reference = clip if args.dtype == "fp32" else vit_b(args.patch, "fp32", args.device)
    images = torch.randn(args.batch, 3, 224, 224).to(args.device)
    labels = torch.randint(
        tasks.num_classes, (args.batch,), generator=torch.Generator().manual_seed(0)
    ).to(args.device)

    def upt(model: softcpt.Clip, recompute: bool = False) -> softcpt.Prompter:
        return softcpt.build_prompter("UPT", model, tasks, n_ctx=args.n_ctx, checkpoint=recompute)

    sides = {
        "recomputing": our_step(upt(clip, recompute=True), images, labels),
        "ours": our_step(upt(clip), images, labels),
        "published": published_step(upt(reference), images, labels),
    }
    added, before = {}, memory_gb(args.device)
    for name, step in sides.items():
        step()
        added[name] = memory_gb(args.device) - before
    seconds = best_times(sides, blocks=args.rounds, runs=2)
    report(
        tower=f"ViT-B/{args.patch}",
        names=args.names,
        n_ctx=args.n_ctx,
        dtype=args.dtype,
        device=args.device,
        batch=args.batch,
        threads=torch.get_num_threads(),
        seconds=seconds,
        share_of_published={name: value / seconds["published"] for name, value in seconds.items()},
        added_memory_gb=added,
        memory_before_gb=before,
    )


if __name__ == "__main__":
    main()

"""A whole SoftCPT step on Plant-6 with towers of RN50's size: this project's way over the published way.

    python benchmarks/train_step.py [--dtype fp32|bf16] [--batch 32] [--rounds 2]

Prints one JSON line. Ours: image features from the bank, the engine, one optimiser step. Published: images through the
image tower at every step, all class and task prompts with 77 tokens each, fp32. Random weights; the image tower is
open_clip's ResNet-50 with attention pooling. Both sides run in this process in alternating blocks; the best counts.
"""

from __future__ import annotations

import argparse
import json
import resource

import torch
import torch.nn.functional as F
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from workloads import NAMES, best_times, encode_naively  # also finds the checkout

import softcpt
from softcpt.backbone import load_clip
from softcpt.prompts import prompt_symbols


def rn50(precision: str) -> softcpt.Clip:
    """RN50 with random weights, through the loader that reads OpenAI's format."""
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=(3, 4, 6, 3), width=64, image_size=224)
    model = CLIP(1024, vision, CLIPTextCfg(width=512, heads=8, layers=12), quick_gelu=True)
    return load_clip(model.state_dict(), precision)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()

    tasks = softcpt.TaskSet([softcpt.Task(name, classes) for name, classes in NAMES["Plant-6"].items()])
    clip, reference = rn50(args.dtype), rn50("fp32")
    images = torch.randn(args.batch, 3, 224, 224)
    labels = torch.randint(tasks.num_classes, (args.batch,), generator=torch.Generator().manual_seed(0))
    bank = clip.encode_image(images)
    prompter = softcpt.build_prompter("SoftCPT", clip, tasks)
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)

    def ours() -> None:
        optimiser.zero_grad()
        prompter.loss(F.normalize(bank, dim=-1), labels)[0].backward()
        optimiser.step()

    context = (0.02 * torch.randn(4, 512)).requires_grad_()
    linear = (0.02 * torch.randn(1024, 16 * 512)).requires_grad_()
    published_optimiser = torch.optim.SGD([context, linear], lr=0.002, momentum=0.9)
    tokenizer = clip.tokenizer
    task_prompts = [prompt_symbols(tokenizer, name, 4) for name in tasks.names]
    class_prompts = [prompt_symbols(tokenizer, name, 16) for name in tasks.class_names]

    def published() -> None:
        published_optimiser.zero_grad()
        features = F.normalize(reference.encode_image(images), dim=-1)
        of_task = encode_naively(reference.model, task_prompts, context.expand(len(tasks), -1, -1))
        contexts = (of_task @ linear).view(-1, 16, 512)[tasks.task_of_class]
        weights = F.normalize(encode_naively(reference.model, class_prompts, contexts), dim=-1)
        tasks.loss(100 * features @ weights.t(), labels).backward()
        published_optimiser.step()

    ours()
    own_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = best_times({"ours": ours, "published": published}, blocks=args.rounds, runs=2)
    print(json.dumps({
        "benchmark": "Plant-6", "dtype": args.dtype, "batch": args.batch, "threads": torch.get_num_threads(),
        "seconds": round(seconds["ours"], 4), "published_seconds": round(seconds["published"], 3),
        "over_published": round(seconds["published"] / seconds["ours"], 2),
        "peak_memory_gb": round(own_memory / 1e6, 2),
        "peak_memory_gb_with_published": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }))


if __name__ == "__main__":
    main()

"""A whole SoftCPT step on Plant-6 with towers of RN50's size: this project's way over the published
way.

    python benchmarks/train_step.py [--dtype fp32|bf16] [--batch 32] [--rounds 2]

Prints one JSON line. Ours: image features from the bank, the engine, one optimiser step. Published:
images through the image tower at every step, all class and task prompts with 77 tokens each, fp32.
Random weights; the image tower is open_clip's ResNet-50 with attention pooling. Both sides run in
this process in alternating blocks; the best counts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from workloads import arguments, best_times, memory_gb, report, rn50, task_set

import softcpt
from softcpt.testing.naive_text import encode_naively
from softcpt.text.prompts import prompt_symbols


def published_step(
    clip: softcpt.Clip, tasks: softcpt.TaskSet, images: torch.Tensor, labels: torch.Tensor
):
    """SoftCPT (NATA, 16 generated and 4 task vectors) as its published code computes it; a function
    that does a step."""
    width, tokenizer = clip.text_width, clip.tokenizer
    context = (0.02 * torch.randn(4, width)).to(clip.device).requires_grad_()
    linear = (0.02 * torch.randn(clip.embed_dim, 16 * width)).to(clip.device).requires_grad_()
    optimiser = torch.optim.SGD([context, linear], lr=0.002, momentum=0.9)
    task_prompts = [prompt_symbols(tokenizer, name, 4) for name in tasks.names]
    class_prompts = [prompt_symbols(tokenizer, name, 16) for name in tasks.class_names]

    def step() -> None:
        optimiser.zero_grad()
        features = F.normalize(clip.encode_image(images), dim=-1)
        of_task = encode_naively(clip.model, task_prompts, context.expand(len(tasks), -1, -1))
        contexts = (of_task @ linear).view(-1, 16, width)[tasks.task_of_class]
        weights = F.normalize(encode_naively(clip.model, class_prompts, contexts), dim=-1)
        tasks.loss(100 * features @ weights.t(), labels).backward()
        optimiser.step()

    return step


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()

    tasks = task_set("Plant-6")
    start = memory_gb(args.device)
    clip, reference = rn50(args.dtype, args.device), rn50("fp32", args.device)
    images = torch.randn(args.batch, 3, 224, 224).to(args.device)
    labels = torch.randint(
        tasks.num_classes, (args.batch,), generator=torch.Generator().manual_seed(0)
    ).to(args.device)
    bank = F.normalize(clip.encode_image(images), dim=-1)
    prompter = softcpt.build_prompter("SoftCPT", clip, tasks)
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)

    def ours() -> None:
        optimiser.zero_grad()
        prompter.loss(bank, labels)[0].backward()
        optimiser.step()

    ours()
    memory = memory_gb(args.device)
    published = published_step(reference, tasks, images, labels)
    seconds = best_times({"ours": ours, "published": published}, blocks=args.rounds, runs=2)
    report(
        benchmark="Plant-6",
        dtype=args.dtype,
        device=args.device,
        batch=args.batch,
        threads=torch.get_num_threads(),
        seconds=seconds["ours"],
        published_seconds=seconds["published"],
        over_published=seconds["published"] / seconds["ours"],
        peak_memory_gb=memory,
        of_it_libraries_gb=start,
        peak_memory_gb_with_published=memory_gb(args.device),
    )


if __name__ == "__main__":
    main()

"""Evaluation of 10,000 test images of General-10 from the feature bank, over the published way.

    python benchmarks/evaluation.py [--dtype fp32|bf16] [--images 10000] [--rounds 2]

Prints one JSON line. Ours: the classes are encoded once, then features stream from a memory-mapped
bank entry on disk. Published: for every batch of 100, images through the tower and all 1,191 class
prompts with 77 tokens, fp32; of one batch, half a dozen of the images and some of the classes are
measured and scaled. The bank's one-off cost (every image once through the tower) is given apart:
``bank_build_seconds_scaled``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from workloads import arguments, best_times, report, rn50, task_set

import softcpt
from softcpt.testing.naive_text import encode_naively
from softcpt.text.prompts import prompt_symbols

BATCH, MEASURED_IMAGES, MEASURED_CLASSES = 100, 16, 48


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    args = parser.parse_args()

    tasks = task_set("General-10")
    clip, reference = rn50(args.dtype, args.device), rn50("fp32", args.device)
    prompter = softcpt.build_prompter("SoftCPT", clip, tasks)
    labels = torch.randint(
        tasks.num_classes, (args.images,), generator=torch.Generator().manual_seed(0)
    )
    images = torch.randn(MEASURED_IMAGES, 3, 224, 224).to(args.device)
    step = tasks.num_classes // MEASURED_CLASSES
    prompts = [prompt_symbols(clip.tokenizer, name, 16) for name in tasks.class_names[::step]][
        :MEASURED_CLASSES
    ]
    contexts = 0.02 * torch.randn(MEASURED_CLASSES, 16, clip.text_width).to(args.device)

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "features.npy"
        np.save(
            path,
            np.random.default_rng(0).normal(size=(args.images, clip.embed_dim)).astype(np.float32),
        )

        def ours() -> float:
            bank, classify = torch.from_numpy(np.load(path, mmap_mode="c")), prompter.classifier()
            right = 0
            for start in range(0, args.images, BATCH):
                rows = slice(start, start + BATCH)
                features = F.normalize(bank[rows].to(args.device), dim=-1)
                truth = labels[rows].to(args.device)
                right += int((tasks.predict(classify(features), truth) == truth).sum())
            return right / args.images

        seconds = best_times(
            {
                "ours": ours,
                "images": lambda: reference.encode_image(images),
                "text": lambda: encode_naively(reference.model, prompts, contexts),
            },
            blocks=args.rounds,
            runs=1,
        )
    image_seconds = seconds["images"] / MEASURED_IMAGES * args.images
    text_seconds = seconds["text"] / MEASURED_CLASSES * tasks.num_classes * args.images / BATCH
    report(
        benchmark="General-10",
        dtype=args.dtype,
        device=args.device,
        images=args.images,
        seconds=seconds["ours"],
        published_seconds_scaled=image_seconds + text_seconds,
        of_it_text_seconds=text_seconds,
        over_published=(image_seconds + text_seconds) / seconds["ours"],
        bank_build_seconds_scaled=image_seconds,
        over_published_with_bank_build=(image_seconds + text_seconds)
        / (seconds["ours"] + image_seconds),
    )


if __name__ == "__main__":
    main()

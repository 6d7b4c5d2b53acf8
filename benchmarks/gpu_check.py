"""Checks that this GPU computes what the CPU computes, at which precisions, and how fast.

    make gpu-check          (which is: python benchmarks/gpu_check.py)

1. Every method on a small random CLIP: logits and gradients on the GPU against the CPU, both fp32.
2. Five training steps in fp16, bf16 and amp: are all losses finite, and how far is the first from
   fp32's? (Later ones say nothing: on a random CLIP a step throws prompts far, and rounding decides
   where.)
3. Five steps of every method with ``OPTIM.GRAPH auto`` against as many without: which are captured,
   and are the losses the same? The same for twelve tasks, some of them in each batch.
4. The benchmarks text_encoder.py, train_step.py and captured_step.py on the GPU, fp32 and its
   fastest type.

Without a GPU it says so and runs what a CPU can: bf16 and amp against fp32, and the benchmarks on
the CPU. The exit status is 1 if something disagreed or was not finite.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import torch
import workloads  # noqa: F401  puts the checkout on the path
from tabulate import tabulate
from torch import Tensor
from tqdm import tqdm

import softcpt
from softcpt.clip.model import load_clip
from softcpt.engine.learner import Learner
from softcpt.engine.loss_scaler import LossScaler
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.utils.tf32 import set_tf32

AGREE = 1e-3  # relative; GPUs add in another order
NEAR = {"fp16": 0.02, "bf16": 0.05, "amp": 0.05}  # of the first loss, relative to fp32
TASKS = softcpt.TaskSet(
    [
        softcpt.Task("flowers", ["rose", "tulip", "oxeye daisy"]),
        softcpt.Task(
            "plant diseases",
            ["apple scab", "tomato leaf with rust", "tomato leaf with mold", "healthy leaf"],
        ),
    ]
)
LABELS = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0])
MANY = softcpt.TaskSet(
    [
        softcpt.Task(f"{task.name} {number}", task.class_names)
        for number in range(6)
        for task in TASKS
    ]
)


def device_name() -> str:
    """cuda, mps, or cpu if there is no GPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def five_steps(
    method: str, precision: str, device: str
) -> tuple[Tensor, list[Tensor], list[float]]:
    """Logits and gradients of the start, and the losses of five steps, all on the CPU."""
    weights, generator = random_openai_state_dict("vit", seed=1), torch.Generator().manual_seed(2)
    clip = load_clip(weights, precision, device)
    prompter = softcpt.build_prompter(method, clip, TASKS)
    torch.manual_seed(0)  # drawn on the CPU: every device and precision starts alike
    prompter.load_state_dict(softcpt.build_prompter(method, load_clip(weights), TASKS).state_dict())
    images = torch.randn(len(LABELS), 3, clip.image_size, clip.image_size, generator=generator).to(
        device
    )
    labels = LABELS.to(device)
    with torch.no_grad():
        logits = prompter.logits(prompter.encode_image(images)).float().cpu()
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)
    losses, first, scaler = [], [], LossScaler(clip.device, clip.needs_loss_scaling)
    for _ in range(5):
        # Encoded in every step, for image prompts change the features.
        loss, _ = prompter.loss(prompter.encode_image(images), labels)
        optimiser.zero_grad()
        scaler.scale(loss).backward()
        left_out = scaler.enabled and bool(scaler.unscale(optimiser))
        first = first or [p.grad.float().cpu() for p in prompter.parameters() if p.grad is not None]
        if not left_out:
            optimiser.step()
        scaler.update(left_out)
        losses.append(loss.item())
    return logits, first, losses


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))


def check_method(method: str, device: str) -> tuple[list[str], list[str]]:
    """A row of the table, and what is wrong."""
    logits, gradients, losses = five_steps(method, "fp32", "cpu")
    row, wrong = [method], []
    if device == "cpu":
        row += ["", ""]
    else:
        there = five_steps(method, "fp32", device)
        apart = [difference(there[0], logits), max(map(difference, there[1], gradients))]
        row += [f"{value:.1e}" for value in apart]
        if not max(apart) < AGREE:
            wrong.append(f"{method}: {device} and cpu differ by {max(apart):.1e} (bound {AGREE})")
    for precision, bound in NEAR.items():
        if precision == "fp16" and device == "cpu":
            row.append("needs a GPU")
            continue
        found = five_steps(method, precision, device)[2]
        apart = abs(found[0] - losses[0]) / losses[0]
        row.append(f"{apart:.1e}")
        if not (apart < bound and all(map(math.isfinite, found))):
            wrong.append(f"{method}: five losses in {precision} are {found}, in fp32 {losses}")
    return row, wrong


def steps_of_learner(
    method: str, device: str, graph: str, tasks: softcpt.TaskSet
) -> tuple[list[float], Learner]:
    """The losses of five steps on the same images; of many tasks those of twenty, each on others'
    images."""
    clip = load_clip(random_openai_state_dict("vit", seed=1), "fp32", device)
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, tasks)
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)
    learner, generator = Learner(prompter, optimiser, graph=graph), torch.Generator().manual_seed(2)
    size = (len(LABELS), 3, clip.image_size, clip.image_size)
    images = torch.randn(size, generator=generator)
    labels = [LABELS] * 5
    if tasks is MANY:
        labels = list(torch.randint(MANY.num_classes, (20, len(LABELS)), generator=generator))
    return [learner.step({"images": images, "label": one}).loss for one in labels], learner


def check_captured(method: str, device: str, tasks: softcpt.TaskSet) -> tuple[list[str], list[str]]:
    """A row of the table of captured steps, and what is wrong."""
    plain, _ = steps_of_learner(method, device, "off", tasks)
    found, learner = steps_of_learner(method, device, "auto", tasks)
    apart = max(abs(ours - theirs) for ours, theirs in zip(found, plain))
    same = "the same" if found == plain else f"{apart:.1e} apart"
    assert learner.captured is not None  # on CUDA
    wrong = [f"{method}: captured steps have the losses {found}, plain ones {plain}"]
    row = [method, str(len(tasks)), str(learner.captured.replays), learner.captured.refused, same]
    return row, [] if apart < AGREE * max(plain) else wrong


def trained_methods() -> list[str]:
    """Methods trained by gradient descent."""
    clip = load_clip(random_openai_state_dict("vit", seed=1))
    built = {name: softcpt.build_prompter(name, clip, TASKS) for name in softcpt.list_prompters()}
    return [
        name
        for name, prompter in built.items()
        if any(p.requires_grad for p in prompter.parameters())
    ]


def run_benchmarks(device: str) -> list[list[object]]:
    """Rows of the benchmarks' figures."""
    rows = []
    for script, options in (("text_encoder.py", ["--benchmark", "Plant-6"]), ("train_step.py", [])):
        for dtype in ("fp32", "bf16"):
            flags = f"--dtype {dtype} --device {device} --rounds 1".split()
            command = [sys.executable, Path(__file__).parent / script, *options, *flags]
            ended = subprocess.run(command, check=True, capture_output=True, text=True)
            out = json.loads(ended.stdout)
            ratio = out.get("over_naive_fp32", out.get("over_published"))
            rows.append(
                [
                    f"{script} Plant-6 {dtype}",
                    f"{out['seconds']:.4f}",
                    f"{ratio:.1f}x",
                    out["peak_memory_gb"],
                ]
            )
    return rows + (captured_benchmark(device) if device == "cuda" else [])


def captured_benchmark(device: str) -> list[list[object]]:
    """Rows of benchmarks/captured_step.py: seconds of a captured step, and the plain over it."""
    rows: list[list[object]] = []
    for dtype in ("fp32", "bf16"):
        flags = f"--dtype {dtype} --device {device}".split()
        command = [sys.executable, Path(__file__).parent / "captured_step.py", *flags]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        out = json.loads(ended.stdout)
        for method, row in out["methods"].items():
            seconds, ratio = row.get("captured_seconds"), row.get("over_plain")
            name = f"captured_step.py {method} {dtype} (over the plain step)"
            rows.append([name, seconds, ratio and f"{ratio:.1f}x", out["peak_memory_gb"]])
    return rows


def main() -> int:
    device = device_name()
    set_tf32(False)  # torch lets convolutions round, as a run does not
    if device == "cpu":
        print("There is no GPU here: this is the CPU half.")
    else:
        print(
            f"GPU: {torch.cuda.get_device_name() if device == 'cuda' else 'Apple (mps)'}, torch "
            f"{torch.__version__}"
        )
    checked = [
        check_method(method, device)
        for method in tqdm(trained_methods(), desc="methods", file=sys.stderr)
    ]
    head = [
        "method",
        "logits vs CPU",
        "gradients vs CPU",
        *(f"first loss {precision} vs fp32" for precision in NEAR),
    ]
    print(tabulate([row for row, _ in checked], head, tablefmt="github"))
    if device == "cuda":
        captured = [
            check_captured(method, device, tasks)
            for tasks in (TASKS, MANY)
            for method in trained_methods()
        ]
        head = ["method", "tasks", "replays", "not captured, because", "losses"]
        print("\n" + tabulate([row for row, _ in captured], head, tablefmt="github"))
        checked += captured
    benchmarks = run_benchmarks(device)
    print(
        "\n"
        + tabulate(
            benchmarks, ["benchmark", "seconds", "over naive fp32", "peak GB"], tablefmt="github"
        )
    )
    wrong = [message for _, messages in checked for message in messages]
    print()
    for message in wrong:
        print(f"WRONG {message}")
    if not wrong:
        print("All agree, all losses are finite.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""Measures what grows with tasks and classes beside the towers, and how a run starts.

    python benchmarks/scale.py host        # 1,000 tasks x 20 classes: a step without the tower
    python benchmarks/scale.py evaluation  # the same tasks: figures, results.json, the sampler
    python benchmarks/scale.py papers      # the papers' 44 tasks: a step, all tasks and few
    python benchmarks/scale.py plan        # 21,000 classes: tokens and plan
    python benchmarks/scale.py memory --classes 21000 [--max-tokens 4096]  # one step's peak
    python benchmarks/scale.py start       # help, wrong flags, and a run up to its first step

Prints one JSON line; each takes less than two minutes on two quiet cores. ``host``, ``evaluation``
and ``plan`` are the work of one thread, and give the processor's time, which other programs disturb
less. The parts stand for themselves, since the most memory that a process has used only grows.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from workloads import (
    DTYPES,
    PAPERS,
    arguments,
    best_times,
    memory_gb,
    report,
    rn50,
    symbols,
    synset_names,
    task_set,
    text_model,
)

import softcpt
from softcpt.engine.learner import Learner
from softcpt.engine.results import figures
from softcpt.engine.task_sampler import TaskBalancedSampler
from softcpt.task_results import Tally
from softcpt.testing.random_clip import random_openai_state_dict
from softcpt.text.encoder import TextEncoder
from softcpt.text.packing import PackedPrompts
from softcpt.text.tower import TextTower
from softcpt.utils.files import json_text

ROOT = Path(__file__).resolve().parent.parent
TASKS, CLASSES, N_CTX = 1000, 20, 16
Figures = dict[str, object]


def many_tasks() -> softcpt.TaskSet:
    """1,000 tasks of 20 classes with names of ImageNet-21k's synsets."""
    names = synset_names(TASKS * CLASSES)
    dealt = [names[start : start + CLASSES] for start in range(0, len(names), CLASSES)]
    return softcpt.TaskSet([softcpt.Task(f"{one[0]} {i}", one) for i, one in enumerate(dealt)])


def milliseconds(run: Callable[[], object], rounds: int) -> float:
    """Of the processor, the median of ``rounds``."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def host(rounds: int) -> Figures:
    """SoftCPT steps of a small tower, less what the towers' passes alone take: what is left is the
    host's. ``new`` tasks have not been in a batch before, so that tables are made for them."""
    clip, tasks = (
        softcpt.load_clip(random_openai_state_dict(text_width=64, text_layers=1)),
        many_tasks(),
    )
    method = softcpt.build_method("SoftCPT", clip, tasks, n_ctx=4)
    learner = Learner(method, torch.optim.SGD(method.parameters(), 1e-3))
    generator = torch.Generator().manual_seed(0)

    def batch(size: int, count: int, several: int = 1) -> dict[str, object]:
        labels = torch.randint(count * CLASSES, (size, several), generator=generator)
        features = torch.randn(size, clip.embed_dim, generator=generator)
        return {
            "features": features,
            "label": labels if several > 1 else labels[:, 0],
            "kind": "global",
        }

    def everything() -> dict[str, object]:
        found = batch(TASKS, TASKS)
        return found | {"label": torch.arange(TASKS) * CLASSES}

    batches: dict[str, Callable[[], dict[str, object]]] = {
        "new, 32 images": lambda: batch(32, TASKS),
        "new, 32 images of 3 labels": lambda: batch(32, TASKS, 3),
        "10 of 1,000, 32 images": lambda: batch(32, 10),
        "all 1,000, 1,000 images": everything,
    }
    found: Figures = {}
    for name, make in batches.items():
        runs = rounds if name.startswith("all") else 20 * rounds
        made = [make() for _ in range(runs + 3)]
        for one in made[:3]:
            learner.step(one)
        left = iter(made[3:])
        step = milliseconds(lambda left=left: learner.step(next(left)), runs)
        present = tasks.present(made[-1]["label"])
        method.class_embeddings(present)

        def towers(present: list[int] = present) -> None:
            contexts = method.contexts(present).detach().requires_grad_()
            packed = method.packed_prompts
            clip.encode_prompts(packed, contexts, groups=present).sum().backward()
            method.task_features(present).sum().backward()

        alone = milliseconds(towers, runs)
        found[name] = {"tasks": len(present), "step_ms": step, "towers_ms": alone}
        found[name]["host_ms"] = max(step - alone, 0.0)
    return found


def evaluation(_: int) -> Figures:
    """10,000 test images of the 1,000 tasks, batches of 100, random logits."""
    tasks, tally, images = many_tasks(), Tally(many_tasks()), 10_000
    labels = torch.randint(tasks.num_classes, (images,))
    logits = torch.randn(100, tasks.num_classes)
    start = time.process_time()
    for own in labels.split(100):
        tally.add(logits, own)
    added = time.process_time()
    results = tally.results()
    counted = time.process_time()
    text = json_text(figures({"SoftCPT": results, "ZeroShot": results}))
    written = time.process_time()
    sampler = TaskBalancedSampler(tasks.of_labels(labels), [1.0] * TASKS)
    order = milliseconds(lambda: list(sampler), 3)
    return {
        "rank_ms_per_image": 1e3 * (added - start) / images,
        "results_seconds": counted - added,
        "results_json_seconds": written - counted,
        "results_json_mb": len(text) / 1e6,
        "sampler_us_per_image": 1e3 * order / images,
    }


def papers(rounds: int, dtype: str, device: str) -> Figures:
    """SoftCPT on the 44 tasks of its paper's benchmarks."""
    tasks = task_set(PAPERS)
    clip = rn50(dtype, device)
    method = softcpt.build_method("SoftCPT", clip, tasks, n_ctx=N_CTX)
    learner = Learner(method, torch.optim.SGD(method.parameters(), 1e-3))
    before = memory_gb(device)

    def step(labels: torch.Tensor) -> Callable[[], object]:
        features = F.normalize(torch.randn(len(labels), clip.embed_dim), dim=-1)
        return lambda: learner.step({"features": features, "label": labels, "kind": "global"})

    offsets = torch.tensor(tasks.offsets)
    sides = {f"{count} tasks": step(offsets[-count:]) for count in (4, 44)}
    seconds = best_times(sides, rounds, 1)
    tokens = method.packed_prompts.num_tokens
    return {
        "classes": tasks.num_classes,
        "tokens": tokens,
        "seconds": seconds,
        "gb_before": before,
        "memory_gb": memory_gb(device),
    }


def plan(_: int) -> Figures:
    """Names to tokens, first and from the cache; tokens to a plan, with a context for all classes
    and for each."""
    names, found = synset_names(21_000), {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SOFTCPT_CACHE"] = folder
        for time_of in ("tokens_seconds", "kept_tokens_seconds"):
            start = time.process_time()
            prompts = symbols(names, N_CTX)
            found[time_of] = time.process_time() - start
    for groups, time_of in ((None, "plan_seconds"), (range(len(names)), "plan_per_class_seconds")):
        start = time.process_time()
        PackedPrompts(prompts, groups, N_CTX)
        found[time_of] = time.process_time() - start
    return {"classes": len(names), **found}


def memory(classes: int, max_tokens: int, dtype: str, device: str) -> Figures:
    """One forward and backward pass, in a process that has done nothing else."""
    tower = TextTower(text_model().to(device), DTYPES[dtype])
    layout = PackedPrompts(symbols(synset_names(classes), N_CTX), None, N_CTX, tower.width)
    encoder, contexts = TextEncoder(tower), 0.02 * torch.randn(1, N_CTX, tower.width)
    before, start = memory_gb(device), time.perf_counter()
    found = encoder(layout, contexts.to(device).requires_grad_(), max_tokens=max_tokens or None)
    found.float().square().sum().backward()
    return {
        "classes": classes,
        "tokens": layout.num_tokens,
        "max_tokens": max_tokens,
        "seconds": time.perf_counter() - start,
        "gb_before": before,
        "memory_gb": memory_gb(device),
    }


def start(_: int) -> Figures:
    """Seconds from the start of a process: the best of three for what ends, then of a run of the
    embedded benchmark, images in the bank, until it has printed its first step."""
    commands = {
        "train.py --help": ["train.py", "--help"],
        "wrong flag": ["train.py", "--trainr", "SoftCPT"],
        "softcpt --help": ["-m", "softcpt", "--help"],
        "softcpt report --help": ["-m", "softcpt", "report", "--help"],
        "import torch": ["-c", "import torch"],
    }
    found: Figures = {}
    for name, words in commands.items():
        command = [sys.executable, *words]
        seconds = [_seconds(command) for _ in range(3)]
        found[name] = min(seconds)
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "train.py", "--trainer", "SoftCPT", "--output-dir", f"{folder}/run"]
        run += ["OPTIM.MAX_EPOCH", "1", "TEST.NO_TEST", "True", "DATALOADER.TRAIN_X.BATCH_SIZE"]
        run += ["32", "TRAIN.PRINT_FREQ", "1"]
        firsts = []
        for number in range(3):
            run[5] = f"{folder}/run{number}"
            firsts.append(_seconds(run, until=b"batch [1/"))
        found["run to its first step"] = min(firsts[1:])  # the first fills the bank
    return found


def _seconds(command: list[str], until: bytes | None = None) -> float:
    """To the end of ``command``, or to the line that has ``until`` in it; then it is stopped."""
    begun = time.perf_counter()
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        for line in process.stdout or ():
            if until is not None and until in line:
                seconds = time.perf_counter() - begun
                process.terminate()
                return seconds
    if until is not None:
        raise SystemExit(f"{' '.join(command)}: ended without {until!r}")
    return time.perf_counter() - begun


def main() -> None:
    parser = arguments(__doc__ or "")
    parts = ("host", "evaluation", "papers", "plan", "memory", "start")
    parser.add_argument("part", choices=parts)
    parser.add_argument("--classes", type=int, default=21_000, help="of the part memory")
    parser.add_argument("--max-tokens", type=int, default=0, help="of the part memory; 0: no bound")
    args = parser.parse_args()
    if args.part in ("host", "evaluation", "plan"):
        torch.set_num_threads(1)
    if args.part == "memory":
        found = memory(args.classes, args.max_tokens, args.dtype, args.device)
    elif args.part == "papers":
        found = papers(args.rounds, args.dtype, args.device)
    else:
        found = {"host": host, "evaluation": evaluation, "plan": plan, "start": start}[args.part](
            args.rounds
        )
    report(
        part=args.part,
        dtype=args.dtype,
        device=args.device,
        threads=torch.get_num_threads(),
        **found,
    )


if __name__ == "__main__":
    main()

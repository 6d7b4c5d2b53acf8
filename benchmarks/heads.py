"""Seconds that few-shot heads take to be fitted to SoftCPT's 44 tasks, 1,593 classes, from features
in memory.

    python benchmarks/heads.py [--shots 4] [--width 1024] [--views 3] [--trained]

One JSON line for each head. Features and the text tower's weights are random; texts are encoded
before the clock starts, as a run does while it is built.
"""

from __future__ import annotations

import json
import time

import torch
import torch.nn.functional as F
from workloads import NAMES, arguments

import softcpt
from softcpt.testing.random_clip import random_openai_state_dict

SOLVED = ("MeansText", "Tip-Adapter", "GDA", "ProKeR", "TextGDA", "TextGDA-MT")
TRAINED = ("Tip-Adapter-F", "ZS-LP", "CLAP", "LP++", "CrossModal", "TaskRes")
OTHERS = 286  # classes of RS-8 and Fashion-20, shared out evenly here among their 28 tasks


def tasks_of_the_paper() -> softcpt.TaskSet:
    """General-10's and Plant-6's tasks by their names, and 28 small ones: 1,593 classes."""
    tasks = []
    for benchmark in ("General-10", "Plant-6"):
        tasks += [softcpt.Task(*item) for item in NAMES[benchmark].items()]
    for number in range(28):
        count = OTHERS // 28 + (number < OTHERS % 28)
        tasks.append(softcpt.Task(f"task {number}", [f"class {c}" for c in range(count)]))
    return softcpt.TaskSet(tasks)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--shots", type=int, default=4, help="images of a class")
    parser.add_argument("--views", type=int, default=3, help="views of an image")
    parser.add_argument("--width", type=int, default=1024, help="D")
    parser.add_argument("--trained", action="store_true", help="heads that take steps, too")
    args = parser.parse_args()
    tasks = tasks_of_the_paper()
    weights = random_openai_state_dict(embed_dim=args.width, text_width=64, text_layers=1)
    clip = softcpt.load_clip(weights, device=args.device)
    labels = torch.arange(tasks.num_classes).repeat_interleave(args.shots)
    draw = torch.Generator().manual_seed(0)
    centres = torch.randn(tasks.num_classes, 1, args.width, generator=draw)
    noise = torch.randn(len(labels), args.views, args.width, generator=draw)
    features = F.normalize(centres[labels] + noise + 1, dim=-1)
    for method in SOLVED + (TRAINED if args.trained else ()):
        line = {
            "benchmark": "heads",
            "method": method,
            "tasks": len(tasks),
            "classes": tasks.num_classes,
            "shots": args.shots,
            "views": args.views,
            "width": args.width,
            "threads": torch.get_num_threads(),
        }
        try:
            line |= fitting_times(method, clip, tasks, features, labels, args.rounds)
        except softcpt.UserError as error:  # a kernel that would not fit into memory
            line["refused"] = str(error)
        print(json.dumps(line), flush=True)


def fitting_times(method, clip, tasks, features, labels, rounds) -> dict[str, float]:
    """The least of some rounds: on the clock, and of the processors."""
    seconds, busy = [], []
    for _ in range(rounds):
        head = softcpt.build_prompter(method, clip, tasks)
        start = time.perf_counter(), time.process_time()
        head.fit(features, labels)
        seconds.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
    return {"seconds": round(min(seconds), 3), "cpu_seconds": round(min(busy), 3)}


if __name__ == "__main__":
    main()

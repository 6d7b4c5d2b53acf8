"""Choose a learning rate on the validation images: one run per rate, a table at the end.

    python tools/choose_lr.py --trainer SoftCPT --rates 0.02 0.05 0.1 0.2 [flags of train.py]

The test images are not looked at. The rates in configs/trainers/{shared,CoCoOp}/tiny.yaml were
chosen with it (seeds 1 and 2).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tabulate import tabulate

TRAIN = Path(__file__).resolve().parent.parent / "train.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainer", required=True)
    parser.add_argument("--rates", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", default=["1"])
    parser.add_argument("--output", default="output/choose_lr")
    args, more = parser.parse_known_args()
    rows = []
    for rate in args.rates:
        reached = []
        for seed in args.seeds:
            folder = Path(args.output, args.trainer, f"lr{rate}", f"seed{seed}")
            command = [
                sys.executable,
                str(TRAIN),
                "--trainer",
                args.trainer,
                "--seed",
                seed,
                "--output-dir",
                str(folder),
            ]
            subprocess.run(
                [*command, *more, "TEST.SPLIT", "val", "OPTIM.LR", rate],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            result = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            if result["shared"]["split"] != "val":
                sys.exit(
                    "choose_lr: there are no validation images to choose a learning rate on; give "
                    "the data set some"
                )
            overall = result["overall"]
            reached.append(
                overall[next(method for method in overall if method != "ZeroShot")][
                    "overall_metric"
                ]
            )
        rows.append([rate, *reached, sum(reached) / len(reached)])
    head = ["learning rate", *(f"seed {seed}" for seed in args.seeds), "mean"]
    print(tabulate(rows, head, floatfmt=("g", *[".2f"] * (len(head) - 1))))


if __name__ == "__main__":
    main()

"""Choose a setting on the validation images: one run per value and seed, a table at the end.

    python tools/choose.py --trainer SoftCPT --key OPTIM.LR --values 0.001 0.002 0.004
    python tools/choose.py --trainer CoOp --key OPTIM.MAX_STEPS --values 75 150 300 --seeds 1 2 3

More flags of train.py and KEY VALUE pairs may follow. The test images are not looked at. What is in
configs/trainers/{shared,CoCoOp}/tiny.yaml was chosen with it.
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
    parser.add_argument("--key", default="OPTIM.LR", help="of the configuration (OPTIM.LR)")
    parser.add_argument("--values", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", default=["1"])
    parser.add_argument("--output", default="output/choose")
    args, more = parser.parse_known_args()
    rows = []
    for value in args.values:
        reached = []
        for seed in args.seeds:
            folder = Path(args.output, args.trainer, f"{args.key}-{value}", f"seed{seed}")
            flags = ["--trainer", args.trainer, "--seed", seed, "--output-dir", str(folder)]
            pairs = ["TEST.SPLIT", "val", args.key, value]
            command = [sys.executable, str(TRAIN), *flags, *more, *pairs]
            status = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
            if status:  # its own line says why
                sys.exit(status)
            reached.append(on_validation(folder))
        rows.append([value, *reached, sum(reached) / len(reached)])
    head = [args.key, *(f"seed {seed}" for seed in args.seeds), "mean"]
    print(tabulate(rows, head, floatfmt=("g", *[".2f"] * (len(head) - 1))))


def on_validation(folder: Path) -> float:
    """The mean over tasks that the run in ``folder`` reached."""
    result = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if result["shared"]["split"] != "val":
        sys.exit("choose: there are no validation images to choose on; give the data set some")
    overall = result["overall"]
    method = next(method for method in overall if method != "ZeroShot")
    return float(overall[method]["overall_metric"])


if __name__ == "__main__":
    main()

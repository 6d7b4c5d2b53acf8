"""Command lines that make no sense, each in another way."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.faults.commands import COMMANDS
from tests.faults.place import Place
from tests.helpers.toy import WEIGHTS, arguments

# {run}: a finished run; {toy}, {weights}: a configuration and a small model; {images}: class
# folders; {file}: a text file; {folder}: an empty folder; {broken}: a file whose bytes are no text;
# {out}: a folder that is not there, to write to; {grid}, {study}: files of these.
NAMED = "train --trainer CoOp --output-dir {out} --images {images} --config-file {toy}"
TRAIN = f"{NAMED} --backbone {{weights}}"
LINES = (
    "",
    "nothing",
    "train --trainer",
    "train --trainer Nobody --output-dir {out}",
    "train --trainer ../CoOp --output-dir {out}",
    "train --trainer CoOp --output-dir {file}",
    "train --trainer CoOp --output-dir {file}/below",
    "train --trainer CoOp --output-dir {nul}",
    "train --trainer CoOp --output-dir {long}",
    "train --trainer CoOp --images {out}",
    "train --trainer CoOp --images {folder} --output-dir {out}",
    "train --trainer CoOp --images {file} --output-dir {out}",
    "train --trainer CoOp --images {nul} --output-dir {out}",
    "train --trainer CoOp --images {images} --task-names a b --output-dir {out}",
    "train --trainer CoOp --images {images} --root {folder} --output-dir {out}",
    "train --trainer CoOp --config-file {folder} --output-dir {out}",
    "train --trainer CoOp --config-file {broken} --output-dir {out}",
    "train --trainer CoOp --config-file {run}/results.json --output-dir {out}",
    "train --trainer CoOp --dataset-config-file {file} --output-dir {out}",
    "train --trainer CoOp --plugins {file}",
    "train --trainer CoOp --plugins {out}",
    f"{TRAIN} --seed x",
    f"{TRAIN} --seed 99999999999999999999",
    f"{TRAIN} --resume {{folder}}",
    f"{TRAIN} --model-dir {{folder}}",
    f"{TRAIN} --model-dir {{file}}",
    f"{NAMED} --backbone {{folder}}",
    f"{NAMED} --backbone {{file}}",
    f"{NAMED} --backbone {{nul}}",
    f"{NAMED} --backbone ViT-B-32/nobody",
    f"{TRAIN} OPTIM.LR",
    f"{TRAIN} OPTIM.LR fast",
    f"{TRAIN} OPTIM.LR nan",
    f"{TRAIN} OPTIM.LR [0.1]",
    f"{TRAIN} OPTIM 3",
    f"{TRAIN} OPTIM.RATE 3",
    f"{TRAIN} optim.lr 3",
    f"{TRAIN} OPTIM.MAX_EPOCH 1.5",
    f"{TRAIN} OPTIM.NAME magic",
    f"{TRAIN} OPTIM.LR_SCHEDULER magic",
    f"{TRAIN} DATALOADER.TRAIN_X.BATCH_SIZE 0",
    f"{TRAIN} DATALOADER.NUM_WORKERS -1",
    f"{TRAIN} DATASET.NUM_SHOTS many",
    f"{TRAIN} DATASET.SUBSAMPLE_CLASSES half",
    f"{TRAIN} DATASET.TEMPLATE none",
    f"{TRAIN} INPUT.SIZE [0,0]",
    f"{TRAIN} INPUT.TRANSFORMS [magic]",
    f"{TRAIN} TRAINER.COOP.N_CTX 1000",
    f"{TRAIN} TRAINER.COOP.N_CTX -1",
    f"{TRAIN} TRAINER.COOP.PREC fp7",
    f"{TRAIN} TEST.FINAL_MODEL first",
    f"{TRAIN} --eval-only",
    f"{TRAIN} --eval-only --model-dir {{run}} --load-epoch 77",
    f"{TRAIN} --eval-only --model-dir {{run}} --load-epoch x",
    "data",
    "data nothing",
    "data list Nobody",
    "data get Emoji45",
    "data get {images}",
    "data status {file}",
    "data status {nul}",
    "data status Caltech101 --root {file}",
    "data status Caltech101 --root {out}",
    "data check {folder}",
    "data check {images} --workers -1",
    "data check {images} --workers x",
    "data preview {images} --images 0 -o {out}/a.png",
    "data preview {images} --size 0 -o {out}/a.png",
    "data preview {images} -o {folder}",
    "data preview {images} -o {file}/a.png",
    "data preview {images} Emoji44 -o {out}/a.png",
    "predict",
    "predict {run}",
    "predict {folder} {images}",
    "predict {file} {images}",
    "predict {out} {images}",
    "predict {nul} {images}",
    "predict {run} {folder}",
    "predict {run} {out}",
    "predict {run} {file} --task flower",
    "predict {run} {images}",
    "predict {run} {images} --task nobody",
    "predict {run} {images} --task flower --top 0",
    "predict {run} {images} --task flower --top x",
    "predict {run} {images} --task flower --batch-size -1",
    "predict {run} {images} --task flower --workers -1",
    "predict {run} {images} --task flower --device tpu:9",
    "predict {run} {images} --task flower --device cuda:99",
    "predict {run} {images} --task flower --backbone {file}",
    "predict {run} {images} --task flower --format xml",
    "predict {run} {images} --task flower --output {folder}",
    "predict {run} {images} --task flower --output {file}/a.csv",
    "export",
    "export {run}",
    "export {folder} {out}/a",
    "export {run} {file}",
    "export {run} {file}/a.safetensors --to classifier",
    "export {run} {folder} --to classifier",
    "export {run} {out}/a --to magic",
    "export {run} {out}/a --to torch --model ViT-B-32",
    "export {run} {out}/a --model ViT-B-32",
    "export {nul} {out}/a",
    "average",
    "average {run} {folder} --output-dir {out}",
    "average {folder} --output-dir {out}",
    "average {run} --output-dir {file}",
    "average {run} --load-epoch 99 --output-dir {out}",
    "report",
    "report {out}",
    "report {folder} --to {out}",
    "report {run} --to {file}",
    "report {file} --to {out}",
    "report {run} --formats gif --to {out}",
    "inspect {folder}",
    "inspect {run} --run {folder}",
    "features --folder {folder} rm",
    "features --folder {folder} rm abc",
    "features --folder {folder} rm abc --all",
    "features nothing",
    "grid {file}",
    "grid {broken}",
    "grid {folder}",
    "grid nobody",
    "grid {grid} --output {file}",
    "grid {grid} --shots x --list",
    "grid {grid} --shots 0.5 --list",
    "grid {grid} --seeds -1 --list",
    "grid {grid} --methods Nobody --list",
    "grid {grid} --layout ../x --list",
    "grid {grid} --layout {{nothing}} --list",
    "grid {grid} --workers -1 --output {out}",
    "grid {grid} --attempts 0 --output {out}",
    "grid {grid} --launcher moon",
    "grid {grid} OPTIM.LR --list",
    "grid --images {out} --methods CoOp --list",
    "transfer {file}",
    "transfer nobody",
    "transfer {study} --workers -1 --output {out}",
    "serve {folder}",
    "serve {run} --port 99999",
    "serve {run} --port x",
    "pull",
    "pull {file} {out}",
    "push {folder} a/b",
    "env nothing",
)
LONGEST = 30.0  # seconds of computing that one takes


def main() -> int:
    """Try all lines (those that contain one of the words of the command line); 1 if one is not
    right, which is printed."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        names = _names(place)
        for line in LINES:
            if not sys.argv[1:] or any(word in line for word in sys.argv[1:]):
                faults = _faults_of(place, [word.format(**names) for word in line.split()])
                wrong += bool(faults)
                if faults:
                    print(f"{line}\n    {'; '.join(faults)}", flush=True)
    return int(wrong > 0)


def _names(place: Place) -> dict[str, str]:
    """What stands for the words in braces, which is made."""
    run = place.run("1")
    arguments(place.folder, "CoOp")  # writes the configuration
    odd = place.folder / "odd"
    (odd / "folder").mkdir(parents=True)
    (odd / "file").write_text("hello\n")
    (odd / "broken").write_bytes(b"A: \xff\xfe\0[")
    os.chdir(odd)
    paths = {name: str(odd / name) for name in ("file", "folder", "broken")}
    others = {"run": run, "images": str(place.images), "out": str(place.out)}
    jobs = {"grid": COMMANDS["grid"].words(place, "1")[1]}
    jobs["study"] = COMMANDS["transfer"].words(place, "1")[1]
    model = {"toy": str(place.folder / "toy.yaml"), "weights": str(WEIGHTS)}
    return {
        **paths,
        **others,
        **model,
        **jobs,
        "nul": "a\0b",
        "long": str(place.target / ("x" * 300)),
    }


def _faults_of(place: Place, words: list[str]) -> list[str]:
    """What is wrong with how a command line ends."""
    place.clear()
    before = _files(place)
    ended = place.fork(words, at_most=LONGEST)
    lines = [line for line in ended.err.splitlines() if "error: " in line]
    faults = [] if ended.status > 0 else [f"status {ended.status}"]
    if "Traceback" in ended.err + ended.out:
        faults.append(f"a traceback: {ended.err.strip().splitlines()[-1][:200]}")
    elif ended.status == 1 and not lines and ended.out:
        pass  # what was asked for is printed: `data status`, an image that is none
    elif len(lines) != 1 or len(lines[0]) > 1000:
        faults.append(f"{len(lines)} lines: {ended.err[-200:]!r}")
    faults += [f"left {name}" for name in sorted(_files(place) - before)[:5]]
    return faults


def _files(place: Place) -> set[str]:
    # A division of images is made where they are read, and is the same each time.
    found = (path for path in place.folder.rglob("*") if path.name != "split_drawn.json")
    return {str(path) for path in found if path.parent != place.folder}


if __name__ == "__main__":
    sys.exit(main())

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
# {out}: a folder that is not there, to write to; {grid}, {study}: files of these; {pipe}: one that
# nobody writes to; {loop}: a link to itself; {bytes}: a name that is not in UTF-8.
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
    # The same kinds once more, each elsewhere.
    "--debug",
    "train extra words",
    "train --eval-only --trainer ZeroshotCLIP --no-train --seed x",
    f"{TRAIN} --seed 1.5",
    f"{TRAIN} --seed 1e400",
    f"{TRAIN} --load-epoch -1 --model-dir {{run}}",
    f"{TRAIN} --load-epoch 3",
    f"{TRAIN} --model-dir {{weights}}",
    f"{TRAIN} --model-dir {{nul}}",
    f"{TRAIN} --resume {{file}}",
    f"{TRAIN} --resume {{run}} --eval-only",
    f"{TRAIN} --resume {{long}}",
    f"{TRAIN} --transforms magic",
    f"{TRAIN} --transforms 1 2",
    f"{TRAIN} --backbone",
    f"{TRAIN} --draw-split --images {{images}} {{images}}",
    f"{TRAIN} --task-names a --images {{images}} {{images}}",
    f"{TRAIN} --images",
    f"{TRAIN} OPTIM.LR 0.1 --seed 1",
    f"{TRAIN} OPTIM.LR 0.1 OPTIM.LR",
    f"{TRAIN} = 3",
    f"{TRAIN} . 3",
    f"{TRAIN} OPTIM. 3",
    f"{TRAIN} TRAINER.SOFTCPT.GENERATOR magic --trainer",
    f"{TRAIN} TRAINER.COOP.CSC maybe",
    f"{TRAIN} TRAINER.COOP.CLASS_TOKEN_POSITION nowhere",
    f"{TRAIN} DATASET.METRICS ['x=y=z']",
    f"{TRAIN} DATASET.METRICS [squares]",
    f"{TRAIN} DATASET.ORDINAL ['squares=red<']",
    f"{TRAIN} DATASET.ORDINAL [[1]]",
    f"{TRAIN} DATASET.LABEL_COLUMNS [red]",
    f"{TRAIN} DATALOADER.TRAIN_X.SAMPLER TaskBalanced DATALOADER.TRAIN_X.TASK_SHARES [nan]",
    f"{TRAIN} DATALOADER.TRAIN_X.SAMPLER TaskBalanced DATALOADER.TRAIN_X.TASK_SHARES ['a=1']",
    f"{TRAIN} DATALOADER.TRAIN_X.SAMPLER magic",
    f"{TRAIN} MULTITASK.WEIGHTS [0]",
    f"{TRAIN} MULTITASK.WEIGHTS [1,2,3]",
    f"{TRAIN} MULTITASK.GRADIENTS pcgrad",
    f"{TRAIN} MULTITASK.WEIGHTING uncertainty MULTITASK.MEAN_FACTOR 2",
    f"{TRAIN} TRAIN.EARLY_STOP 1 DATASET.NUM_SHOTS 1 TEST.FINAL_MODEL best",
    f"{TRAIN} TRAIN.LOOKAHEAD -1",
    f"{TRAIN} OPTIM.MAX_STEPS -5",
    f"{TRAIN} OPTIM.STEPS_PER_SHOT half",
    f"{TRAIN} OPTIM.WARMUP_TYPE magic",
    f"{TRAIN} INPUT.PIXEL_STD [0,0,0]",
    f"{TRAIN} INPUT.PIXEL_MEAN [a,b,c]",
    f"{TRAIN} INPUT.SIZE 32",
    f"{TRAIN} INPUT.SIZE [32]",
    f"{TRAIN} INPUT.SIZE [-32,-32]",
    f"{TRAIN} INPUT.RRCROP_SCALE [2,1]",
    f"{TRAIN} INPUT.INTERPOLATION magic",
    f"{TRAIN} FEATURES.FOLDER {{file}}",
    f"{TRAIN} FEATURES.FOLDER {{nul}}",
    f"{TRAIN} DATASET.TEMPLATE {{{{0}}}}",
    f"{TRAIN} DATASET.TEMPLATE {{{{}}}}{{{{}}}}",
    f"{TRAIN} INPUT.RRCROP_SCALE [0.9,0.1]",
    f"{TRAIN} DATASET.TEMPLATE {{{{name}}}}",
    "train --trainer LinearProbe OPTIM.LR 3 DATASET.NUM_SHOTS -9 --output-dir {out}",
    "train --trainer CoOp --images {pipe} --output-dir {out}",
    "train --trainer CoOp --images {loop} --output-dir {out}",
    "train --trainer CoOp --config-file {pipe} --output-dir {out}",
    "train --trainer CoOp --config-file /dev/zero --output-dir {out}",
    "train --trainer CoOp --dataset-config-file {loop} --output-dir {out}",
    f"{NAMED} --backbone {{pipe}}",
    f"{NAMED} --backbone {{loop}}",
    f"{NAMED} --backbone {{bytes}}",
    "train --trainer CoOp --output-dir {pipe}",
    "train --trainer CoOp --output-dir {loop}",
    "train --trainer CoOp --output-dir /proc/nothing",
    "train --trainer CoOp --output-dir /dev/full/x",
    "data check {pipe}",
    "data preview {loop} -o {out}/a.png",
    "data preview {images} --images 10 --size x",
    "data preview {images} -o {pipe}",
    "data get OxfordPets --root {file}",
    "data get OxfordPets --root {nul}",
    "data status OxfordPets --root {pipe}",
    "predict {run} {pipe} --task flower",
    "predict {run} {loop} --task flower",
    "predict {run} {images} --task flower --batch-size 1e9",
    "predict {run} {images} --task flower --output {pipe} --format csv",
    "predict {run} {images} --task flower --output {nul}",
    "predict {run}/prompt {images} --task flower",
    "predict {weights} {images}",
    "export {run} /dev/full/a --to classifier",
    "export {run} {out}/a --to open_clip --load-epoch 9",
    "export {run} {long} --to classifier",
    "export {pipe} {out}/a",
    "average {run} {weights} --output-dir {out}",
    "average {run} {nul} --output-dir {out}",
    "average {run} --load-epoch x --output-dir {out}",
    "report {pipe} --to {out}",
    "report {nul} --to {out}",
    "report {run} --metric nothing --to {out}",
    "report {run} --to /dev/full/x",
    "report {run} --to {long}",
    "report {run} --formats , --to {out}",
    "inspect {run} --words 1 --to {out}",
    "inspect {run} --words x --to {out}",
    "inspect {run} --run {file} --to {out}",
    "inspect {pipe} --to {out}",
    "features --folder {file} list",
    "features --folder {file} verify",
    "features --folder {folder} rm ../x",
    "grid {pipe}",
    "grid {loop}",
    "grid {grid} --shots 1" + "0" * 400 + " --list",
    "grid {grid} --seeds 99999999999999999999 --list",
    "grid {grid} --data {pipe} --list",
    "grid {grid} --config {{nothing}} --list",
    "grid {grid} --config a{{b --list",
    "grid {grid} --layout a{{b --list",
    "grid {grid} --methods CoOp CoOp --list",
    "grid {grid} --root {nul} --list",
    "grid {grid} --output {nul}",
    "grid {grid} --output /dev/full/x",
    "grid --images {images} --task-names a b --methods CoOp --list",
    "transfer {study} --readings magic",
    "transfer {study} --readings ,",
    "transfer {study} --against {folder} --readings gradients",
    "transfer {study} --against {file} --readings gradients",
    "transfer {pipe}",
    "transfer {grid}",
    "grid {study} --list",
    "serve {run} --port -1",
    "serve {run} --max-megapixels nan",
    "serve {run} --max-megapixels -1",
    "serve {run} --host nowhere.invalid --port 0",
    "pull a/b/c/d {out}",
    "pull {nul} {out}",
    "push {run} {nul}",
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
    os.mkfifo(odd / "pipe")
    (odd / "loop").symlink_to("loop")
    os.chdir(odd)
    paths = {name: str(odd / name) for name in ("file", "folder", "broken", "pipe", "loop")}
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
        "bytes": "a\udcffb",
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
    # A division and a draw of images are made where they are read, and are the same each time.
    made = {"split_drawn.json", "split_fewshot"}
    found = (path for path in place.folder.rglob("*") if made.isdisjoint(path.parts))
    return {str(path) for path in found if path.parent != place.folder}


if __name__ == "__main__":
    sys.exit(main())

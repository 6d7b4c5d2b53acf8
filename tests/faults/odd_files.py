"""Files and folders of images as they should not be, each in another way: a command ends well, or
in one line that leaves nothing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.commands import COMMANDS
from tests.faults.odd_images import FOLDERS, TABLES, write, write_picture
from tests.faults.odd_yaml import JOBS, YAML
from tests.faults.place import Place
from tests.helpers.toy import WEIGHTS

LONGEST = 2100  # characters of a message
SECONDS = 60.0  # of computing


def lines(place: Place) -> dict[str, list[str]]:
    """Every command line by what is odd in it; what it needs is made."""
    odd = place.folder / "odd"
    odd.mkdir()
    grid, study = (COMMANDS[name].words(place, "1")[1] for name in ("grid", "transfer"))
    beside, found = Path(grid).parent, {}
    train = ["train", "--trainer", "CoOp", "--backbone", str(WEIGHTS)]
    train += ["--output-dir", str(place.out)]
    few = ["OPTIM.MAX_EPOCH", "1", "DATALOADER.NUM_WORKERS", "0", "INPUT.SIZE", "(32, 32)"]
    few += ["DATALOADER.TRAIN_X.BATCH_SIZE", "2", "TRAINER.COOP.N_CTX", "4"]
    for number, (name, text) in enumerate(YAML.items()):
        file = odd / str(number) / "odd.yaml"
        write(file, text.encode())
        usual = ["--images", str(place.images)]
        found[f"configuration: {name}"] = [*train, *usual, "--config-file", str(file), *few]
        found[f"data set: {name}"] = [*train, "--dataset-config-file", str(file), "--no-train"]
        found[f"grid: {name}"] = ["grid", str(file), "--list"]
        found[f"study: {name}"] = ["transfer", str(file), "--list"]
    for number, (name, text) in enumerate(JOBS.items()):
        for kind, right in (("grid", grid), ("transfer", study)):
            file = beside / f"odd{number}-{kind}.yaml"
            usual = [line for line in Path(right).read_text().splitlines() if line[:1].isalpha()]
            keys = {line.partition(":")[0] for line in text.splitlines()}
            kept = [line for line in usual if line.partition(":")[0] in {"config", "data"} - keys]
            file.write_text("\n".join([*kept, text]))
            found[f"{kind}: {name}"] = [kind, str(file), "--list", "--output", str(place.out)]
    for number, (name, content) in enumerate(TABLES.items()):
        folder = odd / f"table{number}"
        for image in ("a.png", "b.png"):
            write_picture(folder / image)
        write(folder / "t.csv", content)
        found[f"table: {name}"] = [*train, "--images", str(folder / "t.csv"), *few]
    for number, (name, make) in enumerate(FOLDERS.items()):
        folder = odd / f"folder{number}"
        make(folder)
        found[f"folder: {name}"] = [*train, "--images", str(folder), *few]
        found[f"folder, a look: {name}"] = ["data", "check", str(folder), "--workers", "0"]
    return found


def fault_of(place: Place, words: list[str]) -> str:
    """What is wrong with how a command line ends."""
    place.clear()
    ended = place.fork(words, at_most=SECONDS)
    said = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    if "Traceback" in ended.err + ended.out:
        return "a traceback: " + ended.err.strip().splitlines()[-1][:200]
    # `data check` prints what it finds, and ends with 1.
    if ended.status not in (0, 1) and (len(said) != 1 or len(said[0]) > LONGEST):
        return f"status {ended.status}, {len(said)} lines: {ended.err[-300:]!r}"
    # A run that began keeps its log, and what it encoded.
    kept = ("log.txt", ".lock", "features.npy", "meta.json")
    left = [path for path in place.target.rglob("*") if path.is_file()]
    left = [path for path in left if path.name not in kept and path.parent.name != ".locks"]
    return f"left {left[0]}" if left and ended.status == 2 and words[0] != "train" else ""


def main() -> int:
    """Try all (those that contain one of the words of the command line); 1 if something is not
    right, which is printed."""
    wrong = tried = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "place")
        for name, words in lines(place).items():
            if not sys.argv[1:] or any(word in name for word in sys.argv[1:]):
                tried, fault = tried + 1, fault_of(place, words)
                wrong += bool(fault)
                if fault:
                    print(f"{name}\n    {fault}", flush=True)
        shutil.rmtree(place.folder, ignore_errors=True)  # links that lead back, and odd names
    print(f"{tried} tried, {wrong} not right")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

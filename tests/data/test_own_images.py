"""Your own images: a folder or a table, from the command line alone, and a class dropped into
``datasets/``."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import softcpt
from softcpt import plugins
from softcpt.engine import flag_checks, run_flags
from softcpt.errors import UserError
from tests.helpers.layouts import config, litter, write

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("red rose", "Tulip", "daisy")


# `python <arguments>` for each list of arguments; in one interpreter, since importing torch takes
# most of the time.
RUN_ALL = """
import json, runpy, sys
sys.path.insert(0, "")
for words in json.loads(sys.argv[1]):
    module = words[0] == "-m"
    sys.argv = words[module:]
    try:
        (runpy.run_module if module else runpy.run_path)(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise
"""


def dataset(name, *args, **kwargs):
    return DATASET_REGISTRY.get(name)(config(*args, **kwargs))


def images(folder, names=CLASSES, count=4):
    return write(folder, (f"{name}/{number}.JPG" for name in names for number in range(count)))


def sizes(data):
    return [len(part) for part in (data.train_x, data.val, data.test)]


def test_a_folder_of_class_folders_is_a_task_named_after_it(tmp_path):
    images(tmp_path / "my_flowers")
    litter(tmp_path / "my_flowers")
    data = dataset("ImageFolder", tmp_path / "my_flowers")
    assert (
        data.tasks[0].class_names == ("Tulip", "daisy", "red rose")
        and data.tasks[0].name == "my flowers"
    )
    assert sizes(data) == [6, 3, 3]
    named = dataset(
        "ImageFolder", tmp_path / "my_flowers", 1, TASK_NAME="flower pictures", TEMPLATE="a {}."
    )
    assert (
        named.tasks[0].name == "flower pictures"
        and named.tasks[0].template == "a {}."
        and sizes(named) == [3, 3, 3]
    )


def test_the_split_of_a_folder_is_written_and_kept(tmp_path, capsys):
    images(tmp_path)
    first = dataset("ImageFolder", tmp_path)
    assert "split_drawn.json" in capsys.readouterr().out
    assert json.loads((tmp_path / "split_drawn.json").read_text())["drawn_by"]["seed"] == 1
    again = dataset("ImageFolder", tmp_path, seed=5)
    assert [item.impath for item in first.test] == [item.impath for item in again.test]
    write(tmp_path, ["Tulip/new.png"])
    with pytest.raises(
        UserError, match=r"split_drawn.json: images came or went .*1 new, 0 gone.*delete it"
    ):
        dataset("ImageFolder", tmp_path)


def test_images_that_are_gone_can_be_left_out(tmp_path):
    images(tmp_path)
    first = dataset("ImageFolder", tmp_path)
    Path(first.test[0].impath).unlink()
    with pytest.raises(UserError, match=r"0 new, 1 gone.*ON_MISSING skip"):
        dataset("ImageFolder", tmp_path)
    again = dataset("ImageFolder", tmp_path, ON_MISSING="skip")
    assert [item.impath for item in again.test] == [item.impath for item in first.test[1:]]
    write(tmp_path, ["Tulip/new.png"])
    with pytest.raises(UserError, match=r"1 new, 1 gone\); delete it to draw a new one$"):
        dataset("ImageFolder", tmp_path, ON_MISSING="skip")


@pytest.mark.parametrize(
    "parts, expected",
    [
        (("train", "val", "test"), [12, 12, 12]),
        (("Training", "validation", "testing"), [12, 12, 12]),
        (("train", "test"), [12, 0, 12]),
        (("train", "val"), [12, 0, 12]),
    ],
)
def test_a_divided_folder_stays_as_it_is_divided(tmp_path, parts, expected):
    for part in parts:
        images(tmp_path / part)
    data = dataset("ImageFolder", tmp_path)
    assert sizes(data) == expected and data.num_classes == 3
    assert all(f"/{parts[-1]}/" in item.impath for item in data.test)
    assert not (tmp_path / "split_drawn.json").exists()


DIRECT = ("1.jpg", "2.jpg", "3.jpg", "4.jpg")
TWO = (*(f"cat/{name}" for name in DIRECT), *(f"dog/{name}" for name in DIRECT))


def layout(root, folders):
    """Folders by path and the files in each; a folder without files is made, too."""
    for folder, files in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        write(root / folder, files)
    return root


# Folders beside the parts, and which of them are printed as left out.
DIVIDED = {
    "no images beside": ({"train": TWO, "test": TWO, "annotations": ()}, "annotations/"),
    "images beside": ({"train": TWO, "test": TWO, "iconic-images": DIRECT}, "iconic-images/"),
    "class folders beside": ({"Train": TWO, "validation": TWO, "extra": TWO}, "extra/"),
    "both beside": (
        {"train": TWO, "test": TWO, "annotations": (), "iconic-images": DIRECT},
        "annotations/, iconic-images/",
    ),
    "some other classes": ({"train": TWO, "test": ("dog/1.jpg",), "masks": TWO}, "masks/"),
    "an empty part": ({"train": TWO, "val": (), "test": TWO}, "val/"),
    "unsorted test images": ({"train": TWO, "val": TWO, "test": DIRECT}, "test/"),
    "one more folder": (
        {"set/train": TWO, "set/test": TWO, "set/masks": DIRECT, "docs": ()},
        "masks/",
    ),
    "each part twice": ({"train/train": TWO, "test/Test": TWO, "docs": ()}, "docs/"),
}


@pytest.mark.parametrize("case", DIVIDED)
def test_what_lies_beside_the_parts_is_printed_and_left_out(tmp_path, capsys, case):
    folders, left_out = DIVIDED[case]
    data = dataset("ImageFolder", layout(tmp_path, folders))
    assert data.tasks[0].class_names == ("cat", "dog") and len(data.train_x) == 8
    assert re.findall(r"left out: (.*)", capsys.readouterr().out) == [left_out]
    assert not (tmp_path / "split_drawn.json").exists()


CLASSES_CALLED_AS_PARTS = {
    "beside others": ({"bus": DIRECT, "car": DIRECT, "train": DIRECT}, ("bus", "car", "train")),
    "beside nested": ({"bus/red": DIRECT, "train": DIRECT}, ("bus", "train")),
    "with a folder in it": (
        {"bus": DIRECT, "train": (*DIRECT, "steam/5.jpg")},
        ("bus", "train"),
    ),
    "test": ({"bus": DIRECT, "Test": DIRECT}, ("Test", "bus")),
    "with a folder without images": (
        {"bus": DIRECT, "train": DIRECT, "annotations": ()},
        ("bus", "train"),
    ),
}


@pytest.mark.parametrize("case", CLASSES_CALLED_AS_PARTS)
def test_a_class_may_be_called_as_a_part_is(tmp_path, capsys, case):
    folders, names = CLASSES_CALLED_AS_PARTS[case]
    data = dataset("ImageFolder", layout(tmp_path, folders))
    assert data.tasks[0].class_names == names
    out = capsys.readouterr().out
    assert ("no images in annotations/" in out) == ("annotations" in folders)


UNCLEAR = {
    "train: no other part": ({"train": TWO, "iconic-images": DIRECT}, "train/ with class folders"),
    "train: others not sorted": ({"train": TWO, "test": DIRECT}, "train/ with class folders"),
    "train: others empty": ({"train": TWO, "test": ()}, "train/ with class folders"),
    "no train": ({"val": TWO, "test": TWO}, "test/, val/ with class folders"),
    "two of training": ({"train": TWO, "training": TWO}, "train/, training/ with class folders"),
    "nested classes": ({"bus": TWO, "train": TWO}, "train/ with class folders"),
    "no class shared": (
        {"train/steam": DIRECT, "test/oral": DIRECT, "bus": DIRECT},
        "move bus/ away",
    ),
    "stray images": ({"train": (*TWO, "grid.jpg"), "test": TWO}, "class folders in train/; move"),
    "unsorted": ({"train": DIRECT, "test": DIRECT, "annotations": ()}, "beside annotations/"),
    "unsorted, images": ({"train": DIRECT, "test": DIRECT, "icons": DIRECT}, "beside icons/"),
    "unsorted, one": ({"train": DIRECT, "annotations": ()}, "beside annotations/"),
    "unsorted, no others": ({"test": DIRECT, "train": DIRECT}, "directly in test/, train/; if"),
    "unsorted, no training": ({"test": DIRECT, "val": DIRECT}, "class folders (test/CLASS/image)"),
    "unsorted, alone": ({"train": DIRECT}, "class folders (train/CLASS/image)"),
    "deeper": ({"set/train": TWO, "set/test": TWO, "icons": DIRECT}, "it holds test/, train/"),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_folders_that_may_be_parts_or_classes_are_refused(tmp_path, case):
    folders, message = UNCLEAR[case]
    with pytest.raises(UserError) as error:
        dataset("ImageFolder", layout(tmp_path, folders))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "split_drawn.json").exists()


@pytest.mark.parametrize(
    "folders", [{"train": TWO}, {"train": TWO, "notes": ()}, {"x": TWO, "y": ()}]
)
def test_a_single_folder_with_images_holds_the_classes(tmp_path, capsys, folders):
    data = dataset("ImageFolder", layout(tmp_path, folders))
    assert data.tasks[0].class_names == ("cat", "dog") and sizes(data) == [4, 2, 2]
    others = [name for name, files in folders.items() if not files]
    assert re.findall("no images in (.*)/ of", capsys.readouterr().out) == others


def test_classes_without_images_are_printed(tmp_path, capsys):
    layout(tmp_path / "whole", {"cat": DIRECT, "dog": DIRECT, "emu": ()})
    layout(tmp_path / "parts", {"train": TWO, "test": TWO, "train/emu": ()})
    for name in ("whole", "parts"):
        data = dataset("ImageFolder", tmp_path / name)
        assert data.tasks[0].class_names == ("cat", "dog")
        assert "no images in emu/" in capsys.readouterr().out


NO_TASK = {
    "flat": ({".": DIRECT}, "4 images (1.jpg, ...) and no class folders"),
    "one class": ({"cat": DIRECT}, "one class only ('cat')"),
    "tasks with parts": ({"a/train": TWO, "a/test": TWO, "b/train": TWO}, "--images "),
}


@pytest.mark.parametrize("case", NO_TASK)
def test_a_folder_that_is_no_task_is_one_clear_line(tmp_path, case):
    folders, message = NO_TASK[case]
    with pytest.raises(UserError) as error:
        dataset("ImageFolder", layout(tmp_path, folders))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "split_drawn.json").exists()


def test_what_may_be_meant_otherwise_is_printed(tmp_path, capsys):
    dataset(
        "ImageFolder", layout(tmp_path / "loose", {"cat": DIRECT, "dog": DIRECT, ".": ["x.jpg"]})
    )
    assert "left out, 1 images beside the class folders" in capsys.readouterr().out
    data = dataset("ImageFolder", layout(tmp_path / "grouped", {"pets": TWO, "farm": TWO}))
    assert data.tasks[0].class_names == ("farm", "pets")
    assert "if each is a task of its own: --images" in capsys.readouterr().out


def test_an_archive_is_unpacked_into_the_cache_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path / "cache"))
    layout(tmp_path / "content", {"red rose": DIRECT, "daisy": DIRECT})
    shutil.make_archive(str(tmp_path / "my_flowers"), "zip", tmp_path / "content")
    for time in range(2):
        data = dataset("ImageFolder", tmp_path / "my_flowers.zip")
        assert data.tasks.names == ("my flowers",) and sizes(data) == [4, 2, 2]
        assert ("unpacked into" in capsys.readouterr().out) == (time == 0)
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(UserError, match="damaged, or no zip"):
        dataset("ImageFolder", tmp_path / "bad.zip")


def test_a_table_gives_classes_other_names_also_later(tmp_path):
    layout(tmp_path, {"n01": DIRECT, "n02": DIRECT})
    assert dataset("ImageFolder", tmp_path).tasks[0].class_names == ("n01", "n02")
    names = tmp_path / "classes.csv"
    names.write_text("folder,name\nn02,Edelweiß\n", encoding="utf-8")
    assert dataset("ImageFolder", tmp_path).tasks[0].class_names == ("n01", "Edelweiß")
    for content, message in {
        "a,b\nn01,x\n": "columns folder,name",
        "folder,name\nn01,\n": "line 2",
        "folder,name\nn01,x\nn02,x\n": "line 3",
        "folder,name\nn03,x\n": "'n03' is no class folder",
        "folder,name\nn01,n02\n": "'n02' is there twice",
    }.items():
        names.write_text(content)
        with pytest.raises(UserError, match=message):
            dataset("ImageFolder", tmp_path)


def flags(*words):
    return run_flags.setup_config(run_flags.parser().parse_args([str(word) for word in words]))


def test_images_are_one_task_or_several(tmp_path):
    for name in ("my_flowers", "my_pets"):
        layout(tmp_path / name, {"cat": DIRECT, "dog": DIRECT})
    one = flags("--images", tmp_path / "my_flowers", "--task-names", "flower pictures", "SEED", "3")
    assert (one.DATASET.NAME, one.DATASET.TASK_NAME, one.SEED) == (
        "ImageFolder",
        "flower pictures",
        3,
    )
    assert one.OUTPUT_DIR.startswith("output/my_flowers/SoftCPT/")
    table(tmp_path / "more.csv", ["my_pets/cat/1.jpg,c,train,t", "my_pets/dog/1.jpg,d,train,t"])
    given = [tmp_path / name for name in ("my_flowers", "my_pets")]
    several = flags("--images", *given, "DATASET.NUM_SHOTS", "1")
    assert str(tmp_path) == several.DATASET.ROOT and several.DATASET.NUM_SHOTS == 1
    assert several.DATASET.TASKS == ("ImageFolder:my_flowers", "ImageFolder:my_pets")
    data = DATASET_REGISTRY.get("MultiTask")(several)
    assert data.tasks.names == ("my flowers", "my pets") and len(data.train_x) == 4
    named = flags("--images", *given, "--task-names", "garden", "animals")
    assert DATASET_REGISTRY.get("MultiTask")(named).tasks.names == ("garden", "animals")
    assert named.OUTPUT_DIR != several.OUTPUT_DIR
    assert flags("--images", given[0], tmp_path / "more.csv").DATASET.TASKS[1] == "CSV:more.csv"


WRONG_FLAGS = {
    "no such folder or file": ["--images", "nowhere"],
    "no folder, CSV file or archive": ["--images", "x.doc"],
    "so does --root": ["--images", "a/x", "--root", "a"],
    "so does DATASET.NAME": ["--images", "a/x", "DATASET.NAME", "CSV"],
    "2 for 1 folders": ["--images", "a/x", "--task-names", "a", "b"],
    "2 folders are called 'x'": ["--images", "a/x", "b/x"],
    "it names the tasks of --images": ["--task-names", "a"],
}


@pytest.mark.parametrize("message", WRONG_FLAGS)
def test_wrong_flags_for_images_are_one_clear_line(tmp_path, monkeypatch, message):
    monkeypatch.chdir(tmp_path)
    layout(tmp_path, {"a/x": (), "b/x": (), ".": ()})
    (tmp_path / "x.doc").touch()
    with pytest.raises(UserError, match=re.escape(message)):
        flags(*WRONG_FLAGS[message])


def test_a_root_that_no_data_set_reads_is_refused(tmp_path, capsys):
    words = ["DATASET.ROOT", str(tmp_path)]
    args = run_flags.parser().parse_args(words)
    with pytest.raises(
        UserError, match="reads nothing there; for images of your own give --images"
    ):
        flag_checks.look_at_flags(run_flags.setup_config(args), args)
    args = run_flags.parser().parse_args([*words, "DATASET.NAME", "Emoji44"])
    flag_checks.look_at_flags(run_flags.setup_config(args), args)
    assert "Emoji44 comes with softcpt and reads nothing there" in capsys.readouterr().out


def test_names_of_tasks_must_be_as_many_as_data_sets(tmp_path):
    with pytest.raises(UserError, match="2 names of tasks for 1 data sets"):
        dataset("MultiTask", tmp_path, TASKS=("ImageFolder:x",), TASK_NAMES=("a", "b"))


def table(path, rows, header="path,label,split,task"):
    path.write_text("\ufeff" + "\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table_may_name_parts_and_tasks(tmp_path):
    write(tmp_path / "pictures", [f"{number}.png" for number in range(6)])
    rows = [
        "pictures/0.png,rose,train,flowers",
        "pictures/1.png,oak,train,trees",
        "pictures/2.png,tulip,train,flowers",
        "pictures/3.png,elm,train,trees",
        '"pictures/4.png","rose",test,flowers',
        "./pictures/5.png,oak,Test,trees",
    ]
    data = dataset("CSV", table(tmp_path / "mine.csv", rows))
    assert data.tasks.names == ("flowers", "trees") and data.tasks.class_names == (
        "rose",
        "tulip",
        "elm",
        "oak",
    )
    assert [(item.domain, item.label) for item in data.test] == [(0, 0), (1, 3)] and sizes(
        data
    ) == [4, 0, 2]
    assert data.test[1].impath == str(tmp_path / "pictures/5.png")


def test_a_table_without_parts_is_divided_once_and_may_name_images_elsewhere(tmp_path):
    paths = images(tmp_path / "elsewhere")
    rows = [f"{tmp_path}/elsewhere/{path},{path.split('/')[0]}" for path in paths]
    file = table(tmp_path / "my_table.csv", rows, "path,label")
    data = dataset("CSV", file, 1)
    assert sizes(data) == [3, 3, 3] and data.tasks.names == ("my table",)
    assert (tmp_path / "split_drawn_my_table.json").is_file()
    assert (tmp_path / "split_fewshot/my_table/shot_1-seed_1.json").is_file()


MISTAKES = {
    "no column label": ("path,class", ["a.png,x"]),
    "line 3: label '' cannot be used": ("path,label", ["a.png,x", "b.png,"]),
    "line 2: split 'trian' cannot be used": ("path,label,split", ["a.png,x,trian"]),
    "no training images": ("path,label,split", ["a.png,x,test", "b.png,y,test"]),
    "no images in": ("path,label", []),
    "1 of 2 images of mine.csv are not in": (
        "path,label,split",
        ["a.png,x,train", "no.png,y,test"],
    ),
    "1 image(s) like a.png cannot be divided": ("path,label", ["a.png,x", "b.png,y"]),
    "one class only ('x') in": ("path,label", ["a.png,x", "b.png,x"]),
    "one class only ('oak') in task 'trees'": (
        "path,label,split,task",
        ["a.png,x,train,t", "b.png,y,train,t", "a.png,oak,train,trees"],
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_wrong_table_is_one_clear_line(tmp_path, message):
    write(tmp_path, ["a.png", "b.png"])
    header, rows = MISTAKES[message]
    with pytest.raises(UserError) as error:
        dataset("CSV", table(tmp_path / "mine.csv", rows, header))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_wrong_root_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        dataset("ImageFolder", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no images in .*put them into class/image"):
        dataset("ImageFolder", tmp_path)
    with pytest.raises(UserError, match="is no file"):
        dataset("CSV", tmp_path)


def test_the_guide_works_as_it_is_written(tmp_path):
    """Every file and command of docs/add-a-task.md, in a copy of the project."""
    copy = tmp_path / "project"
    shutil.copytree(
        ROOT / "softcpt", copy / "softcpt", ignore=shutil.ignore_patterns("assets", "__pycache__")
    )
    (copy / "softcpt/assets").symlink_to(ROOT / "softcpt/assets")
    for name in ("train.py", "trainers", "datasets", "configs"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
    guide = (ROOT / "docs/add-a-task.md").read_text(encoding="utf-8")
    for path in ("my_flowers", "my_pets", "data/kitchen/photos"):
        images(copy / path)
    for name, text in re.findall(
        r"`([\w/]+\.(?:py|csv))`:\n\n```\w+\n(.*?)```", guide, flags=re.DOTALL
    ):
        (copy / name).write_text(text, encoding="utf-8")
    write(copy / "pictures", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    commands = re.findall(r"```bash\n(.*?)```", guide, flags=re.DOTALL)
    commands = [
        line
        for block in commands
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("python")
    ]
    assert len(commands) >= 5
    arguments = [
        shlex.split(command)[1:] + ["OPTIM.MAX_EPOCH", "1"] * ("train.py" in command)
        for command in commands
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(arguments)],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (copy / "preview-ImageFolder-my_flowers.png").is_file()
    results = [json.loads(path.read_text()) for path in copy.rglob("results.json")]
    assert {task["name"] for result in results for task in result["tasks"]["ZeroShot"]} >= {
        "flower image classification",
        "kitchen tools",
        "flowers",
        "trees",
    }


def test_a_row_that_is_there_twice_counts_once_and_is_named_by_its_lines(tmp_path, caplog):
    write(tmp_path, [f"{number}.png" for number in range(3)])
    rows = ["0.png,a,train", "1.png,b,train", "./0.png,a,train", "2.png,a,test"]
    data = dataset("CSV", table(tmp_path / "mine.csv", rows, "path,label,split"))
    assert sizes(data) == [2, 0, 1]
    assert "mine.csv: rows given twice count once: lines 2 and 4" in caplog.text


def test_an_image_with_two_labels_of_one_task_is_refused(tmp_path):
    write(tmp_path, ["0.png", "1.png"])
    rows = ["0.png,a,train,x", "1.png,b,train,x", "0.png,c,train,y", "1.png,d,train,y"]
    file = table(tmp_path / "mine.csv", [*rows, "0.png,b,test,x"])
    with pytest.raises(UserError, match=r"mine.csv lines 2 and 6: 0.png is 'a' and 'b' of task"):
        dataset("CSV", file)
    # In two tasks it may have two.
    more = [row.replace("train", "test") for row in rows]
    assert len(dataset("CSV", table(file, [*rows, *more])).tasks) == 2


def loud(name, root):
    """A data set that prints what may surprise."""
    return DATASET_REGISTRY.get(name)(root=str(root), shots=-1, verbose=True)


def test_classes_that_have_one_prompt_are_named(tmp_path, caplog):
    images(tmp_path / "flowers", ["red_rose", "red rose", "tulip"])
    loud("ImageFolder", tmp_path / "flowers")
    assert "flowers: classes 'red rose', 'red_rose' have one prompt, 'red rose'" in caplog.text


def test_an_image_that_is_trained_on_and_tested_on_is_named(tmp_path, caplog):
    folder = tmp_path / "pets"
    for number, path in enumerate(["train/cat/a", "train/dog/b", "test/cat/c", "test/dog/d"]):
        (folder / path).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{path}.png")
    loud("ImageFolder", folder)
    assert "trained on, too" not in caplog.text
    shutil.copy(folder / "train/dog/b.png", folder / "test/dog/other.png")
    loud("ImageFolder", folder)
    assert "pets: 1 of 3 test images are trained on, too (" in caplog.text
    assert "other.png, the same as" in caplog.text


def test_an_image_that_is_trained_on_for_another_task_than_it_is_tested_on_is_named(
    tmp_path, caplog
):
    images(tmp_path, ["a", "b"])
    paths = [str(path) for path in sorted(tmp_path.glob("*/*"))[:2]]
    lines = {
        "one": [f"{paths[0]},red,train,colour", f"{paths[1]},blue,test,colour"],
        "other": [f"{paths[1]},big,train,size", f"{paths[0]},small,test,size"],
    }
    said = "2 test images are trained on for another task ("
    lines["both"] = lines["one"] + lines["other"]
    for name, own in lines.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["path,label,split,task", *own]))
    loud("CSV", tmp_path / "both.csv")
    assert (
        f"both.csv: {said}" in caplog.text
        and "for 'size', and tested on for 'colour'" in caplog.text
    )
    caplog.clear()
    softcpt.load_data({name: tmp_path / f"{name}.csv" for name in ("one", "other")})
    assert f"data: {said}" in caplog.text

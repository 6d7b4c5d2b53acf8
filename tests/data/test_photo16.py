"""Photo-16: its tasks, its splits that need no file, and what happens where data sets are not
there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from softcpt import plugins
from softcpt.data.photo16 import NameRule, facts, fingerprint
from softcpt.data.split import Item
from softcpt.errors import UserError
from softcpt.grid.grid_file import named_file, read_grid
from tests.helpers.layouts import RSSCN7, SEEDLINGS, config, write
from tests.helpers.runs import softcpt_command

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/photo16.md"
SIZES = (15, 11, 10, 6, 9, 8, 7, 10, 13, 11, 7, 10, 5, 12, 10, 8)
CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CLOTHES = [
    "dress",
    "hat",
    "longsleeve",
    "outwear",
    "pants",
    "shirt",
    "shoes",
    "shorts",
    "skirt",
    "t-shirt",
]
FLOWERS = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
OBJECTS = [name for group in facts()["caltech101"] for name in group["classes"]]
FOLDERS = {
    "caltech-101/101_ObjectCategories": [*OBJECTS, "BACKGROUND_Google", "Faces_easy"],
    "RSSCN7": RSSCN7,
    "cifar-10": [f"{part}/{name}" for part in ("train", "test") for name in CIFAR],
    "flower_photos": FLOWERS,
    "PlantSeedlingV1/Nonsegmented": SEEDLINGS,
    "clothing-dataset-small": [
        f"{part}/{name}" for part in ("train", "validation", "test") for name in CLOTHES
    ],
    "dtd/images": [*facts()["textures"], "zigzagged"],
}
run = partial(softcpt_command, "data")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """All data sets of Photo-16, four images in every folder."""
    root = tmp_path_factory.mktemp("photos")
    for place, names in FOLDERS.items():
        write(root, (f"{place}/{name}/{n}.jpg" for name in names for n in range(4)))
    return root


def dataset(root, name="Photo16", **options):
    return DATASET_REGISTRY.get(name)(config(root, 1, **options))


def names(items, root):
    return [str(Path(item.impath).relative_to(root)) for item in items]


def test_there_are_sixteen_tasks_of_152_classes(photos):
    data = dataset(photos)
    assert data.tasks.sizes == SIZES and data.num_classes == 152
    assert len(set(data.tasks.names)) == 16
    assert all("classification" in name for name in data.tasks.names)
    assert len(data.train_x) == 152 and {item.domain for item in data.test} == set(range(16))
    assert not any(
        word in item.impath
        for item in data.train_x + data.test
        for word in ("BACKGROUND", "Faces_easy", "zigzagged")
    )
    named = {item.classname for item in data.test}
    assert named >= {"face", "water lily", "long-sleeved shirt", "rose", "grass", "Fat Hen"}
    kept = dataset(photos, SUBSAMPLE_TASKS="task4,task12").tasks
    assert kept.names == ("vehicle image classification", "flower image classification")


def test_every_class_of_caltech101_is_in_one_group():
    assert len(OBJECTS) == len(set(OBJECTS)) == 100
    shown = [name for group in facts()["caltech101"] for name in group["classes"].values()]
    assert len(set(shown)) == 100 and not any("_" in name for name in shown)


def test_the_split_follows_from_names_alone(photos, tmp_path):
    """Neither the order on the disk, nor a file, nor another split beside it changes it."""
    copy = tmp_path / "copy"
    shutil.copytree(photos / "flower_photos", copy / "flower_photos")
    (copy / "flower_photos/split_drawn_TFFlowers.json").write_text("{}")
    ours, theirs = dataset(photos, "TFFlowers"), dataset(copy, "TFFlowers")
    for part in ("train_x", "val", "test"):
        assert names(getattr(ours, part), photos) == names(getattr(theirs, part), copy)
    assert not {item.impath for item in ours.train_x} & {item.impath for item in ours.test}
    # Written down, from the rule in words: another rule would leave no result comparable.
    assert names(ours.test, photos) == EXPECTED


EXPECTED = [
    "flower_photos/daisy/2.jpg",
    "flower_photos/dandelion/1.jpg",
    "flower_photos/roses/0.jpg",
    "flower_photos/sunflowers/0.jpg",
    "flower_photos/tulips/2.jpg",
]


def test_an_image_that_is_missing_moves_one_other_at_each_border():
    items = [Item(f"rose/{number}.jpg", 0, 0) for number in range(100)]
    whole = NameRule("flowers").divide([("all", items)])
    less = NameRule("flowers").divide([("all", items[1:])])
    assert [len(part) for part in whole] == [50, 20, 30]
    moved = sum(len(set(one) - set(other)) for one, other in zip(less, whole))
    assert moved <= 2
    with pytest.raises(UserError, match=r"flowers: 3 image.* like rose/0.jpg cannot be divided"):
        NameRule("flowers").divide([("all", items[:3])])


def test_the_publishers_parts_of_the_clothes_stay(photos):
    data = dataset(photos, "ClothingSmall")
    for items, part in ((data.train_x, "train"), (data.val, "validation"), (data.test, "test")):
        assert items and all(
            name.startswith(f"clothing-dataset-small/{part}/") for name in names(items, photos)
        )


def test_a_second_run_keeps_the_draw(photos):
    first = dataset(photos, "Photo16Caltech101", SEED=2)
    again = dataset(photos, "Photo16Caltech101", SEED=2)
    assert names(first.train_x, photos) == names(again.train_x, photos)
    assert len(first.train_x) == 100 and len(first.tasks) == 10


def test_other_images_than_the_published_ones_are_a_line(photos, caplog):
    caplog.set_level("INFO")
    DATASET_REGISTRY.get("Photo16RSSCN7")(root=photos, shots=1, verbose=True)
    assert "its images are not those of docs/results/photo16" in caplog.text
    caplog.clear()
    kind = DATASET_REGISTRY.get("Photo16Textures")  # has no published figures yet
    assert kind.__name__ not in facts()["fingerprints"]
    kind(root=photos, shots=1, verbose=True)
    assert "8 classes" in caplog.text
    assert "its images are not those" not in caplog.text


def test_fingerprints_tell_parts_and_names_apart(photos):
    kind = DATASET_REGISTRY.get("TFFlowers")
    data = kind(config(photos, 1))
    split = data.make_split(data.folder)
    marks = {fingerprint(split), fingerprint(data.make_split(data.folder))}
    assert len(marks) == 1
    marks.add(fingerprint(split.renamed(str.upper)))  # a name for the class is no other image
    assert len(marks) == 1
    split.test.pop()
    assert fingerprint(split) not in marks


def without(photos, root, *folders):
    for place in photos.iterdir():
        if place.name not in folders:
            (root / place.name).symlink_to(place)
    return root


def test_data_sets_that_are_not_there_are_named_and_can_be_left_out(photos, tmp_path, caplog):
    root = without(photos, tmp_path, "dtd", "PlantSeedlingV1")
    with pytest.raises(UserError) as error:
        dataset(root)
    assert "2 of 7 data sets have no folder" in str(error.value)
    assert "Photo16Seedlings, Photo16Textures; `python -m softcpt data get Photo16 --root" in str(
        error.value
    )
    caplog.set_level("INFO")
    data = dataset(root, ON_MISSING="skip-tasks")
    assert data.tasks.sizes == (*SIZES[:13], 10)
    assert "2 of 7 data sets are not there and are left out" in caplog.text
    (root / "dtd").mkdir()
    (root / "dtd/.get.lock").touch()  # what a download that failed leaves
    assert dataset(root, ON_MISSING="skip-tasks").tasks.names == data.tasks.names
    named = ("",) * 6 + ("fabric",)
    with_names = dataset(root, ON_MISSING="skip-tasks", TASK_NAMES=named)
    assert with_names.tasks.names == data.tasks.names


def test_one_that_is_not_there_is_named_with_its_folder(photos, tmp_path):
    root = without(photos, tmp_path, "dtd")
    with pytest.raises(UserError, match=r"Photo16Textures: no folder .*skip-tasks leaves it out"):
        dataset(root)
    with pytest.raises(UserError, match="7 of 7 data sets have no folder"):
        dataset(tmp_path / "dtd", ON_MISSING="skip-tasks")


def test_half_a_data_set_is_not_left_out_unasked(photos, tmp_path):
    root = without(photos, tmp_path, "caltech-101")
    place = "caltech-101/101_ObjectCategories"
    write(root, (f"{place}/{name}/{n}.jpg" for name in OBJECTS[:20] for n in range(4)))
    with pytest.raises(UserError, match="20 of 100 classes have images"):
        dataset(root, ON_MISSING="skip-tasks")
    part = dataset(root, "Photo16Caltech101", ON_MISSING="skip-classes")
    assert part.tasks.sizes == (15, 5)


def test_status_counts_images_by_task(photos, capsys):
    assert run("list", "Photo16") == 0
    assert run("status", "Photo16", "--root", photos) == 1, "four images per class are too few"
    text = capsys.readouterr().out
    assert re.search(r"- task 4: vehicle image classification +found +36 +36 +9", text)
    assert re.search(r"Photo16Caltech101 +incomplete +400 +8,242 +100", text)


def test_the_grid_is_of_this_benchmark():
    grid = read_grid(named_file("photo16", "grid file"))
    assert [entry.name for entry in grid.data] == ["photo16"]
    assert {entry.name for entry in grid.methods} == {
        *("ZeroShot", "MeansText", "TextGDA", "TextGDAMT", "CLAP", "TipAdapterF", "CoOp"),
        "SoftCPT-NATS",
    }
    assert (grid.shots, grid.seeds) == ((1, 2, 4), (1, 2, 3))


def test_the_page_says_what_there_is():
    page = PAGE.read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` *\| (\d+) *\| (\d+) .*\| `([\w-]+)` *\|", page, re.M)
    assert [row[0] for row in table] == list(DATASET_REGISTRY.get("Photo16").members)
    for name, tasks, classes, folder in table:
        kind = DATASET_REGISTRY.get(name)
        assert (kind.num_tasks, kind.num_classes) == (int(tasks), int(classes))
        assert kind.dataset_dir == folder
    assert sum(int(row[1]) for row in table) == 16 and sum(int(row[2]) for row in table) == 152


def commands() -> list[str]:
    """What the page tells people to type; the downloads are left out."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if " data get " not in line]


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_page_run(command, photos, tmp_path):
    words = shlex.split(command)[1:]
    if words[0] == "train.py":
        words[0] = str(ROOT / "train.py")
    if "grid" in words:
        words.append("--list")
    (tmp_path / "data").symlink_to(photos)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    # Four images per class are fewer than published: status 1.
    assert done.returncode == int("status" in words), done.stderr
    if "train.py" in words[0]:
        [path] = (tmp_path / "output").rglob("results.json")
        tasks = json.loads(path.read_text())["tasks"]["TextGDA-MT"]
        assert len(tasks) == (11 if "MultiTask" in words else 16)

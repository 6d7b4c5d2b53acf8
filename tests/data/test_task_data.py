"""load_data: every kind of source gives what train.py's data sets give, as tasks with images."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, random_split

import softcpt
from softcpt import plugins
from softcpt.errors import UserError
from softcpt.features.images import read_image
from tests.helpers.layouts import build, built, config

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum  # noqa: E402


def seen(images):
    return [(one.path, one.label, one.task, one.class_name, one.labels) for one in images]


def as_dassl(data):
    return [
        [(item.impath, item.label, item.domain, item.classname, item.labels) for item in part or []]
        for part in (data.train_x, data.val, data.test)
    ]


def same(data, dassl):
    """Whether ``data`` is what Dassl's data set has, images, order and tasks."""
    assert [seen(part) for part in (data.train, data.val, data.test)] == as_dassl(dassl)
    assert list(data.tasks) == list(dassl.tasks)
    return True


def pictures(folder, names=("rose", "tulip"), count=10):
    generator = np.random.default_rng(len(names))
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (9, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def in_memory(count, labels=("rose", "tulip")):
    generator = np.random.default_rng(count)
    return [
        (
            Image.fromarray(generator.integers(0, 256, (5, 4, 3), dtype=np.uint8)),
            labels[number % len(labels)],
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("OxfordPets", "configs/datasets/oxford_pets.yaml"),
        ("RSSCN7", "rsscn7"),
        ("DescribableTextures", "configs/datasets/dtd.yaml"),
        ("Fashion20", "Fashion20"),
    ],
)
def test_a_data_set_by_any_name_is_that_of_train_py(shared, name, word):
    built(name, shared)
    theirs = DATASET_REGISTRY.get(name)(config(shared, 2, 1, DRAW_SPLIT=True))
    data = softcpt.load_data(word, root=shared, shots=2, draw_split=True)
    assert same(data, theirs) and len(data.train) == len(theirs.train_x) > 0
    assert data.test[0].image.mode == "RGB"


def test_a_data_set_for_testing_has_no_training_images(shared):
    built("ImageNetA", shared)
    data = softcpt.load_data(["ImageNetA", "Emoji44"], root=shared, shots=1)
    assert {one.task for one in data.train} == set(range(1, 45))
    assert {one.task for one in data.test} == set(range(45))


def test_data_sets_and_folders_merge_as_those_of_train_py(tmp_path):
    for name in ("RSSCN7", "EuroSAT"):
        build(name, tmp_path)
    flowers = pictures(tmp_path / "my_flowers")
    members = ("RSSCN7", "eurosat", "ImageFolder:my_flowers")
    keys = {"TASKS": members, "DRAW_SPLIT": True, "SUBSAMPLE_TASKS": "task0,task2"}
    theirs = DATASET_REGISTRY.get("MultiTask")(config(tmp_path, 2, 5, **keys))
    sources = ["RSSCN7", "eurosat", flowers]
    asked = {"root": tmp_path, "shots": 2, "seed": 5, "draw_split": True}
    assert same(softcpt.load_data(sources, tasks="task0,task2", **asked), theirs)
    assert same(softcpt.load_data(members, tasks="task0,task2", **asked), theirs)
    called = softcpt.load_data({"blooms": flowers, "scenes": "RSSCN7"}, **asked)
    assert called.tasks.names == ("blooms", "scenes")


def test_merged_sets_are_one_source(tmp_path):
    theirs = DATASET_REGISTRY.get("Emoji44")(config(tmp_path, 1, 2, SUBSAMPLE_CLASSES="base"))
    assert same(softcpt.load_data("emoji44", shots=1, seed=2, classes="base"), theirs)
    both = softcpt.load_data(["Emoji44", pictures(tmp_path / "x")], shots=1, seed=2)
    assert len(both.tasks) == 45 and both.train[-1].label == both.tasks.num_classes - 1


def test_a_table_is_what_the_same_csv_file_is(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "p", ("oak", "elm", "ash"))
    rows = [
        {"path": f"p/{name}/{number}.png", "label": name, "task": task}
        for task in ("trees", "more")
        for number in range(10)
        for name in ("oak", "elm", "ash")
    ]
    with open("mine.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label", "task"])
        writer.writeheader()
        writer.writerows(rows)
    theirs = DATASET_REGISTRY.get("CSV")(config(tmp_path / "mine.csv", 2, 3))
    assert same(softcpt.load_data("mine.csv", shots=2, seed=3), theirs)
    before = sorted(tmp_path.rglob("*.json"))
    frame = pandas.DataFrame(rows)
    assert same(softcpt.load_data(frame, shots=2, seed=3), theirs)
    whole = softcpt.load_data(frame)
    assert [len(part) for part in (whole.train, whole.val, whole.test)] == [30, 12, 18]
    assert sorted(tmp_path.rglob("*.json")) == before, "a table writes nothing"
    frame = pandas.DataFrame(rows[:6]).assign(
        split=["train", "train", "train", "dev"] + ["test"] * 2
    )
    divided = softcpt.load_data(frame)
    assert [len(part) for part in (divided.train, divided.val, divided.test)] == [3, 1, 2]
    with pytest.raises(UserError, match=r"table row 1: label '' cannot be used"):
        softcpt.load_data(pandas.DataFrame({"path": ["a", "b"], "label": ["x", None]}))
    with pytest.raises(UserError, match="no column label"):
        softcpt.load_data(pandas.DataFrame({"path": ["a"]}))


def test_pairs_are_training_images_and_divided_when_one_says_so():
    pairs = in_memory(20)
    data = softcpt.load_data(pairs, shots=3, task_names="flowers")
    assert data.tasks.names == ("flowers",) and data.tasks[0].class_names == ("rose", "tulip")
    assert [one.label for one in data.train] == [0, 0, 0, 1, 1, 1] and len(data.val) == len(
        data.test
    ) == 0
    drawn = softcpt.few_shot_indices({"train": [("", label) for _, label in pairs]}, 3, 1)
    for one, place in zip(data.train, drawn["train"]):
        assert np.array_equal(np.asarray(one.image), np.asarray(pairs[place][0]))
    divided = softcpt.load_data(pairs, draw_split=True)
    assert [len(part) for part in (divided.train, divided.val, divided.test)] == [10, 4, 6]
    parts = softcpt.load_data({"train": pairs[:6], "validation": pairs[6:]}, seed=2)
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [6, 0, 14]


def test_labels_are_names_or_numbers_with_names(tmp_path):
    path = pictures(tmp_path / "x") / "rose/0.png"
    names = ["tulip", "rose", "oak"]
    data = softcpt.load_data([(path, 1), (str(path), np.int64(0))], classes=names)
    assert [one.class_name for one in data.train] == ["rose", "tulip"]
    assert data.tasks[0].class_names == tuple(names) and data.train[0].path == str(path)
    several = softcpt.load_data([(path, ["rose", "oak"]), (path, ["tulip"])], classes=names)
    assert [one.labels for one in several.train] == [(1, 2), (0,)]
    both = {"a": [(path, 0), (path, 1)], "b": [(path, "x"), (path, "y")]}
    assert softcpt.load_data(both, classes={"a": ["q", "p"]}).tasks.class_names == (
        "q",
        "p",
        "x",
        "y",
    )


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((3, 4, 3), 7, np.uint8), (7, 7, 7)),
        (np.full((3, 4), 7, np.uint8), (7, 7, 7)),
        (torch.full((1, 3, 4), 0.2), (51, 51, 51)),
        (torch.tensor([10, 20, 30], dtype=torch.uint8).view(3, 1, 1).expand(3, 3, 4), (10, 20, 30)),
        (Image.new("RGBA", (4, 3), (9, 8, 7, 0)), (255, 255, 255)),
        (Image.new("L", (4, 3), 6), (6, 6, 6)),
    ],
)
def test_an_image_in_memory_is_kept_without_loss(image, expected):
    pair = [(image, "x"), (np.zeros((2, 2, 3), np.uint8), "y")]
    one, again = (softcpt.load_data(pair).train[0] for _ in range(2))
    assert one.path == again.path and one.image.size == (4, 3)
    assert one.image.getpixel((2, 1)) == expected


class Squares(Dataset):
    """Twelve images of three classes; counts how often one is asked for."""

    classes = ("red", "green", "blue")

    def __init__(self, targets=True):
        self.asked = []
        if targets:
            self.targets = [number % 3 for number in range(12)]

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.asked.append(index)
        return Image.new("RGB", (4, 4), (index, 0, 0)), torch.tensor(index % 3)


def test_a_data_set_of_torch_is_read_as_it_stands():
    squares = Squares()
    data = softcpt.load_data(squares, shots=2, seed=4)
    assert data.tasks[0].class_names == Squares.classes and len(data.train) == 6
    assert data.tasks.names == ("squares",)
    assert all(one.image.getpixel((0, 0))[0] % 3 == one.label for one in data.train)
    assert len(squares.asked) == 6, "images that are not used are not decoded"
    same_labels = softcpt.load_data(Squares(targets=False), shots=2, seed=4)
    assert seen(same_labels.train) == seen(data.train)
    first, second = random_split(Squares(), [7, 5], torch.Generator().manual_seed(0))
    parts = softcpt.load_data({"train": first, "test": second})
    assert len({one.path for one in [*parts.train, *parts.test]}) == 12
    assert [one.image.getpixel((0, 0))[0] for one in parts.test] == list(second.indices)
    joined = ConcatDataset([Subset(Squares(), [0, 1]), Squares()])
    assert [one.label for one in softcpt.load_data(joined).train] == [
        0,
        1,
        *(i % 3 for i in range(12)),
    ]


def test_files_of_torchvisions_folders_stay_where_they_are(tmp_path):
    folder = pictures(tmp_path / "flowers")
    plain = torchvision.datasets.ImageFolder(folder)
    data = softcpt.load_data(plain)
    assert [one.path for one in data.train] == [path for path, _ in plain.samples]
    to_tensor = torchvision.transforms.ToTensor()
    changed = torchvision.datasets.ImageFolder(folder, transform=to_tensor)
    kept = softcpt.load_data(changed).train
    assert kept[3].path != data.train[3].path
    assert np.array_equal(np.asarray(kept[3].image), np.asarray(data.train[3].image))
    normalised = torchvision.datasets.ImageFolder(folder, transform=lambda _: torch.randn(3, 4, 4))
    with pytest.raises(UserError, match="floating point is 0 to 1; give images .*not normalised"):
        softcpt.load_data(normalised)


class CoopStyle(DatasetBase):
    """As the files of CoOp's code read the configuration."""

    dataset_dir = "coop_style"

    def __init__(self, cfg):
        folder = Path(cfg.DATASET.ROOT).expanduser().absolute() / self.dataset_dir
        assert (cfg.SEED, cfg.DATASET.SUBSAMPLE_CLASSES, cfg.DATASET.NAME) == (3, "base", "Coop")
        names = ("rose", "tulip")
        train = [
            Datum(str(folder / name / f"{number}.png"), label, 0, name)
            for label, name in enumerate(names)
            for number in range(cfg.DATASET.NUM_SHOTS)
        ]
        super().__init__(train_x=train, test=train)


def test_a_class_of_other_code_is_given_a_configuration(tmp_path, monkeypatch):
    pictures(tmp_path / "coop_style")
    table = getattr(DATASET_REGISTRY, "_things", None) or DATASET_REGISTRY._obj_map
    monkeypatch.setitem(table, "Coop", CoopStyle)
    data = softcpt.load_data("coop", root=tmp_path, shots=2, seed=3, classes="base")
    assert [one.label for one in data.train] == [0, 0, 1, 1]
    assert data.tasks.names == ("CoopStyle",)


class Plain(DatasetBase):
    """As written for CoOp's code: it knows of no tasks."""

    dataset_dir = ""

    def __init__(self, cfg):
        items = [Datum(str(path), label, 0, name) for path, label, name in cfg]
        super().__init__(train_x=items[:2], val=None, test=items[2:])


def test_dassl_data_sets_and_loaded_data_are_sources_too(tmp_path):
    folder = pictures(tmp_path / "x", count=2)
    rows = [
        (folder / name / f"{n}.png", i, name)
        for n in range(2)
        for i, name in enumerate(("rose", "tulip"))
    ]
    plain = Plain(rows)
    data = softcpt.load_data(plain)
    assert data.tasks.names == ("Plain",) and len(data.test) == 2
    both = softcpt.load_data({"first": plain, "second": data})
    assert both.tasks.names == ("first", "second")
    assert [one.label for one in both.train] == [0, 1, 2, 3]
    assert seen(softcpt.TaskData.of(plain).train) == seen(data.train)


def test_images_are_a_sequence(tmp_path):
    data = softcpt.load_data(pictures(tmp_path / "x"), shots=2)
    assert isinstance(data.train[:2], softcpt.Images) and len(data.train[:2]) == 2
    assert data.train[:2] == data.train[:2] and data.train[-1] in data.train
    assert repr(data) == "<1 tasks, 2 classes; images: train 4, val 4, test 6>"
    one = data.train[0]
    assert np.array_equal(np.asarray(one.image), np.asarray(read_image(one.path)))


WRONG = {
    "no data set, folder, archive or CSV file; did you mean 'OxfordPets'?": "OxfordPet",
    "no data set, folder, archive or CSV file; `python -m softcpt data list`": "./nowhere",
    "data of type int: it cannot be read": 5,
    "labels are numbers; give the names of the classes": [("x.png", 1), ("x.png", 0)],
    "label 'rose' is none of classes; add it there": (in_memory(4), {"classes": ["oak", "elm"]}),
    "label 2 of image 2, and there are 2 classes": (
        in_memory(3, (0, 1, 2)),
        {"classes": ["a", "b"]},
    ),
    "1 class; give two or more": in_memory(2, ("rose",)),
    "2 tasks are called 'image classification'; give task_names": [in_memory(2), in_memory(3)],
    "'mine' names a source of 44 tasks": {"mine": "Emoji44"},
    "1 task_names for 2 sources": ([in_memory(2), in_memory(3)], {"task_names": ["a"]}),
    "a dictionary of test; of parts it has 'train'": {"a": {"test": in_memory(3)}},
    "a dictionary of val, dev, train; of parts": {"val": [], "dev": [], "train": in_memory(3)},
    "a dictionary of b inside another; give all tasks in one": {"a": {"b": in_memory(3)}},
    "images of task 'image classification': no training images": {"train": [], "val": in_memory(3)},
    "image of shape (2, 2, 7): not an image": [(np.zeros((2, 2, 7)), "a"), (np.zeros((2, 2)), "b")],
    "/nowhere.png: no such file": [("/nowhere.png", "a"), ("/nowhere.png", "b")],
    "description is of a single source": (["Emoji44", "Emoji44"], {"description": "x"}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_read_is_one_clear_line(message):
    given = WRONG[message]
    source, options = given if isinstance(given, tuple) else (given, {})
    with pytest.raises(UserError) as error:
        softcpt.load_data(source, **options)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_archive_is_a_folder(tmp_path):
    folder = pictures(tmp_path / "my_flowers")
    archive = shutil.make_archive(str(tmp_path / "my_pets"), "zip", folder)
    data = softcpt.load_data([folder, archive], shots=1)
    assert data.tasks.names == ("my flowers", "my pets") and len(data.train) == 4

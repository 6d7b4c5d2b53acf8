"""The twenty tasks of ELEVATER: read from the folders that people have, with its names, metrics,
splits and draws."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from softcpt import plugins
from softcpt.cli import main as cli
from softcpt.data import packed_images
from softcpt.data.catalog import catalogue, entries
from softcpt.data.dataset_names import config_names, registered_name
from softcpt.data.elevater_draw import draw, validation
from softcpt.data.elevater_tasks import ELEVATER_TASKS, class_names, elevater_task
from softcpt.data.inventory import take_inventory
from softcpt.engine.config import default_config
from softcpt.errors import UserError
from tests.helpers import elevater_layouts as small
from tests.helpers.layouts import config

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY  # noqa: E402

# Of every class, in place of 30 to 560.
PER_CLASS = {
    "ElevaterCaltech101": (2, 0, None),
    "ElevaterEuroSAT": (2, 2, 2),
    "ElevaterRESISC45": (2, 1, None),
}


@pytest.fixture(autouse=True)
def few_per_class(monkeypatch):
    for name, counts in PER_CLASS.items():
        monkeypatch.setattr(DATASET_REGISTRY.get(name), "per_class", counts)


@pytest.fixture(scope="session")
def everything(tmp_path_factory):
    """All twenty folders below one root."""
    root = tmp_path_factory.mktemp("elevater")
    for build in small.LAYOUTS.values():
        build(root)
    return root


def dataset(key, root, shots=-1, seed=1, **options):
    kind = DATASET_REGISTRY.get(registered_name(key))
    return kind(config(root, shots, seed, **{"DRAW_SPLIT": kind.rule == "drawn", **options}))


def shade(item) -> int:
    return int(np.asarray(Image.open(item.impath).convert("L"))[0, 0])


def check_images(data) -> None:
    """Every image shows its label; training and validation share no image with the tests."""
    for item in data.train_x + data.val + data.test:
        assert shade(item) == item.label % 250 or len(item.labels) > 1
        assert item.classname == data.tasks[0].class_names[item.label]
    train, val, test = (
        {item.impath for item in part} for part in (data.train_x, data.val, data.test)
    )
    assert train and val and test and not train & val and not (train | val) & test


# -- the table -------------------------------------------------------------------------------------


def test_the_table_adds_up_to_the_published_totals():
    assert len(ELEVATER_TASKS) == 20 and [one.key for one in ELEVATER_TASKS] == sorted(
        one.key for one in ELEVATER_TASKS
    )
    assert sum(one.classes for one in ELEVATER_TASKS) == 1151
    assert (
        sum(one.sizes[0] for one in ELEVATER_TASKS) == 638_429
        and sum(one.sizes[2] for one in ELEVATER_TASKS) == 192_677
    )
    assert sum(not one.coop for one in ELEVATER_TASKS) == 12
    assert Counter(one.metric for one in ELEVATER_TASKS) == {
        "accuracy": 15,
        "mean_per_class": 4,
        "map11": 1,
    }


@pytest.mark.parametrize("key", small.ALL)
def test_each_task_has_a_data_set_with_its_classes_and_facts(key):
    kind, one = DATASET_REGISTRY.get(registered_name(key)), elevater_task(key)
    names = class_names(key)
    assert (
        kind.key == key
        and len(names) == len(set(names.values())) == one.classes == kind.num_classes
    )
    assert (kind.metric, kind.sizes, kind.task_name) == (one.metric, one.sizes, one.task)
    assert "{}" in kind.template and kind.sources and kind.citation and kind.licence
    assert not [source for source in kind.sources if source.file.startswith("split_")]
    assert not [
        base for base in kind.__mro__ if base is not kind and base.__name__ in catalogue()
    ], "no other data set's class, split or draw is inherited"


def test_class_names_are_those_of_clips_list():
    names = {key: list(class_names(key).values()) for key in small.ALL}
    assert names["cifar-10"] == [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    assert names["fer-2013"] == [
        "angry",
        "disgusted",
        "fearful",
        "happy",
        "neutral",
        "sad",
        "surprised",
    ]
    assert (
        names["eurosat_clip"][2] == "brushland or shrubland"
        and names["eurosat_clip"][-1] == "lake or sea"
    )
    assert names["patch-camelyon"] == [
        "lymph node",
        "lymph node containing metastatic tumor tissue",
    ]
    assert names["kitti-distance"][-1] == "a photo i took with no car."
    assert {"F-16A-B", "F-A-18"} < set(names["fgvc-aircraft-2013b-variants102"])
    assert (
        "Ram C V Cargo Van Minivan 2012" in names["stanford-cars"]
        and "off-center face" in names["caltech-101"]
    )
    assert (
        class_names("country211")["CI"] == "Cote d'Ivoire" and class_names("gtsrb")["14"] == "stop"
    )
    assert list(class_names("country211")) == sorted(class_names("country211"))


# -- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", small.ALL)
def test_a_folder_as_published_becomes_the_task(key, everything):
    data, one = dataset(key, everything), elevater_task(key)
    [task] = data.tasks
    assert list(task.class_names) == list(class_names(key).values())
    assert (task.name, task.metric) == (one.task, one.metric)
    check_images(data)
    for part in (data.train_x + data.val, data.test):
        assert {label for item in part for label in item.labels} == set(range(one.classes))


@pytest.mark.parametrize("case", small.OTHERS)
def test_the_same_task_comes_of_other_folders(tmp_path, case):
    key, build = small.OTHERS[case]
    build(tmp_path)
    data, one = dataset(key, tmp_path), elevater_task(key)
    check_images(data)
    assert {label for item in data.test for label in item.labels} == set(range(one.classes))
    assert len(data.train_x) + len(data.val) == small.TRAIN * one.classes
    for _ in range(2):  # a draw that was written down changes nothing
        drawn = dataset(key, tmp_path, shots=1).train_x
        assert {label for item in drawn for label in item.labels} == set(range(one.classes))


def test_kaggles_faces_of_the_public_test_are_no_test_images(tmp_path):
    small.fer2013_folders(tmp_path)
    assert len(dataset("fer-2013", tmp_path).test) == 7
    assert all("PrivateTest" in item.impath for item in dataset("fer-2013", tmp_path).test)


def test_a_folder_that_is_no_class_is_named(tmp_path):
    small.folders("mnist", "mnist/{}/{}/{}.png")(tmp_path)
    (tmp_path / "mnist/train/eleven").mkdir()
    (tmp_path / "mnist/train/eleven/1.png").write_bytes(
        (tmp_path / "mnist/train/1/1.png").read_bytes()
    )
    with pytest.raises(UserError, match="data set MNIST: it has no class 'eleven'"):
        dataset("mnist", tmp_path)


@pytest.mark.parametrize("key", small.ALL)
def test_an_empty_folder_is_one_clear_line(tmp_path, key):
    kind = DATASET_REGISTRY.get(registered_name(key))
    (tmp_path / kind.dataset_dir).mkdir()
    with pytest.raises(UserError, match=rf"data set {kind.name()}: .*data get {kind.name()}"):
        dataset(key, tmp_path)


def test_images_of_voc_have_all_their_classes(everything):
    data = dataset("voc-2007-classification", everything)
    images = {os.path.basename(item.impath): item for item in data.train_x + data.val}
    assert images["000001.jpg"].labels == (1,) and images["000003.jpg"].labels == (3, 14)
    assert images["000005.jpg"].labels == (5,), "what is difficult to see does not count"
    assert images["000007.jpg"].labels == (7,), "but where there is nothing else"
    assert len(images) == 40 and len(data.test) == 20


def test_the_closest_vehicle_decides(everything):
    module = sys.modules[DATASET_REGISTRY.get("KITTIDistance").__module__]
    line = "{} 0.00 0 1.5 1 2 3 4 1.6 1.7 3.5 0.5 1.5 {} 1.6"
    classes = {(7.99,): 0, (8.0,): 1, (19.99, 30.0): 1, (40.0, 20.0): 2, (): 3}
    for metres, label in classes.items():
        lines = [line.format(kind, metre) for kind, metre in zip(("Truck", "Car"), metres)]
        assert (
            module.distance_class([line.format("Pedestrian", 1.0), "DontCare -1 -1", *lines])
            == label
        )
    data = dataset("kitti-distance", everything)
    assert [len(data.train_x) + len(data.val), len(data.test)] == [96, 12]


def test_drives_are_parted_as_the_published_split_parts_them():
    module = sys.modules[DATASET_REGISTRY.get("KITTIDistance").__module__]
    parts = module.parts_of_drives(
        {f"2011_09_26_drive_{number:04}_sync": [number] for number in range(40)}
    )
    generator = np.random.RandomState(123)
    names = sorted(f"2011_09_26_drive_{number:04}_sync" for number in range(40))
    test = set(generator.choice(names, 4, replace=False))
    val = set(generator.choice(sorted(set(names) - test), 4, replace=False))
    assert parts["test"] == sorted(int(name[17:21]) for name in test)
    assert parts["val"] == sorted(int(name[17:21]) for name in val) and len(parts["train"]) == 32


@pytest.mark.parametrize("name", PER_CLASS)
def test_a_split_that_cannot_be_downloaded_is_drawn_only_when_asked_for(tmp_path, name):
    key = DATASET_REGISTRY.get(name).key
    small.LAYOUTS[key](tmp_path)
    with pytest.raises(
        UserError, match=rf"no split file split_elevater_{key}.json .*--draw-split makes one"
    ):
        dataset(key, tmp_path, DRAW_SPLIT=False)
    first = dataset(key, tmp_path)
    again = dataset(key, tmp_path, DRAW_SPLIT=False, seed=3)
    assert [item.impath for item in again.test] == [item.impath for item in first.test]
    assert set(Counter(item.label for item in first.train_x + first.val).values()) == {2}
    [folder] = tmp_path.iterdir()
    drawn = json.loads((folder / f"split_drawn_{name}.json").read_text())
    assert drawn["drawn_by"]["rule"] == "drawn"


def test_too_few_images_for_a_draw_are_named(tmp_path, monkeypatch):
    small.LAYOUTS["eurosat_clip"](tmp_path)
    monkeypatch.setattr(DATASET_REGISTRY.get("ElevaterEuroSAT"), "per_class", (500, 500, 500))
    with pytest.raises(
        UserError, match=r"6 images like AnnualCrop/.*, and 1500 of each class are needed"
    ):
        dataset("eurosat_clip", tmp_path)


# -- packs -----------------------------------------------------------------------------------------


def test_only_the_images_that_a_run_needs_are_unpacked_and_only_once(tmp_path):
    small.mnist(tmp_path)
    dataset("mnist", tmp_path, shots=1)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "MNIST/png").rglob("*.png")}
    assert len(written) == 10 + 10 and all(path.name[0] != "." for path in written)
    dataset("mnist", tmp_path, shots=1)
    assert written == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "MNIST/png").rglob("*.png")
    }
    next(iter(written)).unlink()
    dataset("mnist", tmp_path, shots=1)
    assert set(written) == set((tmp_path / "MNIST/png").rglob("*.png"))


def test_two_runs_may_unpack_at_once(tmp_path):
    small.mnist(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: dataset("mnist", tmp_path), range(4)))
    for data in found:
        check_images(data)
    assert not list((tmp_path / "MNIST").rglob("*.part"))


def test_images_go_to_the_cache_where_the_folder_cannot_be_written(tmp_path, monkeypatch):
    small.mnist(tmp_path)
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "softcpt.data.writable_path._is_writable", lambda folder: folder.name != "MNIST"
    )
    data = dataset("mnist", tmp_path)
    assert not (tmp_path / "MNIST/png").exists() and data.test[0].impath.startswith(
        str(tmp_path / "cache")
    )
    check_images(data)


def test_unpacked_images_are_not_taken_for_class_folders(tmp_path):
    small.mnist(tmp_path)
    dataset("mnist", tmp_path)
    for path in (tmp_path / "MNIST/raw").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="no train and test folders in"):
        dataset("mnist", tmp_path)


def test_a_pickle_that_asks_for_more_than_arrays_is_refused(tmp_path):
    small.cifar10(tmp_path)

    class Harm:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/harm",)

    (tmp_path / "cifar-10-batches-py/data_batch_3").write_bytes(
        pickle.dumps({"labels": Harm()}, protocol=2)
    )
    with pytest.raises(
        UserError, match=r"lists in .* cannot be used \(UnpicklingError: it asks for posix.system"
    ):
        dataset("cifar-10", tmp_path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08", b"\0\0\x08\x01\0\0\0\x20\1\2", b"GIF89a"])
def test_a_damaged_pack_is_one_clear_line(tmp_path, damage):
    small.mnist(tmp_path)
    (tmp_path / "MNIST/raw/train-labels-idx1-ubyte").write_bytes(damage)
    with pytest.raises(
        UserError, match=r"data set MNIST: the lists in .* cannot be used .*data get MNIST"
    ):
        dataset("mnist", tmp_path)


def test_patch_camelyon_is_read_with_h5py(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "pcam").mkdir()
    for part, count in (("train", 3), ("valid", 1), ("test", 2)):
        labels = np.array([0, 1] * count, np.uint8)
        for axis, array in (
            ("x", labels[:, None, None, None].repeat(96, 1).repeat(96, 2).repeat(3, 3)),
            ("y", labels[:, None, None, None]),
        ):
            with h5py.File(
                tmp_path / f"pcam/camelyonpatch_level_2_split_{part}_{axis}.h5", "w"
            ) as file:
                file[axis] = array
    data = dataset("patch-camelyon", tmp_path)
    check_images(data)
    assert [len(data.train_x), len(data.val), len(data.test)] == [4, 2, 4]


def test_without_h5py_the_remedy_is_printed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with (
        pytest.raises(UserError, match="pip install h5py"),
        packed_images.hdf5(tmp_path / "x.h5", "x"),
    ):
        pass


# -- draws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shots, train, val", [(1, 1, 1), (5, 4, 1), (20, 16, 4), (50, 40, 10), (-1, 80, 20)]
)
def test_a_fifth_of_the_shots_is_for_validation(shots, train, val):
    labels = [(number % 3,) for number in range(300)]
    drawn = draw(labels, 3, shots, 1)
    for part, count in (("train", train), ("val", val)):
        assert Counter(labels[number] for number in drawn[part]) == {
            (label,): count for label in range(3)
        }
    assert (drawn["train"] == drawn["val"]) == (shots == 1) and (
        shots == 1 or not set(drawn["train"]) & set(drawn["val"])
    )
    assert (draw(labels, 3, shots, 2) != drawn) == (shots > 0)


# What ELEVATER's toolkit and its package vision-datasets 0.2.17 gave for forty images of several
# classes.
GOLDEN = {
    (1, 0): {"train": [0, 27, 29], "val": [0, 27, 29]},
    (5, 1): {"train": [1, 37, 5, 9, 34, 20, 27], "val": [23, 2, 11, 32]},
    (-1, 0): {"train": list(range(10, 40)), "val": list(range(10))},
}


def test_images_of_several_classes_are_drawn_as_elevaters_toolkit_draws_them():
    labels = [tuple(sorted({number % 4, number * number % 4, number % 3})) for number in range(40)]
    for (shots, seed), wanted in GOLDEN.items():
        assert draw(labels, 4, shots, seed) == wanted


def test_validation_takes_no_more_than_it_must():
    assert validation([(0, 1)] * 5, 2) == {0} and validation([(0,), (1,), (0, 1)], 2) == {0, 1}


def test_the_draw_is_written_down_and_used(everything):
    first = dataset("voc-2007-classification", everything, 2, 5)
    path = everything / "VOCdevkit/split_fewshot_elevater/shot_2-seed_5.json"
    written = json.loads(path.read_text())
    assert [
        item.impath.removeprefix(f"{everything}/VOCdevkit/") for item in first.train_x
    ] == written["train"]
    written["train"] = written["train"][:3]
    path.write_text(json.dumps(written))
    assert len(dataset("voc-2007-classification", everything, 2, 5).train_x) == 3


# -- by name ---------------------------------------------------------------------------------------


def test_all_twenty_are_one_set_of_tasks(everything):
    data = DATASET_REGISTRY.get("Elevater20")(config(everything, 1, DRAW_SPLIT=True))
    assert data.num_classes == 1151 and [task.name for task in data.tasks] == [
        one.task for one in ELEVATER_TASKS
    ]
    assert [task.metric for task in data.tasks] == [one.metric for one in ELEVATER_TASKS]
    assert {item.domain for item in data.train_x} == set(range(20))
    several = [item for item in data.train_x + data.test if len(item.labels) > 1]
    assert several and all(
        data.tasks.to_local(label)[0] == 19 for item in several for label in item.labels
    )
    assert len(DATASET_REGISTRY.get("Elevater12").members) == 12


def test_names_of_elevater_do_wherever_data_sets_are_named(everything, tmp_path):
    tasks = ("cifar-10", "RenderedSST2", f"mnist:{everything}")
    data = DATASET_REGISTRY.get("MultiTask")(config(everything, 1, TASKS=tasks))
    assert list(data.tasks.sizes) == [10, 2, 10]
    found = entries(["cifar-10", "dtd", "ElevaterPets"], str(everything))
    assert [entry.name for entry in found] == ["CIFAR10", "ElevaterDTD", "ElevaterPets"]


def test_variants_of_other_data_sets_are_looked_at_only_by_name(everything):
    named = {entry.name for entry in entries([], str(everything))}
    assert "DescribableTextures" in named and "MNIST" in named and "ElevaterDTD" not in named


def test_the_metric_of_a_data_set_can_be_chosen(everything):
    chosen = {"METRICS": ("hateful-memes=roc_auc", "VOC2007=accuracy")}
    assert dataset("hateful-memes", everything, **chosen).tasks[0].metric == "roc_auc"
    both = DATASET_REGISTRY.get("MultiTask")(
        config(everything, 1, TASKS=("VOC2007", "cifar-10"), **chosen)
    )
    assert [task.metric for task in both.tasks] == ["accuracy", "accuracy"]
    for wrong, message in (
        ("roc_auc", "'roc_auc' names no data set"),
        ("cifar11=accuracy", "names no data set"),
        ("cifar-10=roc_auc", "roc_auc is of 2 classes"),
        ("cifar-10=f1", "unknown metric 'f1'"),
    ):
        with pytest.raises(UserError, match=message):
            dataset("cifar-10", everything, METRICS=(wrong,))


def test_packs_are_counted_checked_and_previewed(tmp_path, capsys):
    small.mnist(tmp_path)
    entry = entries(["mnist"], str(tmp_path))[0]
    assert (
        len(take_inventory(entry, default_config()).images) == 30
        and not (tmp_path / "MNIST/png").exists()
    )

    def run(*words):
        try:
            cli.main(["data", *words, "mnist", "--root", str(tmp_path)])
        except SystemExit as stop:
            return stop.code or 0
        return 0

    assert run("check") == 1, "it is not whole"
    assert "30 images lie in a packed file" in capsys.readouterr().out
    assert run("preview", "-o", str(tmp_path / "sheet.png")) == 0
    assert (tmp_path / "sheet.png").is_file() and len(
        list((tmp_path / "MNIST/png").rglob("*.png"))
    ) == 30
    assert (
        run("check") == 1
        and "30 images checked, 0 of them cannot be read" in capsys.readouterr().out
    )


def test_every_target_has_a_config(everything):
    named = set(config_names().values())
    assert named >= {one.name for one in ELEVATER_TASKS} | {"Elevater20", "Elevater12"}
    assert set(catalogue()) >= {one.name for one in ELEVATER_TASKS}


def test_the_guides_table_is_that_of_the_code():
    guide = (plugins.folder("docs") / "elevater.md").read_text(encoding="utf-8")
    lines = (line.split("|")[1:6] for line in guide.splitlines() if line.startswith("|"))
    rows = [[cell.strip() for cell in line] for line in lines]
    for one in ELEVATER_TASKS:
        sizes = " / ".join(map(str, one.sizes))
        assert [one.key, one.name, str(one.classes), one.metric, sizes] in rows

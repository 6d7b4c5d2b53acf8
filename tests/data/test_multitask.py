"""Data sets merge in order, with their offsets, names and metrics, and can be taken apart again."""

from __future__ import annotations

import os

import pytest

from softcpt import plugins
from softcpt.data.multitask import merge
from softcpt.errors import UserError
from tests.helpers.layouts import build, built, config

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum  # noqa: E402

SIZES = {
    "General10": [100, 47, 10, 100, 101, 102, 37, 196, 397, 101],
    "Plant6": [36, 5, 9, 15, 12, 39],
    "RS8": [30, 10, 45, 38, 45, 7, 21, 12],
}


def dataset(name, *args, **kwargs):
    return DATASET_REGISTRY.get(name)(config(*args, **kwargs))


def build_small(root):
    for name in ("RSSCN7", "EuroSAT", "KaggleFlower"):
        build(name, root)
    return {"DRAW_SPLIT": True, "TASKS": ("RSSCN7", "EuroSAT", "KaggleFlower")}


@pytest.mark.parametrize("name", SIZES)
def test_the_benchmarks_have_the_papers_tasks_and_class_counts(name, shared):
    kind = DATASET_REGISTRY.get(name)
    for member in kind.members:
        built(member, shared)
    data = dataset(name, shared, 1, DRAW_SPLIT=True)
    assert list(data.tasks.sizes) == SIZES[name] and data.num_classes == sum(SIZES[name])
    assert [task.metric for task in data.tasks] == [
        DATASET_REGISTRY.get(member).metric for member in kind.members
    ]
    assert [task.template for task in data.tasks] == [
        DATASET_REGISTRY.get(member).template for member in kind.members
    ]
    assert len(data.train_x) == data.num_classes and {item.domain for item in data.test} == set(
        range(len(data.tasks))
    )
    assert all(
        data.tasks.to_local(item.label)[0] == item.domain for item in data.train_x + data.val
    )
    assert all(data.tasks.class_names[item.label] == item.classname for item in data.test)


def test_class_totals_are_the_papers():
    assert {name: sum(sizes) for name, sizes in SIZES.items()} == {
        "General10": 1191,
        "Plant6": 116,
        "RS8": 208,
    }


def test_a_member_has_the_images_of_its_single_task_run(tmp_path):
    options = build_small(tmp_path)
    merged = dataset("MultiTask", tmp_path, 2, 3, **options)
    alone = [dataset(name, tmp_path, 2, 3) for name in options["TASKS"]]
    assert [item.impath for item in merged.train_x] == [
        item.impath for data in alone for item in data.train_x
    ]
    assert [item.label for item in merged.test] == (
        [item.label for item in alone[0].test]
        + [7 + item.label for item in alone[1].test]
        + [17 + item.label for item in alone[2].test]
    )


@pytest.mark.parametrize(
    "which, kept", [("base", [0, 1]), ("new", [2]), ("task1", [1]), ("all", [0, 1, 2])]
)
def test_tasks_can_be_taken_apart(tmp_path, which, kept):
    options = build_small(tmp_path)
    whole = dataset("MultiTask", tmp_path, **options)
    part = dataset("MultiTask", tmp_path, SUBSAMPLE_TASKS=which, **options)
    assert part.tasks.names == tuple(whole.tasks.names[task] for task in kept)
    assert [item.impath for item in part.test] == [
        item.impath for item in whole.test if item.domain in kept
    ]
    assert {item.domain for item in part.train_x} == set(range(len(kept)))
    assert {item.label for item in part.train_x} == set(range(part.num_classes))


def test_classes_are_halved_in_every_task(tmp_path):
    options = build_small(tmp_path)
    base = dataset("MultiTask", tmp_path, 1, SUBSAMPLE_CLASSES="base", **options)
    new = dataset("MultiTask", tmp_path, 1, SUBSAMPLE_CLASSES="new", **options)
    assert (base.tasks.sizes, new.tasks.sizes) == ((4, 5, 3), (3, 5, 2))
    assert {item.label for item in new.test} == set(range(10))


def test_a_list_of_other_sets_takes_the_place_of_rs8(tmp_path):
    options = build_small(tmp_path)
    assert dataset("RS8", tmp_path, **options).tasks.sizes == (7, 10, 5)


def test_members_may_lie_in_folders_of_their_own(tmp_path):
    build("RSSCN7", tmp_path / "a")
    build("EuroSAT", tmp_path / "b")
    (tmp_path / "b/eurosat/2750").rename(tmp_path / "a/my_land")
    data = dataset(
        "MultiTask",
        tmp_path / "a",
        DRAW_SPLIT=True,
        TASKS=("RSSCN7", "ImageFolder:my_land", "Emoji44"),
    )
    assert (
        data.tasks.names[:2] == ("land cover image classification", "my land")
        and len(data.tasks) == 46
    )


MISTAKES = {
    "no data set 'OxfordPet'; did you mean 'OxfordPets'": {"TASKS": ("OxfordPet",)},
    "DATASET.TASKS: empty": {},
    "put a task_name.txt into each one's folder": {"TASKS": ("RSSCN7",), "TASK_NAME": "x"},
    "task names given twice": {"TASKS": ("RSSCN7", "RSSCN7")},
    "there are 1 tasks; task0 to task0": {"TASKS": ("RSSCN7",), "SUBSAMPLE_TASKS": "task1"},
    "'new' leaves nothing of 1": {"TASKS": ("RSSCN7",), "SUBSAMPLE_TASKS": "new"},
    "give all, base, new, task<i>": {"TASKS": ("RSSCN7",), "SUBSAMPLE_TASKS": "some"},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_wrong_list_is_one_clear_line(tmp_path, message):
    build("RSSCN7", tmp_path)
    with pytest.raises(UserError) as error:
        dataset("MultiTask", tmp_path, DRAW_SPLIT=True, **MISTAKES[message])
    assert message in str(error.value)


def test_data_sets_written_for_coop_are_tasks_too(tmp_path):
    image = tmp_path / "x.png"
    image.write_bytes(b"")

    class Theirs(DatasetBase):
        def __init__(self):
            items = [Datum(str(image), label, 0, name) for label, name in enumerate(("cat", "dog"))]
            super().__init__(train_x=items, test=items)

    tasks, parts = merge([Theirs(), type("More", (Theirs,), {})()])
    assert tasks.names == ("Theirs", "More") and tasks.class_names == ("cat", "dog", "cat", "dog")
    assert [(item.domain, item.label) for item in parts["train"]] == [
        (0, 0),
        (0, 1),
        (1, 2),
        (1, 3),
    ]
    assert parts["val"] == []


def test_fashion_is_twenty_tasks_together_or_one_by_one_with_the_same_images(tmp_path):
    build("Fashion20", tmp_path)
    whole = dataset("Fashion20", tmp_path, 1, DRAW_SPLIT=True)
    assert len(whole.tasks) == 20 and whole.num_classes == 78
    assert {task.metric for task in whole.tasks} == {"mean_per_class"}
    assert whole.tasks[0].template == "a photo of {}, a type of pants." and whole.tasks[
        14
    ].template.endswith("hat.")
    one = dataset("FashionHatStyle", tmp_path, 1)
    assert one.tasks.names == (whole.tasks.names[14],) == ("task 14 kind",)
    assert [item.impath for item in one.train_x] == [
        item.impath for item in whole.train_x if item.domain == 14
    ]
    assert {item.label for item in one.test} <= set(range(4)) and {
        item.domain for item in one.test
    } == {0}
    assert dataset("FashionHatStyle", tmp_path, TASK_NAME="hats").tasks.names == ("hats",)
    assert dataset("Fashion20", tmp_path, SUBSAMPLE_TASKS="task14").tasks.names == one.tasks.names
    assert (
        len(
            [
                path
                for path in (tmp_path / "fashion20").iterdir()
                if path.name.startswith("split_drawn")
            ]
        )
        == 1
    )


def test_fashion_divides_a_task_as_a_whole(tmp_path):
    build("Fashion20", tmp_path)
    data = dataset("Fashion20", tmp_path, DRAW_SPLIT=True)
    counts = [
        [sum(item.domain == task for item in part) for part in (data.train_x, data.val, data.test)]
        for task in (0, 19)
    ]
    assert counts == [[8, 3, 5], [6, 2, 4]]


def test_a_fashion_table_that_does_not_fit_is_named(tmp_path):
    build("Fashion20", tmp_path)
    table = tmp_path / "fashion20/task_info.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UserError, match=r"19/0/.*does not fit .*task_info.csv"):
        dataset("Fashion20", tmp_path, DRAW_SPLIT=True)
    os.remove(table)
    with pytest.raises(UserError, match=r"no file .*task_info.csv"):
        dataset("Fashion20", tmp_path, DRAW_SPLIT=True)

"""Data sets of Hugging Face are data: from memory, and from a local folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import softcpt
from softcpt import plugins
from softcpt.errors import UserError

plugins.load("datasets")  # before Hugging Face's package has the name
pytest.importorskip("pyarrow")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Hugging Face's package, reached through ours, which has its name in a checkout."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    try:
        found = datasets.load_from_disk.__module__
    except AttributeError:
        pytest.skip("no datasets of Hugging Face")
    assert found == "datasets.load"
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache", raising=False)
    return datasets


def coloured(library, count, **columns):
    """Images whose first pixel says which one it is, of classes red and green by turns."""
    features = library.Features(
        {
            "id": library.Value("int64"),
            "picture": library.Image(),
            "colour": library.ClassLabel(names=["red", "green", "blue"]),
        }
    )
    images = [Image.new("RGB", (5, 4), (number, 0, 0)) for number in range(count)]
    rows = {
        "id": list(range(count)),
        "picture": images,
        "colour": [number % 2 for number in range(count)],
    }
    return library.Dataset.from_dict({**rows, **columns}, features=features)


def firsts(images):
    return [one.image.getpixel((0, 0))[0] for one in images]


def test_a_data_set_in_memory_is_drawn_as_pairs_are(library):
    whole = coloured(library, 12)
    data = softcpt.load_data(whole, shots=2, seed=3, task_names="colours")
    assert data.tasks[0].class_names == ("red", "green", "blue")
    assert [one.label for one in data.train] == [0, 0, 1, 1] and len(data.test) == 0
    pairs = [(row["picture"], row["colour"]) for row in whole]
    same = softcpt.load_data(pairs, shots=2, seed=3, classes=["red", "green", "blue"])
    assert firsts(data.train) == firsts(same.train)
    shuffled = whole.shuffle(seed=1).with_format("torch")
    ids = [int(number) for number in shuffled["id"]]
    assert firsts(softcpt.load_data(shuffled).train) == ids


def test_its_parts_are_the_parts(library):
    both = library.DatasetDict({"train": coloured(library, 6), "validation": coloured(library, 4)})
    data = softcpt.load_data({"colours": both})
    assert [len(part) for part in (data.train, data.val, data.test)] == [6, 0, 4]
    assert data.tasks.names == ("colours",)
    with pytest.raises(UserError, match=r"'extra' is no part; give those that you mean"):
        softcpt.load_data(library.DatasetDict({"train": both["train"], "extra": both["train"]}))


def test_files_stay_where_they_are_and_labels_may_be_several(library, tmp_path):
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("RGB", (3, 3), (number, 0, 0)).save(paths[-1])
    many = getattr(library, "List", library.Sequence)
    kinds = many(library.ClassLabel(names=["a", "b"]))
    features = library.Features({"image": library.Image(), "label": kinds})
    rows = {"image": paths, "label": [[0], [1, 0], [1]]}
    data = softcpt.load_data(library.Dataset.from_dict(rows, features=features))
    assert [one.path for one in data.train] == paths
    assert [one.labels for one in data.train] == [(0,), (1, 0), (1,)]


@pytest.mark.parametrize("form", ["saved", "parquet"])
def test_a_local_folder_is_read(library, tmp_path, form):
    parts = {"train": coloured(library, 8), "test": coloured(library, 4)}
    folder = tmp_path / "my_colours"
    if form == "saved":
        library.DatasetDict(parts).save_to_disk(folder)
    else:
        for part, rows in parts.items():
            rows.to_parquet(folder / f"data/{part}-00000-of-00001.parquet")
    data = softcpt.load_data(folder, shots=1)
    assert data.tasks.names == ("my colours",)
    assert (len(data.train), firsts(data.test)) == (2, [0, 1, 2, 3])
    assert softcpt.load_data(str(folder), shots=1).train == data.train


def test_several_columns_are_tasks_on_the_same_images(library):
    features = library.Features(
        {
            "picture": library.Image(),
            "colour": library.ClassLabel(names=["red", "green"]),
            "the_size": library.Value("int64"),
        }
    )
    rows = {
        "picture": [Image.new("RGB", (5, 4), (number, 0, 0)) for number in range(6)],
        "colour": [0, 1, None, -1, 0, 1],
        "the_size": [10, None, 9, 9, 10, 9],
    }
    whole = library.Dataset.from_dict(rows, features=features)
    both = library.DatasetDict(train=whole, test=whole.select([0, 1, 2]))
    columns = ["colour", "the_size"]
    data = softcpt.load_data(both, label_columns=columns, ordinal="the size")
    assert data.tasks.names == ("colour", "the size") and data.tasks[1].values == (10, 9)
    found = {one.image.getpixel((0, 0))[0]: one.labels for one in data.train}
    assert found == {0: (0, 2), 1: (1,), 2: (3,), 3: (3,), 4: (0, 2), 5: (1, 3)}
    assert [one.labels for one in data.test] == [(0, 2), (1,), (3,)]
    one_shot = softcpt.load_data(whole, label_columns=columns, shots=1)
    assert sorted(label for one in one_shot.train for label in one.labels) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="with label_columns its images are not divided"):
        softcpt.load_data(whole, label_columns=columns, draw_split=True)


def test_what_is_no_column_is_one_clear_line(library):
    whole = coloured(library, 4)
    wrong = {
        "no label column among id, picture; give label_column=": whole.remove_columns("colour"),
        "no image column among id, colour; give image_column=": whole.remove_columns("picture"),
        "it is streamed; load it without streaming": whole.to_iterable_dataset(),
    }
    for message, source in wrong.items():
        with pytest.raises(UserError, match=message):
            softcpt.load_data(source)
    with pytest.raises(UserError, match="no column 'kind'; it has id, picture, colour"):
        softcpt.load_data(whole, label_column="kind")


def test_the_two_packages_of_one_name_do_not_hide_each_other(library):
    assert sys.modules["datasets"] is not plugins._package("datasets")
    assert softcpt.load_data("Emoji44", shots=1).train
    from datasets.oxford_pets import OxfordPets

    assert OxfordPets.name() == "OxfordPets" and "oxford_pets" in plugins.load("datasets")


@pytest.mark.slow
def test_our_folder_does_not_take_the_name_from_a_user_of_the_library(library, tmp_path):
    code = (
        "import softcpt; from softcpt import plugins; plugins.load('trainers'); "
        "plugins.load('datasets'); import datasets; print(datasets.Dataset.__module__)"
    )
    # Behind the packages that are installed, as an editable installation is.
    start = f"import sys; sys.path.append({str(ROOT)!r}); {code}"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", start],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().splitlines()[-1] == "datasets.arrow_dataset", done.stderr

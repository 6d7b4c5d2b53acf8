"""A table with a column of labels for each task: what is read, divided and drawn, and what is
refused."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

import softcpt
from softcpt import plugins
from softcpt.data.whole_images import stratified
from softcpt.errors import UserError
from tests.helpers.layouts import config, write

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY  # noqa: E402

HEADER = "image,split,age,mood of a face"
ROWS = [
    "0.png,train,9,glad",
    "1.png,train,10,",
    "2.png,train,,sad",
    "3.png,train,9,glad",
    "4.png,train,10,sad",
    "5.png,test,9,sad",
    "6.png,test,10,",
]


def table(folder, rows=ROWS, header=HEADER):
    names = {row.split(",")[0] for row in rows}
    write(folder, [name for name in sorted(names) if name.endswith(".png")])
    path = folder / "faces.csv"
    path.write_text("\n".join([header, *rows]))
    return path


def read(path, shots=-1, **keys):
    return DATASET_REGISTRY.get("CSV")(config(path, shots, **keys))


def labels_of(items, tasks):
    return {item.impath[-5:]: [tasks.class_names[label] for label in item.labels] for item in items}


def test_a_column_is_a_task_and_an_image_one_record_with_its_labels(tmp_path, capsys):
    data = read(table(tmp_path))
    assert data.tasks.names == ("age", "mood of a face")
    assert data.tasks.class_names == ("10", "9", "glad", "sad")
    assert labels_of(data.train_x, data.tasks) == {
        "0.png": ["9", "glad"],
        "1.png": ["10"],
        "2.png": ["sad"],
        "3.png": ["9", "glad"],
        "4.png": ["10", "sad"],
    }
    assert [item.domain for item in data.train_x] == [0, 0, 1, 0, 0]
    assert labels_of(data.test, data.tasks) == {"5.png": ["9", "sad"], "6.png": ["10"]}
    softcpt.load_data(str(tmp_path / "faces.csv"), verbose=True)
    assert "mood of a face: labelled images train 4, val 0, test 1" in capsys.readouterr().out


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_draw_has_k_labels_of_each_class_and_brings_no_others(tmp_path, seed):
    data = read(table(tmp_path), 1, SEED=seed)
    drawn = Counter(label for item in data.train_x for label in item.labels)
    assert drawn == Counter(range(4))
    assert len({item.impath for item in data.train_x}) == len(data.train_x) <= 4


def test_whole_images_are_divided(tmp_path):
    rows = [
        f"{n}.png,{'abc'[n % 3]},{'xy'[n // 3 % 2] if n % 4 else ''},{n % 5 or ''}"
        for n in range(10, 70)
    ]
    path = table(tmp_path, rows, "path,letter,sign,number")
    data = read(path)
    parts = [{item.impath for item in part} for part in (data.train_x, data.val, data.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60
    for part, share in zip((data.train_x, data.val, data.test), (0.5, 0.2, 0.3)):
        counts = Counter(label for item in part for label in item.labels)
        for label, whole in Counter(
            label
            for items in (data.train_x, data.val, data.test)
            for i in items
            for label in i.labels
        ).items():
            assert abs(counts[label] - share * whole) <= 1.5
    again = read(path)  # from the file
    assert labels_of(again.test, again.tasks) == labels_of(data.test, data.tasks)
    path.write_text(path.read_text().replace("13.png,b,x", "13.png,c,x"))
    with pytest.raises(UserError, match=r"labels changed since this split .* is of 13.png\)"):
        read(path)


def test_division_is_that_of_the_published_algorithm():
    labels = [[(0, 0)]] * 4 + [[(0, 1), (1, 0)]] * 4 + [[(1, 1)]]
    chosen = stratified(labels, random.Random(0))
    assert Counter(chosen[:4]) == Counter(chosen[4:8]) == {0: 2, 1: 1, 2: 1} and chosen[8] == 0


WRONG = {
    "LABEL_COLUMNS names no column of labels 'agee'; did you mean 'age'?": (HEADER, ROWS, ["agee"]),
    "column 'id' has another value for each of 8 images": (
        "path,split,id,mood",
        [f"{n}.png,train,{n},{'ab'[n % 2]}" for n in range(8)],
        [],
    ),
    "column 'size' is empty": (
        "path,split,mood,size",
        ["0.png,train,a,", "1.png,train,b,"],
        [],
    ),
    "faces.csv line 3: 1.png has no label in age, mood of a face": (
        HEADER,
        [ROWS[0], "1.png,train,,"],
        [],
    ),
    "faces.csv lines 2 and 4: 0.png is '9' and '10' of task 'age'": (
        HEADER,
        [*ROWS[:2], "0.png,train,10,glad"],
        [],
    ),
    "faces.csv: no column path": ("file,split,age,mood", ["0.png,train,1,2"], []),
    "one class only ('9') in task 'age'": (HEADER, ["0.png,train,9,a", "1.png,train,9,b"], []),
}


@pytest.mark.parametrize("message", sorted(WRONG))
def test_a_wrong_table_is_one_clear_line(tmp_path, message):
    header, rows, columns = WRONG[message]
    with pytest.raises(UserError) as error:
        read(table(tmp_path, rows, header), LABEL_COLUMNS=columns)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_rows_of_one_image_are_put_together(tmp_path, caplog):
    rows = ["0.png,train,9,", "1.png,train,10,sad", "0.png,train,9,glad", "5.png,test,9,sad"]
    data = read(table(tmp_path, rows))
    assert labels_of(data.train_x, data.tasks)["0.png"] == ["9", "glad"]
    assert "faces.csv: rows given twice count once: lines 2 and 4" in caplog.text


def test_columns_are_chosen(tmp_path):
    data = read(table(tmp_path), LABEL_COLUMNS=["mood of a face"])
    assert data.tasks.names == ("mood of a face",) and len(data.train_x) == 4
    path = table(
        tmp_path, ["0.png,a,1,train", "1.png,b,2,train", "2.png,a,2,test"], "path,label,n,split"
    )
    assert read(path).tasks.sizes == (2,)
    assert read(path, LABEL_COLUMNS=["label", "n"]).tasks.names == ("label", "n")


def test_a_table_of_pandas_is_the_same(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path)
    frame = pandas.read_csv(path)  # with numbers 9.0, as cells are empty
    for own in (frame, frame.convert_dtypes()):
        ours, theirs = (softcpt.load_data(one, shots=1, seed=2) for one in (own, str(path)))
        assert ours.tasks.names == theirs.tasks.names
        assert ours.tasks.class_names == theirs.tasks.class_names
        for part in ("train", "test"):
            assert [one.labels for one in getattr(ours, part)] == [
                one.labels for one in getattr(theirs, part)
            ]
    chosen = softcpt.load_data(frame, label_columns="age", ordinal="age")
    assert chosen.tasks[0].values == (10, 9)
    bare = pandas.concat([frame, frame[["image", "split"]][:1].replace("0.png", "7.png")])
    with pytest.raises(UserError, match=r"^table row 7: 7.png has no label in age, mood"):
        softcpt.load_data(bare)


def test_tasks_and_classes_of_such_images_may_be_left_out(tmp_path):
    path = table(tmp_path)
    data = softcpt.load_data([str(path)], tasks="task1")
    assert [image.labels for image in data.train] == [(0,), (1,), (0,), (1,)]
    half = softcpt.load_data([str(path)], classes="base")
    assert half.tasks.class_names == ("10", "glad")
    assert {image.path[-5:]: image.labels for image in half.train}["4.png"] == (0,)


def test_the_split_of_such_a_table_is_a_row_per_label(tmp_path):
    read(
        table(
            tmp_path,
            [row.replace("train,", "").replace("test,", "") for row in ROWS]
            + [f"{n}.png,{9 + n % 2},{'glad' if n % 3 else 'sad'}" for n in range(10, 20)],
            "image,age,mood",
        )
    )
    split = json.loads((tmp_path / "split_drawn_faces.json").read_text())
    assert split["meta"]["taskid2tname"] == ["age", "mood"]

"""Every data set is read from the folders that people have, and says what is wrong when it
cannot."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from softcpt import plugins
from softcpt.data.base import TaskDataset
from softcpt.data.dataset_names import config_names
from softcpt.errors import UserError
from softcpt.features.images import read_image
from tests.helpers.layouts import ALL, build, built, config, write

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum  # noqa: E402

SINGLE = [name for name in ALL if name != "Fashion20"]


def dataset(name, *args, **kwargs):
    return DATASET_REGISTRY.get(name)(config(*args, **kwargs))


def paths(items):
    return [item.impath for item in items]


def snippet(root):
    """Pieces of the real split of Oxford Pets, as CoOp's users have it: three breeds, the first of
    each part."""
    rows = {
        "train": [
            ("Abyssinian_122.jpg", 0),
            ("Abyssinian_149.jpg", 0),
            ("american_bulldog_150.jpg", 1),
            ("beagle_1.jpg", 4),
        ],
        "val": [("Abyssinian_14.jpg", 0), ("american_bulldog_2.jpg", 1)],
        "test": [
            ("Abyssinian_201.jpg", 0),
            ("Abyssinian_202.jpg", 0),
            ("american_bulldog_202.jpg", 1),
            ("beagle_3.jpg", 4),
        ],
    }
    split = {
        part: [[path, label, path.rpartition("_")[0].lower()] for path, label in items]
        for part, items in rows.items()
    }
    write(root / "oxford_pets/images", (row[0] for part in split.values() for row in part))
    (root / "oxford_pets/split_zhou_OxfordPets.json").write_text(json.dumps(split))
    return split


@pytest.mark.parametrize("name", SINGLE)
def test_a_folder_as_published_becomes_a_task(name, shared):
    kind = DATASET_REGISTRY.get(name)
    folder = kind.find_folder(str(built(name, shared)))
    if kind.rule != "official":  # a split is never drawn unasked
        (folder / kind.drawn_file()).unlink(missing_ok=True)
        with pytest.raises(UserError, match=r"no split file .*--draw-split"):
            dataset(name, shared)
        assert not list(folder.glob("split_*.json"))
    data = dataset(name, shared, DRAW_SPLIT=True)
    [task] = data.tasks
    assert isinstance(data, DatasetBase) and isinstance(data.train_x[0], Datum)
    assert len(task.class_names) == data.num_classes == kind.num_classes
    assert len(set(task.class_names)) == kind.num_classes
    assert (
        task.metric == kind.metric
        and task.template == kind.template
        and "classification" in task.name
    )
    parts = [set(paths(part)) for part in (data.train_x, data.val, data.test)]
    assert all(os.path.isfile(path) for part in parts for path in part)
    assert (
        {item.label for item in data.train_x}
        == {item.label for item in data.test}
        == set(range(kind.num_classes))
    )
    if kind.test_only:
        assert parts[0] == parts[2] and not parts[1]
    else:
        assert not parts[0] & parts[2] and (
            kind.val_is_test or not (parts[0] | parts[2]) & parts[1]
        )
    assert not any(os.path.basename(path).startswith(".") for part in parts for path in part)


def test_the_link_to_a_missing_split_is_in_the_message(tmp_path):
    build("OxfordPets", tmp_path)
    with pytest.raises(
        UserError,
        match=r"split_zhou_OxfordPets.json.*drive.google.com/file/d/1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs",
    ):
        dataset("OxfordPets", tmp_path)


def test_every_image_of_a_folder_is_found_whatever_its_ending_and_mode(tmp_path):
    build("RSSCN7", tmp_path)
    data = dataset("RSSCN7", tmp_path, DRAW_SPLIT=True)
    found = paths(data.train_x + data.val + data.test)
    assert len(found) == len(set(found)) == 7 * 4
    assert any(path.endswith(".JPG") for path in found)
    assert all(read_image(path).mode == "RGB" for path in found)


def test_class_names_are_those_of_the_papers(shared):
    names = {
        name: dataset(name, built(name, shared), DRAW_SPLIT=True).tasks[0].class_names
        for name in (
            "Caltech101",
            "EuroSAT",
            "PlantVillage",
            "RSSCN7",
            "StanfordCars",
            "SUN397",
            "UCF101",
            "OxfordPets",
            "AID",
        )
    }
    assert {"face", "leopard", "motorbike", "airplane"} < set(names["Caltech101"])
    assert not {"Faces_easy", "BACKGROUND_Google"} & set(names["Caltech101"])
    assert names["EuroSAT"][0] == "Annual Crop Land" and names["EuroSAT"][-1] == "Sea or Lake"
    assert {
        "healthy pepper leaf",
        "pepper with bacterial spot",
        "apple leaf with scab disease",
        "background without leaves",
        "tomato leaf with tomato mosaic virus",
        "corn leaf with common rust",
    } < set(names["PlantVillage"])
    assert names["RSSCN7"] == (
        "grass",
        "field",
        "industry",
        "river or lake",
        "forest",
        "residential area",
        "parking lot",
    )
    assert names["StanfordCars"][0] == "2012 Make0 Audi TTS Coupe"
    assert names["SUN397"][:2] == ("abbey", "indoor apse")
    assert names["UCF101"][:2] == ("Apply_Eye_Makeup", "Yo_Yo")
    assert names["OxfordPets"][:2] == ("abyssinian", "american_bulldog")
    assert {"bare land", "baseball field"} < set(names["AID"])


def test_published_split_files_are_read_as_they_are(tmp_path):
    split = snippet(tmp_path)
    data = dataset("OxfordPets", tmp_path)
    assert [item.classname for item in data.test] == [
        "abyssinian",
        "abyssinian",
        "american_bulldog",
        "beagle",
    ]
    assert [os.path.basename(path) for path in paths(data.train_x)] == [
        row[0] for row in split["train"]
    ]
    assert data.tasks[0].class_names == ("abyssinian", "american_bulldog", "beagle")
    assert [item.label for item in data.test] == [0, 0, 1, 2]


def test_splits_of_softcpt_are_read_with_their_names(tmp_path):
    write(tmp_path / "eurosat/2750", ["Forest/Forest_1.jpg", "AnnualCrop/AnnualCrop_1.jpg"])
    split = {
        "train": [["Forest/Forest_1.jpg", [1], [0]]],
        "val": [],
        "test": [["AnnualCrop/AnnualCrop_1.jpg", [0], [0]]],
        "meta": {"taskid2cname": [["AnnualCrop", "Forest"]], "taskid2tname": ["land use"]},
    }
    (tmp_path / "eurosat/split_dk_EuroSAT.json").write_text(json.dumps(split))
    data = dataset("EuroSAT", tmp_path)
    assert (
        data.tasks[0].class_names == ("Annual Crop Land", "Forest")
        and data.tasks[0].name == "land use"
    )
    (tmp_path / "eurosat/task_name.txt").write_text("satellite images\n")
    assert dataset("EuroSAT", tmp_path).tasks[0].name == "satellite images"
    assert dataset("EuroSAT", tmp_path, TASK_NAME="mine", TEMPLATE="{}!").tasks[0].name == "mine"


def test_a_drawn_split_says_so_stays_and_does_not_depend_on_what_else_draws(tmp_path, capsys):
    for place in ("a", "b"):
        build("DescribableTextures", tmp_path / place)
    first = dataset("DescribableTextures", tmp_path / "a", DRAW_SPLIT=True)
    second = dataset("DescribableTextures", tmp_path / "b", DRAW_SPLIT=True, seed=7)
    assert [os.path.relpath(path, tmp_path / "a") for path in paths(first.test)] == [
        os.path.relpath(path, tmp_path / "b") for path in paths(second.test)
    ]
    drawn = json.loads((tmp_path / "a/dtd/split_drawn_DescribableTextures.json").read_text())
    assert drawn["drawn_by"]["seed"] == 1 and drawn["drawn_by"]["rule"] == "ratio"
    assert not any(row[0].startswith("/") for row in drawn["train"])
    assert "split_drawn" in capsys.readouterr().out
    assert paths(dataset("DescribableTextures", tmp_path / "a").train_x) == paths(first.train_x)


def test_a_set_of_kaggle_is_divided_folder_by_folder(shared):
    data = dataset("FruitVegetable", built("FruitVegetable", shared), DRAW_SPLIT=True)
    apart = [
        sum(f"/images/{part}/" in path for path in paths(data.train_x))
        for part in ("train", "test", "validation")
    ]
    assert apart == [2 * 36] * 3


@pytest.mark.parametrize("nested", ["", "dtd/dtd", "dtd/images/images"])
def test_one_folder_more_around_the_images_is_seen_through(tmp_path, nested):
    build("DescribableTextures", tmp_path)
    if nested == "dtd/dtd":
        (tmp_path / "dtd").rename(tmp_path / "inner")
        (tmp_path / "dtd").mkdir()
        (tmp_path / "inner").rename(tmp_path / "dtd/dtd")
    elif nested:
        (tmp_path / "dtd/images").rename(tmp_path / "dtd/inner")
        (tmp_path / "dtd/images").mkdir()
        (tmp_path / "dtd/inner").rename(tmp_path / "dtd/images/images")
    assert len(dataset("DescribableTextures", tmp_path, DRAW_SPLIT=True).test) == 47


@pytest.mark.parametrize(
    "name, image_dir, published",
    [
        ("EuroSAT", "eurosat/2750", "EuroSAT_RGB"),
        ("KaggleVegetable", "kaggle_vegetable/images", "Vegetable Images"),
    ],
)
def test_images_are_found_under_the_name_that_their_archive_gives_them(
    tmp_path, name, image_dir, published
):
    build(name, tmp_path)
    (tmp_path / image_dir).rename((tmp_path / image_dir).with_name(published))
    data = dataset(name, tmp_path, DRAW_SPLIT=True)
    assert data.num_classes == DATASET_REGISTRY.get(name).num_classes
    assert all(f"/{published}/" in path for path in paths(data.train_x + data.test))


def test_a_copy_of_rsscn7_without_letters_before_the_names_has_the_same_classes(tmp_path):
    build("RSSCN7", tmp_path)
    for folder in list((tmp_path / "RSSCN7/RSSCN7-master").iterdir()):
        if folder.name[:1] in "abcdefg" and folder.is_dir():
            folder.rename(folder.with_name(folder.name[1:]))
    data = dataset("RSSCN7", tmp_path, DRAW_SPLIT=True)
    lettered = DATASET_REGISTRY.get("RSSCN7").renamed
    assert set(data.tasks[0].class_names) == {
        name for folder, name in lettered.items() if folder[0].islower()
    }


def test_classes_that_lack_images_are_counted(tmp_path, capsys):
    snippet(tmp_path)
    for name in ("beagle_1.jpg", "beagle_3.jpg", "american_bulldog_202.jpg"):
        (tmp_path / "oxford_pets/images" / name).unlink()
    cfg = config(tmp_path, ON_MISSING="skip")
    cfg.defrost()
    cfg.VERBOSE = True
    data = DATASET_REGISTRY.get("OxfordPets")(cfg)
    printed = capsys.readouterr().out
    assert (
        "1 of 3 classes have no train image" in printed
        and "2 of 3 classes have no test image" in printed
    )
    assert data.num_classes == 3


def test_a_part_of_a_published_set_is_used_when_one_says_so(tmp_path, capsys):
    build("DescribableTextures", tmp_path)
    whole = dataset("DescribableTextures", tmp_path, 1, DRAW_SPLIT=True)
    classes = sorted(path for path in (tmp_path / "dtd/images").iterdir() if path.is_dir())
    for folder in classes[10:]:
        shutil.rmtree(folder)
    with pytest.raises(UserError, match="skip-classes the classes of which none is there"):
        dataset("DescribableTextures", tmp_path, 1)
    part = dataset("DescribableTextures", tmp_path, 1, ON_MISSING="skip-classes")
    assert part.tasks[0].class_names == whole.tasks[0].class_names[:10] and part.num_classes == 10
    assert "10 of 47 classes have images" in capsys.readouterr().out
    drawn = [item.impath for item in whole.train_x if item.label < 10]
    assert [item.impath for item in part.train_x] == drawn, (
        "of its classes the images of the whole set's draw"
    )
    assert {item.label for item in part.test} == set(range(10))
    next(classes[0].iterdir()).unlink()
    with pytest.raises(UserError, match="1 of .* images"):
        dataset("DescribableTextures", tmp_path, ON_MISSING="skip-classes")


def test_a_part_of_a_set_without_a_split_is_divided_but_not_for_good(tmp_path):
    build("DescribableTextures", tmp_path)
    folders = sorted(path for path in (tmp_path / "dtd/images").iterdir() if path.is_dir())
    for folder in folders[10:]:
        shutil.rmtree(folder)
    with pytest.raises(UserError, match="10 of 47 classes .*skip-classes uses these alone"):
        dataset("DescribableTextures", tmp_path, DRAW_SPLIT=True)
    part = dataset("DescribableTextures", tmp_path, 1, DRAW_SPLIT=True, ON_MISSING="skip-classes")
    assert part.num_classes == 10 and len(part.train_x) == 10
    assert not list((tmp_path / "dtd").glob("split_drawn*"))


def test_cars_nested_by_the_archive_are_found_with_the_published_paths(tmp_path):
    write(tmp_path / "stanford_cars/cars_train/cars_train", ["00001.jpg"])
    write(tmp_path / "stanford_cars/cars_test/cars_test", ["00001.jpg"])
    split = {
        "train": [["cars_train/00001.jpg", 0, "2012 Audi TTS Coupe"]],
        "val": [],
        "test": [["cars_test/00001.jpg", 0, "2012 Audi TTS Coupe"]],
    }
    (tmp_path / "stanford_cars/split_zhou_StanfordCars.json").write_text(json.dumps(split))
    assert paths(dataset("StanfordCars", tmp_path).test)[0].endswith(
        "cars_test/cars_test/00001.jpg"
    )


def test_a_folder_is_found_however_its_name_is_spelt(tmp_path):
    build("RESISC45", tmp_path)
    (tmp_path / "NWPU-RESISC45").rename(tmp_path / "resisc_45")
    assert dataset("RESISC45", tmp_path, DRAW_SPLIT=True).num_classes == 45


def test_missing_folder_split_and_images_are_each_one_clear_line(tmp_path):
    with pytest.raises(
        UserError, match=rf"no folder {tmp_path}/oxford_pets; .*data get OxfordPets"
    ):
        dataset("OxfordPets", tmp_path)
    with pytest.raises(UserError, match="no --root"):
        dataset("OxfordPets", "")
    snippet(tmp_path)
    (tmp_path / "oxford_pets/images/beagle_3.jpg").unlink()
    with pytest.raises(
        UserError,
        match=r"1 of 10 images of split_zhou_OxfordPets.json are not in .*beagle_3.jpg"
        r".*ON_MISSING skip",
    ):
        dataset("OxfordPets", tmp_path)
    assert len(dataset("OxfordPets", tmp_path, ON_MISSING="skip").test) == 3
    (tmp_path / "oxford_pets/images").rename(tmp_path / "oxford_pets/pictures")
    with pytest.raises(
        UserError, match=r"10 of 10 images .*oxford_pets/images \(there is no such folder\)"
    ):
        dataset("OxfordPets", tmp_path)
    (tmp_path / "oxford_pets/split_zhou_OxfordPets.json").write_text('{"train": [["a.jpg", 0')
    with pytest.raises(UserError, match=r"split file .*line 1: not valid JSON.*fetch it again"):
        dataset("OxfordPets", tmp_path)


def test_a_split_that_leads_out_of_the_data_set_is_refused(tmp_path):
    snippet(tmp_path)
    path = tmp_path / "oxford_pets/split_zhou_OxfordPets.json"
    for image in ("../../etc/passwd", "/etc/passwd"):
        path.write_text(json.dumps({"train": [[image, 0, "x"]], "val": [], "test": []}))
        with pytest.raises(UserError, match="leads out of the data set"):
            dataset("OxfordPets", tmp_path)


def test_half_a_folder_is_not_drawn_from(tmp_path):
    build("EuroSAT", tmp_path)
    for image in (tmp_path / "eurosat/2750/River").iterdir():
        image.unlink()
    with pytest.raises(UserError, match="9 of 10 classes"):
        dataset("EuroSAT", tmp_path, DRAW_SPLIT=True)


@pytest.mark.parametrize(
    "name", ["OxfordPets", "StanfordCars", "OxfordFlowers", "UCF101", "SUN397", "FGVCAircraft"]
)
def test_damaged_lists_are_one_clear_line(tmp_path, name):
    build(name, tmp_path)
    lists = [path for end in ("*.txt", "*.mat", "cat_to_name.json") for path in tmp_path.rglob(end)]
    for path in lists:
        path.write_bytes(b"\xff\xfe cut")
    with pytest.raises(
        UserError, match=rf"data set {name}: the lists in .* cannot be used .*data get {name}"
    ):
        dataset(name, tmp_path, DRAW_SPLIT=True)
    for path in lists:
        path.unlink()
    with pytest.raises(UserError, match=rf"data set {name}: no file .*data get {name}"):
        dataset(name, tmp_path, DRAW_SPLIT=True)


@pytest.mark.parametrize(
    "name, file", [("StanfordCars", "devkit/cars_meta.mat"), ("OxfordFlowers", "imagelabels.mat")]
)
def test_a_matlab_file_that_is_cut_short_is_one_clear_line(tmp_path, name, file):
    build(name, tmp_path)
    path = DATASET_REGISTRY.get(name).find_folder(str(tmp_path)) / file
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(
        UserError, match=rf"data set {name}: the lists in .* cannot be used .*data get {name}"
    ):
        dataset(name, tmp_path, DRAW_SPLIT=True)


def test_variants_of_imagenet_use_the_class_names_beside_them(tmp_path):
    build("ImageNetA", tmp_path)
    names = tmp_path / "imagenet-adversarial/classnames.txt"
    (tmp_path / "imagenet").mkdir()
    names.rename(tmp_path / "imagenet/classnames.txt")
    assert dataset("ImageNetA", tmp_path).num_classes == 200
    (tmp_path / "imagenet/classnames.txt").unlink()
    with pytest.raises(UserError, match=r"no classnames.txt"):
        dataset("ImageNetA", tmp_path)


def test_a_hundred_thousand_images_are_listed_without_a_look_at_each(shared, monkeypatch):
    dataset("AID", built("AID", shared), DRAW_SPLIT=True)
    asked = []
    monkeypatch.setattr(os.path, "isfile", lambda path: asked.append(path) or True)
    data = dataset("AID", shared)
    images = set(paths(data.train_x + data.val + data.test))
    assert len(images) == 120 and not images & set(map(str, asked))


def test_base_and_new_classes_share_no_class_and_are_numbered_from_zero(tmp_path):
    build("RSSCN7", tmp_path)
    whole = dataset("RSSCN7", tmp_path, DRAW_SPLIT=True)
    base = dataset("RSSCN7", tmp_path, SUBSAMPLE_CLASSES="base")
    new = dataset("RSSCN7", tmp_path, SUBSAMPLE_CLASSES="new")
    assert base.tasks[0].class_names + new.tasks[0].class_names == whole.tasks[0].class_names
    assert (base.num_classes, new.num_classes) == (4, 3)
    assert {item.label for item in new.test} == {0, 1, 2} and new.classnames == list(
        new.tasks.class_names
    )
    assert sorted(paths(base.test + new.test)) == sorted(paths(whole.test))
    with pytest.raises(UserError, match="give all, base, new"):
        dataset("RSSCN7", tmp_path, SUBSAMPLE_CLASSES="old")


def test_every_data_set_states_its_facts():
    for name in DATASET_REGISTRY.registered_names():
        kind = DATASET_REGISTRY.get(name)
        assert kind.__doc__
        if issubclass(kind, TaskDataset) and name not in ("ImageFolder", "CSV"):
            assert (
                kind.dataset_dir
                and kind.sources
                and kind.citation
                and kind.licence
                and kind.homepage.startswith("http")
            )
            assert kind.rule in ("ratio", "trainval", "official", "drawn")
            assert (kind.rule == "official") == (not kind.split_files)
            assert not (name.startswith("Fashion") and kind.metric != "mean_per_class")


def test_every_data_set_has_a_config_of_its_name():
    multi = {"Emoji44", "General10", "Plant6", "RS8", "Fashion20", "MultiTask"}
    assert {*SINGLE, *multi} <= set(config_names().values())

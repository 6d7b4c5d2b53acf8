"""The embedded benchmark: what the archive holds, and what the data set makes of it."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from softcpt import dassl, plugins
from softcpt.engine import config
from softcpt.errors import UserError

dassl.activate()
emoji44 = plugins.load("datasets")["emoji44"]

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SHIPPED = emoji44.ARCHIVE.parent


@pytest.fixture(scope="module")
def index() -> dict:
    with zipfile.ZipFile(emoji44.ARCHIVE) as archive:
        return json.loads(archive.read("emoji44.json"))


def designs(index: dict, split: str) -> set[str]:
    return {path.split("/")[0] for path, _, _ in index["images"][split]}


def load(shots: int, seed: int = 1) -> emoji44.Emoji44:
    cfg = config.default_config()
    cfg.DATASET.NUM_SHOTS, cfg.SEED = shots, seed
    return emoji44.Emoji44(cfg)


def test_there_are_44_tasks_and_687_classes(index):
    assert len(index["tasks"]) == 44
    assert sum(len(task["classes"]) for task in index["tasks"]) == 687
    assert min(len(task["classes"]) for task in index["tasks"]) >= 8


def test_task_names_are_unique_and_so_are_class_names_within_a_task(index):
    assert len({task["name"] for task in index["tasks"]}) == 44
    for task in index["tasks"]:
        assert len(set(task["classes"])) == len(task["classes"]), task["name"]


def test_names_are_plain_lower_case_words(index):
    for name in [name for task in index["tasks"] for name in (task["name"], *task["classes"])]:
        assert (
            name == name.lower() == name.strip() and name.isascii() and not set(name) & set(':_"')
        ), name


def test_labels_count_through_the_tasks_and_carry_their_class_names(index):
    names = [name for task in index["tasks"] for name in task["classes"]]
    for split, images in index["images"].items():
        assert all(names[label] == name for _, label, name in images), split


def test_every_class_has_four_training_images_one_for_validation_and_two_for_testing(index):
    for split, count in (("train", 4), ("val", 1), ("test", 2)):
        assert Counter(label for _, label, _ in index["images"][split]) == dict.fromkeys(
            range(687), count
        )


def test_no_design_and_no_line_drawing_of_it_is_in_two_splits(index):
    train, val, test = (designs(index, split) for split in ("train", "val", "test"))
    assert not train & val and not train & test and not val & test
    same_drawings = ({"noto", "noto-mono-font"}, {"emojione", "emojione-monotone"})
    assert all(
        sum(bool(pair & split) for split in (train, val, test)) == 1 for pair in same_drawings
    )


def test_no_fluent_design_is_in_the_archive(index):
    with zipfile.ZipFile(emoji44.ARCHIVE) as archive:
        assert not [name for name in archive.namelist() if "fluent" in name]


def test_the_archive_holds_the_images_of_the_index_once_each(index):
    paths = [path for images in index["images"].values() for path, _, _ in images]
    with zipfile.ZipFile(emoji44.ARCHIVE) as archive:
        assert sorted(paths) == sorted(name for name in archive.namelist() if name.endswith(".png"))


def test_every_image_is_48_pixels_wide_and_high_in_colour_and_not_blank(index):
    with zipfile.ZipFile(emoji44.ARCHIVE) as archive:
        for name in archive.namelist():
            if name.endswith(".png"):
                image = Image.open(io.BytesIO(archive.read(name)))
                image.load()
                assert (image.size, image.mode) == ((48, 48), "RGB"), name
                # A design's picture of a white circle is faint, but there.
                assert min(low for low, _ in image.getextrema()) < 240, name


def test_no_picture_of_another_split_is_among_the_test_pictures_pixel_for_pixel(index):
    with zipfile.ZipFile(emoji44.ARCHIVE) as archive:
        seen = {
            archive.read(path)
            for split in ("train", "val")
            for path, _, _ in index["images"][split]
        }
        assert not [path for path, _, _ in index["images"]["test"] if archive.read(path) in seen]


def test_the_archive_is_at_most_25_megabytes():
    assert emoji44.ARCHIVE.stat().st_size <= 25e6


def test_the_attribution_names_author_package_and_licence_of_every_design(index):
    attribution = (SHIPPED / "ATTRIBUTION.md").read_text(encoding="utf-8")
    sets = json.loads((TOOLS / "emoji.json").read_text(encoding="utf-8"))["sets"]
    for design in set.union(*(designs(index, split) for split in index["images"])):
        line = next(line for line in attribution.splitlines() if line.startswith(f"| `{design}` |"))
        package, licence = (
            f"{sets[design]['npm']} {sets[design]['version']}",
            sets[design]["licence"].split(" (")[0],
        )
        assert package in line and licence in line and "https://" in line, design
        assert any(
            text.name.startswith(licence.replace("CC BY ", "CC-BY-"))
            for text in SHIPPED.glob("LICENSES/*")
        )


def test_the_archive_carries_the_same_attribution():
    with zipfile.ZipFile(emoji44.ARCHIVE) as archive:
        assert archive.read("ATTRIBUTION.md") == (SHIPPED / "ATTRIBUTION.md").read_bytes()


@pytest.mark.parametrize("shots", [1, 2, 4])
def test_a_few_shot_draw_has_that_many_training_images_of_every_class(shots):
    data = load(shots)
    assert Counter(item.label for item in data.train_x) == dict.fromkeys(range(687), shots)
    assert (len(data.val), len(data.test)) == (687, 1374)


def test_a_draw_follows_from_the_seed_and_leaves_the_global_generator_alone():
    random.seed(5)
    before = random.getstate()
    draws = [[item.impath for item in load(1, seed).train_x] for seed in (1, 1, 2)]
    assert random.getstate() == before
    assert draws[0] == draws[1] != draws[2]


def test_the_domain_is_the_task_and_the_label_the_global_class():
    data = load(1)
    assert data.num_classes == data.tasks.num_classes == 687
    assert tuple(data.classnames) == data.tasks.class_names
    for item in data.train_x + data.val + data.test:
        task, local = data.tasks.to_local(item.label)
        assert item.domain == task and item.classname == data.tasks[task].class_names[local]


def test_several_processes_may_unpack_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(emoji44.unpacked, [emoji44.ARCHIVE] * 4))
    assert [folder.name for folder in folders] == [entry.name for entry in tmp_path.iterdir()]


def test_a_damaged_cache_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path))
    folder = emoji44.unpacked(emoji44.ARCHIVE)
    (folder / "twemoji/1f600.png").unlink()
    with pytest.raises(UserError, match="delete the folder"):
        emoji44.unpacked(emoji44.ARCHIVE)


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="SOFTCPT_CACHE"):
        emoji44.unpacked(emoji44.ARCHIVE)

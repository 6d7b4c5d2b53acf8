"""``python -m softcpt data``: what it says of data sets on disk, and the status it ends with."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from softcpt.data import decode_check, inventory
from softcpt.data.catalog import catalogue
from softcpt.data.source import Source
from softcpt.engine.config import default_config
from tests.helpers.layouts import ALL, PER_CLASS, build
from tests.helpers.runs import softcpt_command
from tests.helpers.web import serving

KINDS = catalogue()


run = partial(softcpt_command, "data")


def picture(colour: str, size: tuple[int, int] = (12, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG")
    return buffer.getvalue()


TEXTURES = {
    f"images/{name}/{name}_{i}.jpg": picture("red")
    for name in ("banded", "dotted")
    for i in range(5)
}
ROWS = [
    [path.removeprefix("images/"), int("dotted" in path), path.split("/")[1]] for path in TEXTURES
]
SPLIT = {"train": ROWS[::2], "val": [], "test": ROWS[1::2]}


def textures(root: Path, split: bool = True) -> Path:
    """Describable Textures of two classes, ten images, in the published layout."""
    for path, data in TEXTURES.items():
        (root / "dtd" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "dtd" / path).write_bytes(data)
    if split:
        (root / "dtd/split_zhou_DescribableTextures.json").write_text(json.dumps(SPLIT))
    return root / "dtd"


def row(text: str, name: str) -> list[str]:
    """The cells of the table's row that begins with ``name``."""
    line = next(line for line in text.splitlines() if line.startswith(name))
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def listing(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_list_names_every_data_set_with_what_is_known_of_it(capsys):
    assert run("list") == 0
    text = capsys.readouterr().out
    assert row(text, "OxfordPets")[1:] == [
        "1",
        "37",
        "7,349",
        "CC BY-SA 4.0",
        "robots.ox.ac.uk, Google Drive, huggingface.co",
    ]
    assert row(text, "Emoji44")[1:4] == ["44", "687", "4,809"]
    assert row(text, "General10")[1:3] == ["10", "1,191"]
    for name, kind in KINDS.items():
        if name not in ("ImageFolder", "CSV", "MultiTask"):
            assert len(row(text, name)) >= 5, name
            assert getattr(kind, "licence", "-")[:20] in text


def test_status_of_a_whole_data_set(tmp_path, capsys):
    textures(tmp_path)
    before = listing(tmp_path)
    assert run("status", "DescribableTextures", "--root", tmp_path) == 0
    text = capsys.readouterr().out
    assert row(text, "Descr")[1:] == [
        "found",
        "10",
        "10",
        "2",
        "split_zhou_DescribableTextures.json",
    ]
    assert "1 found, 0 incomplete, 0 missing" in text
    assert listing(tmp_path) == before, "status writes nothing"


def test_status_names_the_first_image_that_is_missing(tmp_path, capsys):
    (textures(tmp_path) / "images/dotted/dotted_3.jpg").unlink()
    assert run("status", "describabletextures", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert row(text, "Descr")[1:4] == ["incomplete", "9", "10"]
    assert (
        "1 of 10 images are not in" in text
        and "the first is dotted/dotted_3.jpg" in text
        and "data get" in text
    )


def test_status_of_a_data_set_without_its_published_split(tmp_path, capsys):
    textures(tmp_path, split=False)
    assert run("status", "DescribableTextures", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert row(text, "Descr")[1:3] == ["incomplete", "10"]
    assert "no split file split_zhou_DescribableTextures.json" in text and "--draw-split" in text


def test_status_of_a_damaged_split_says_so(tmp_path, capsys):
    (textures(tmp_path) / "split_zhou_DescribableTextures.json").write_text('{"train": [')
    assert run("status", "DescribableTextures", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert row(text, "Descr") == [
        "DescribableTextures",
        "incomplete",
        "10",
        "5,640",
        "-",
        "unreadable",
    ]
    assert "not valid JSON" in text


def test_status_of_a_data_set_whose_split_nobody_published(tmp_path, capsys):
    build("RSSCN7", tmp_path)
    before = listing(tmp_path)
    assert run("status", "RSSCN7", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert row(text, "RSSCN7") == [
        "RSSCN7",
        "incomplete",
        f"{7 * PER_CLASS}",
        "2,800",
        "7",
        "none yet: --draw-split",
    ]
    assert listing(tmp_path) == before


def test_a_split_that_nobody_published_may_lack_a_few_images(tmp_path, capsys, monkeypatch):
    build("RSSCN7", tmp_path)
    monkeypatch.setattr(KINDS["RSSCN7"], "sizes", None)
    monkeypatch.setattr(KINDS["RSSCN7"], "images", 7 * PER_CLASS + 1)
    assert run("status", "RSSCN7", "--root", tmp_path) == 0
    monkeypatch.setattr(KINDS["RSSCN7"], "images", 7 * PER_CLASS + 4)
    assert run("status", "RSSCN7", "--root", tmp_path) == 1
    assert f"4 of {7 * PER_CLASS + 4} images are not in" in capsys.readouterr().out


def test_status_without_names_fails_only_for_what_is_there_in_part(tmp_path, capsys):
    assert run("status", "--root", tmp_path) == 0
    assert re.search(r"[1-9]\d* found, 0 incomplete", capsys.readouterr().out), "the embedded one"
    (textures(tmp_path) / "images/dotted/dotted_3.jpg").unlink()
    assert run("status", "--root", tmp_path) == 1
    assert "1 incomplete" in capsys.readouterr().out


def test_a_missing_data_set_is_missing_only_where_it_is_asked_for(tmp_path, capsys):
    assert run("status", "OxfordPets", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert row(text, "OxfordPets")[1:4] == ["missing", "0", "7,349"]
    assert f"no folder {tmp_path / 'oxford_pets'}" in text and "data get OxfordPets" in text


def test_a_merged_data_set_stands_for_its_members(tmp_path, capsys):
    assert run("status", "Plant6", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert "6 missing" in text and row(text, "KaggleFlower") and "Plant6" not in text


def test_a_data_set_of_several_tasks_is_listed_task_by_task_when_it_is_named(
    tmp_path, capsys, monkeypatch
):
    build("Fashion20", tmp_path)
    monkeypatch.setattr(KINDS["Fashion20"], "images", 0)
    assert run("status", "Fashion20", "FashionPantsLength", "--root", tmp_path) == 0
    text = capsys.readouterr().out
    assert row(text, "Fashion20")[1:5] == ["found", f"{78 * PER_CLASS}", "-", "78"]
    assert row(text, "- task 19: ")[1:5] == ["found", f"{3 * PER_CLASS}", f"{3 * PER_CLASS}", "3"]
    assert row(text, "FashionPantsLength")[1:5] == ["found", f"{4 * PER_CLASS}", "-", "4"]


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith("ImageNet")])
def test_half_a_data_set_never_makes_status_fall_over(name, tmp_path, capsys):
    build(name, tmp_path)
    for number, path in enumerate(sorted(path for path in tmp_path.rglob("*") if path.is_file())):
        if number % 3 == 0:
            path.unlink()
        elif path.suffix in (".txt", ".mat", ".json", ".csv"):
            path.write_bytes(path.read_bytes()[:40])
    assert run("status", name, "--root", tmp_path) == 1
    captured = capsys.readouterr()
    assert row(captured.out, name)[1] in ("incomplete", "missing") and not captured.err


def test_your_own_folder_and_table_are_looked_at_without_a_split_being_written(tmp_path, capsys):
    for name in ("red", "blue"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "1.jpg").write_bytes(picture(name))
    (tmp_path / "mine.csv").write_text("path,label\nmine/red/1.jpg,red\nmine/blue/1.jpg,blue\n")
    before = listing(tmp_path)
    assert run("status", "ImageFolder:mine", "CSV:mine.csv", "--root", tmp_path) == 0
    text = capsys.readouterr().out
    assert (
        row(text, "ImageFolder:mine")[1:5]
        == row(text, "CSV:mine.csv")[1:5]
        == ["found", "2", "2", "2"]
    )
    assert run("status", "ImageFolder", "--root", tmp_path / "mine") == 0
    assert listing(tmp_path) == before


def test_the_embedded_data_set_needs_no_root(capsys):
    assert run("status", "Emoji44") == 0
    assert run("get", "Emoji44") == 0
    text = capsys.readouterr().out
    assert row(text, "Emoji44")[1:5] == ["found", "4,809", "4,809", "687"]
    assert "comes with softcpt" in text


@pytest.mark.parametrize(
    "words, reason",
    [
        (["status"], "--root: not given"),
        (["status", "--root", "/nowhere/at/all"], "no such folder"),
        (["status", "OxfordPet", "--root", "."], "did you mean 'OxfordPets'?"),
        (["check", "Zebra", "--root", "."], "data list"),
        (["get", "MultiTask", "--root", "."], "name the data sets"),
        (["get", "ImageFolder", "--root", "."], "nobody but you knows"),
        (["check", "OxfordPets", "--root", "/"], "no folder /oxford_pets"),
        (["preview", "Emoji44", "Food101", "--root", ".", "-o", "x.png"], "preview one at a time"),
    ],
)
def test_mistakes_are_told_in_one_line(words, reason, capsys):
    assert run(*words) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and reason in line


@pytest.mark.parametrize("workers", [0, 2])
def test_check_decodes_every_image_and_names_the_bad_ones(tmp_path, capsys, monkeypatch, workers):
    monkeypatch.setattr(decode_check, "_CHUNK", 4)
    folder = textures(tmp_path)
    assert run("check", "DescribableTextures", "--root", tmp_path, "--workers", workers) == 0
    assert "10 images checked, 0 of them cannot be read" in capsys.readouterr().out
    (folder / "images/banded/banded_2.jpg").write_bytes(picture("red", (200, 200))[:500])
    (folder / "images/dotted/dotted_0.jpg").write_bytes(b"<html>")
    assert run("check", "DescribableTextures", "--root", tmp_path, "--workers", workers) == 1
    first, second, last = capsys.readouterr().out.splitlines()
    assert (
        "banded_2.jpg" in first and "dotted_0.jpg" in second and "2 of them cannot be read" in last
    )


def test_status_notices_more_images_than_there_should_be(tmp_path, capsys):
    folder = textures(tmp_path)
    assert run("status", "DescribableTextures", "--root", tmp_path) == 0
    assert "more than" not in capsys.readouterr().out
    (folder / "images/banded/banded_0 (copy).jpg").write_bytes(picture("red", (60, 40)))
    assert run("status", "DescribableTextures", "--root", tmp_path) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "1 images more than its split has" in last and "banded_0 (copy).jpg" in last


def test_status_notices_pointers_in_place_of_images(tmp_path, capsys):
    folder = textures(tmp_path)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (folder / "images/banded/banded_1.jpg").write_bytes(pointer)
    assert run("status", "DescribableTextures", "--root", tmp_path) == 1
    out = capsys.readouterr().out
    assert row(out, "DescribableTextures")[1] == "incomplete"
    assert "1 of 10 files looked at are Git LFS pointers" in out and "git lfs pull" in out


def test_check_fails_when_images_are_missing(tmp_path, capsys):
    (textures(tmp_path) / "images/dotted/dotted_3.jpg").unlink()
    assert run("check", "DescribableTextures", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert "9 images checked, 0 of them" in text and "the first is dotted/dotted_3.jpg" in text


def test_check_without_a_split_decodes_what_is_there(tmp_path, capsys):
    (textures(tmp_path) / "split_zhou_DescribableTextures.json").write_text("")
    assert run("check", "DescribableTextures", "--root", tmp_path) == 1
    assert "10 images checked" in capsys.readouterr().out


def test_preview_draws_a_row_per_class(tmp_path, capsys):
    folder = textures(tmp_path)
    for number in range(5):
        (folder / f"images/dotted/dotted_{number}.jpg").write_bytes(picture("blue", (60, 40)))
    output = tmp_path / "out/sheet.png"
    words = [
        "preview",
        "DescribableTextures",
        "--root",
        tmp_path,
        "-o",
        output,
        "--images",
        3,
        "--size",
        30,
    ]
    assert run(*words) == 0
    *listed, path = capsys.readouterr().out.splitlines()
    assert path == str(output) and listed[1:] == [
        "    1 banded: 'banded texture.'",
        "    2 dotted: 'dotted texture.'",
    ]
    with Image.open(output) as sheet:
        pixels = sheet.convert("RGB")
    colours = [pixels.getpixel((x, y)) for y in range(pixels.height) for x in range(pixels.width)]
    red, blue = (
        sum(colour[channel] > 200 and sum(colour) < 300 for colour in colours) for channel in (0, 2)
    )
    assert red == blue == 3 * 30 * 20, (
        "three pictures each, 30 pixels wide, in their own proportions"
    )
    (folder / "images/dotted/dotted_0.jpg").write_bytes(b"")
    assert run(*words) == 0, "an image that cannot be read is a crossed box"


def test_preview_writes_a_sheet_for_each_task_and_places_classes_beside_each_other(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("softcpt.data.preview.ROWS", 3)
    build("Fashion20", tmp_path)
    assert (
        run(
            "preview",
            "Fashion20",
            "--root",
            tmp_path,
            "-o",
            tmp_path / "f.png",
            "--images",
            1,
            "--size",
            8,
        )
        == 0
    )
    paths = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")]
    assert len(paths) == 20 and paths[0] == str(tmp_path / "f-00-task_0_kind.png")
    with Image.open(paths[0]) as four, Image.open(paths[19]) as three:
        assert four.width > 1.5 * three.width and four.height < three.height, (
            "two by two, and three"
        )


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        for path, data in TEXTURES.items():
            content.writestr(f"dtd/{path}", data)
    return buffer.getvalue()


def test_get_fetches_what_is_missing_and_says_what_there_is(tmp_path, capsys, monkeypatch):
    with serving(
        {"dtd.zip": archive(), "split": json.dumps(SPLIT).encode()}, monkeypatch
    ) as server:
        sources = (
            Source(f"{server.url}/dtd.zip", "dtd.zip", unpack_to="..", gives="images"),
            Source(f"{server.url}/split", "split_zhou_DescribableTextures.json"),
        )
        monkeypatch.setattr(KINDS["DescribableTextures"], "sources", sources)
        root = tmp_path / "new"
        server.errors = [404]
        assert run("get", "DescribableTextures", "--root", root) == 1
        captured = capsys.readouterr()
        assert (
            "HTTP 404" in captured.err and f"  2. put it at {root / 'dtd/dtd.zip'}" in captured.err
        )
        assert "missing in" in captured.out and "data get" not in captured.out
        assert run("get", "DescribableTextures", "--root", root) == 0
        assert f"10 images in {root / 'dtd'}, split: split_zhou" in capsys.readouterr().out
        server.ranges.clear()
        assert run("get", "DescribableTextures", "--root", root) == 0
        assert server.ranges == [], "all is there"


def test_get_completes_what_is_there_in_part(tmp_path, capsys, monkeypatch):
    folder = textures(tmp_path)
    with serving(
        {"dtd.zip": archive(), "split": json.dumps(SPLIT).encode()}, monkeypatch
    ) as server:
        sources = (
            Source(f"{server.url}/dtd.zip", "dtd.zip", unpack_to="..", gives="images"),
            Source(f"{server.url}/split", "split_zhou_DescribableTextures.json"),
        )
        monkeypatch.setattr(KINDS["DescribableTextures"], "sources", sources)
        monkeypatch.setattr(KINDS["DescribableTextures"], "sizes", (5, 0, 5))
        (folder / "images/dotted/dotted_3.jpg").unlink()
        assert run("status", "DescribableTextures", "--root", tmp_path) == 1
        assert run("get", "DescribableTextures", "--root", tmp_path) == 0
        assert "10 images in" in capsys.readouterr().out and len(server.ranges) == 1, (
            "the archive alone"
        )
        (folder / "split_zhou_DescribableTextures.json").write_text('{"train": [')
        assert run("get", "DescribableTextures", "--root", tmp_path) == 0
        assert "10 images in" in capsys.readouterr().out and len(server.ranges) == 2, (
            "the split file alone"
        )
        (folder / "split_zhou_DescribableTextures.json").unlink()
        shutil.rmtree(folder / "images/dotted")
        assert run("get", "DescribableTextures", "--root", tmp_path) == 0
        assert "10 images in" in capsys.readouterr().out and len(server.ranges) == 4, "both"


def test_a_data_set_class_of_other_code_is_listed_built_and_counted(tmp_path, capsys, monkeypatch):
    from dassl.data.datasets import DatasetBase, Datum

    class Zebras(DatasetBase):
        dataset_dir = "zebras"

        def __init__(self, cfg):
            folder = Path(cfg.DATASET.ROOT, self.dataset_dir)
            items = [Datum(str(path), 0, 0, "zebra") for path in sorted(folder.glob("*.jpg"))]
            self.dataset_dir = str(folder)
            super().__init__(train_x=items, val=[], test=items)

    monkeypatch.setattr("softcpt.data.catalog.catalogue", lambda: {"Zebras": Zebras})
    assert run("status", "Zebras", "--root", tmp_path) == 1
    assert f"no folder {tmp_path / 'zebras'}" in capsys.readouterr().out
    (tmp_path / "zebras").mkdir()
    assert run("status", "Zebras", "--root", tmp_path) == 1, "its constructor raises"
    (tmp_path / "zebras/1.jpg").write_bytes(picture("gray"))
    assert run("status", "Zebras", "--root", tmp_path) == 0
    assert row(capsys.readouterr().out.rpartition("data set")[2], "Zebras")[1:5] == [
        "found",
        "1",
        "1",
        "1",
    ]
    assert run("check", "Zebras", "--root", tmp_path) == 0


def test_nothing_of_a_data_set_is_written_while_it_is_looked_at(tmp_path):
    textures(tmp_path)
    before = listing(tmp_path)
    entry = inventory.CatalogEntry(
        "DescribableTextures", KINDS["DescribableTextures"], str(tmp_path)
    )
    assert len(inventory.take_inventory(entry, default_config()).images) == 10
    assert listing(tmp_path) == before


def test_names_that_do_not_fit_the_split_are_a_problem_of_that_data_set_alone(tmp_path, capsys):
    build("Fashion20", tmp_path)
    split = {
        "train": [["0/0/1.jpg", [0], [0]]],
        "val": [],
        "test": [],
        "meta": {"taskid2cname": [["a"]]},
    }
    (tmp_path / "fashion20/split_dk_Fashion20.json").write_text(json.dumps(split))
    textures(tmp_path)
    assert run("status", "Fashion20", "DescribableTextures", "--root", tmp_path) == 1
    text = capsys.readouterr().out
    assert row(text, "Fashion20")[1] == "incomplete" and row(text, "Descr")[1] == "found"
    assert "20 tasks, and split_dk_Fashion20.json has 1" in text


def test_a_published_number_of_images_counts_where_the_folders_are_the_split(tmp_path, capsys):
    build("ImageNetA", tmp_path)
    assert run("status", "ImageNetA", "--root", tmp_path) == 1
    assert row(capsys.readouterr().out, "ImageNetA")[1:4] == ["incomplete", "200", "7,500"]


def test_a_reader_that_ends_is_no_error():
    listing = f"{sys.executable} -m softcpt data list"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{listing} | true"], capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (141, "")


def test_images_of_your_own_need_no_root(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rose", "tulip"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "flowers" / name / "a.png")
    assert run("preview", "flowers") == 0
    assert "1 rose: 'a photo of a rose.'" in capsys.readouterr().out
    assert (tmp_path / "preview-ImageFolder-flowers.png").is_file()
    assert run("preview", "ImageFolder") == 2
    assert "give their folder or table" in capsys.readouterr().err.lower()


def test_some_data_sets_are_listed(capsys):
    assert run("list", "oxford_pets", "RS8") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:] if line]
    assert names[0] == "OxfordPets" and "RESISC45" in names and "Food101" not in names

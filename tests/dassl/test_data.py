"""Images, data sets, few-shot draws, loaders."""

import os
import random
import re
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from dassl.data import DataManager, DatasetWrapper
from dassl.data.data_manager import build_data_loader
from dassl.data.datasets import DatasetBase, Datum, build_dataset
from PIL import Image

from softcpt.dassl import engine

builtin_only = pytest.mark.skipif(
    engine() != "built-in", reason="an improvement of the built-in engine over Dassl"
)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(path)
    return str(path)


def grouped(image, labels):
    return [
        Datum(image, label, domain=position, classname=f"c{label}")
        for position, label in enumerate(labels)
    ]


def test_a_datum_is_what_it_was_given_and_cannot_be_changed(image):
    datum = Datum(image, 3, 1, "cat")
    assert (datum.impath, datum.label, datum.domain, datum.classname) == (image, 3, 1, "cat")
    with pytest.raises(AttributeError):
        datum.label = 4


@pytest.mark.filterwarnings("ignore")
def test_a_datum_needs_its_file():
    with pytest.raises(AssertionError):
        Datum("/no/such/image.png", 0)


def test_a_data_set_knows_its_classes(image):
    data = DatasetBase(train_x=grouped(image, [2, 0, 2]), test=grouped(image, [0]))
    assert data.num_classes == 3
    assert data.lab2cname == {0: "c0", 2: "c2"}
    assert data.classnames == ["c0", "c2"]
    assert (data.val, data.train_u) == (None, None)


def test_domains_are_checked(cfg):
    data = build_dataset(cfg)
    data.check_input_domains(["even"], ["odd"])
    with pytest.raises(ValueError, match="neither"):
        data.check_input_domains(["even"], ["neither"])
    with pytest.raises(AssertionError):
        data.check_input_domains([], ["odd"])


def test_few_shot_draws_are_random_samples_of_the_classes_in_first_seen_order(image):
    labels = [1] * 7 + [0] * 2 + [1] * 3 + [2] * 6
    source = grouped(image, labels)
    random.seed(5)
    drawn = DatasetBase.generate_fewshot_dataset(DatasetBase(source), source, num_shots=4)
    random.seed(5)
    ones, twos = ([i for i, own in enumerate(labels) if own == label] for label in (1, 2))
    expected = [*random.sample(ones, 4), 7, 8, *random.sample(twos, 4)]
    assert [item.domain for item in drawn] == expected


def test_few_shot_draws_of_several_lists_go_on_drawing(image):
    base, source = DatasetBase(grouped(image, [0])), grouped(image, [0] * 9)
    random.seed(5)
    one, two = base.generate_fewshot_dataset(source, source, num_shots=3)
    random.seed(5)
    assert [item.domain for item in one] == random.sample(range(9), 3)
    assert [item.domain for item in two] == random.sample(range(9), 3)


def test_few_shot_draws_repeat_images_only_when_asked(image):
    base, source = DatasetBase(grouped(image, [0])), grouped(image, [0, 0])
    assert len(base.generate_fewshot_dataset(source, num_shots=5)) == 2
    assert len(base.generate_fewshot_dataset(source, num_shots=5, repeat=True)) == 5
    assert base.generate_fewshot_dataset(source, num_shots=0) is source
    assert base.generate_fewshot_dataset(source, source) == (source, source)


@pytest.mark.parametrize(
    ("per_class", "seed", "published"),
    [
        (
            60,
            2,
            [55, 54, 3, 5, 65, 83, 113, 70, 167, 171, 162, 174],
        ),  # DescribableTextures, shot_4-seed_2
        (60, 3, [15, 37, 34, 8, 83, 118, 98, 90, 160, 157, 124, 158]),
        (
            80,
            2,
            [7, 11, 10, 46, 101, 119, 112, 157, 187, 237, 164, 234],
        ),  # OxfordPets, shot_4-seed_2
        (80, 3, [30, 75, 69, 16, 127, 157, 140, 154, 168, 237, 161, 220]),
    ],
)
def test_published_few_shot_draws_are_reproduced(image, per_class, seed, published):
    """The first three classes of draws published with CoOp, as positions in the split's training
    list."""
    source = grouped(image, [label for label in range(3) for _ in range(per_class)])
    random.seed(seed)
    drawn = DatasetBase(source).generate_fewshot_dataset(source, num_shots=4)
    assert [item.domain for item in drawn] == published


def test_a_data_manager_gives_batches_of_images_classes_and_domains(cfg, capsys):
    manager = DataManager(cfg)
    batch = next(iter(manager.train_loader_x))
    assert batch["img"].shape == (4, 3, 8, 8)
    assert set(batch) == {"label", "domain", "impath", "index", "img"}
    assert manager.num_classes == 3
    assert manager.lab2cname == {0: "red", 1: "green", 2: "blue"}
    sizes = [
        len(loader)
        for loader in (
            manager.train_loader_x,
            manager.train_loader_u,
            manager.val_loader,
            manager.test_loader,
        )
    ]
    assert sizes == [4, 3, 2, 3], "incomplete batches are dropped in training only"
    assert re.search(r"train_x +18\b", capsys.readouterr().out)


def test_a_training_set_smaller_than_a_batch_is_one_small_batch(cfg):
    cfg.DATALOADER.TRAIN_X.BATCH_SIZE = 64
    assert [len(batch["label"]) for batch in DataManager(cfg).train_loader_x] == [18]


def test_custom_transforms_and_wrappers_are_used(cfg):
    class Wrapper(DatasetWrapper):
        def __getitem__(self, index):
            return super().__getitem__(index) | {"own": 1}

    manager = DataManager(
        cfg, lambda _: torch.zeros(1), lambda _: torch.ones(1), dataset_wrapper=Wrapper
    )
    train, test = next(iter(manager.train_loader_x)), next(iter(manager.test_loader))
    assert (train["img"].sum(), test["img"].sum(), train["own"].sum()) == (0, 5, 4)


def test_several_transforms_and_views_are_named(cfg):
    cfg.DATALOADER.K_TRANSFORMS, cfg.DATALOADER.RETURN_IMG0 = 2, True
    source = build_dataset(cfg).test
    tfm = [lambda image: torch.zeros(1), lambda image: torch.ones(1)]
    train = DatasetWrapper(cfg, source, transform=tfm, is_train=True)[0]
    assert [len(train["img"]), len(train["img2"])] == [2, 2]
    assert train["img0"].shape == (3, 8, 8)
    test = DatasetWrapper(cfg, source, transform=tfm)[0]
    assert test["img2"] == 1, "only training has several views"
    with pytest.raises(ValueError):  # noqa: PT011  Dassl's message is another
        DatasetWrapper(cfg, source, transform=None, is_train=True)


def test_without_a_transform_the_image_comes_as_it_is(cfg):
    source = build_dataset(cfg).test
    assert DatasetWrapper(cfg, source)[0]["img"].size == (12, 12)


def archive(path, name):
    """An archive of one file."""
    if path.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, "x")
    else:
        with tarfile.open(path, "w:gz") as file:
            file.addfile(tarfile.TarInfo(name))


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_downloads_are_unpacked_beside_themselves(cfg, tmp_path, monkeypatch, ending):
    def download(url, output, **_):
        archive(str(tmp_path / f"served{ending}"), "inside/a.txt")
        shutil.move(tmp_path / f"served{ending}", output)

    monkeypatch.setattr("gdown.download", download)
    build_dataset(cfg).download_data("https://example.org/x", str(tmp_path / "new" / f"x{ending}"))
    assert sorted(os.listdir(tmp_path / "new")) == ["inside", f"x{ending}"]
    assert (tmp_path / "new" / "inside" / "a.txt").exists()


@builtin_only
def test_an_archive_cannot_write_outside_its_folder(cfg, tmp_path, monkeypatch):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    archive(str(folder / "served.tar.gz"), "../evil.txt")
    monkeypatch.setattr(
        "gdown.download", lambda url, output, **_: shutil.move(folder / "served.tar.gz", output)
    )
    with pytest.raises(tarfile.TarError):
        build_dataset(cfg).download_data("https://example.org/x", str(folder / "x.tar.gz"))
    assert not (tmp_path / "a" / "evil.txt").exists()


def test_no_images_are_refused(cfg):
    # Dassl fails in torch's sampler, the built-in engine with a UserError.
    with pytest.raises(Exception):  # noqa: B017, PT011
        build_data_loader(cfg, "RandomSampler", [], tfm=lambda image: image)


def test_a_misspelt_data_set_gets_the_closest_name(cfg):
    cfg.DATASET.NAME = "Colors"
    with pytest.raises(ValueError, match="Colours"):
        build_dataset(cfg)

"""Few-shot draws are the published ones, are written down, and foreign files are read without
trusting them."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
from pathlib import Path

import pytest

from softcpt import plugins
from softcpt.data.few_shot import few_shot_indices
from softcpt.data.published_draws import read_pickle
from softcpt.errors import UserError
from tests.helpers.layouts import build, config
from tests.helpers.pickles import coop_pickle

plugins.load("datasets")
from dassl.data.datasets import DATASET_REGISTRY  # noqa: E402

PUBLISHED = json.loads((Path(__file__).parent / "published_draws.json").read_text())
NAME, FOLDER, IMAGES = "RSSCN7", "RSSCN7", "RSSCN7/RSSCN7-master"


def dataset(*args, name=NAME, **kwargs):
    return DATASET_REGISTRY.get(name)(config(*args, **kwargs))


def below(root, items):
    """Paths relative to the image folder."""
    return [os.path.relpath(item.impath, root / IMAGES) for item in items]


@pytest.fixture
def root(tmp_path):
    """A data set with a split."""
    build(NAME, tmp_path)
    dataset(tmp_path, DRAW_SPLIT=True)
    return tmp_path


@pytest.mark.parametrize("name", PUBLISHED)
def test_draws_are_the_published_ones_for_all_shots_and_seeds(name):
    """Index lists that cross-modal adaptation published for CoOp's splits; labels are (label, run
    length) here."""
    facts = PUBLISHED[name]
    split = {
        part: [("", label) for label, count in facts[part] for _ in range(count)]
        for part in ("train", "val")
    }
    assert len(facts["draws"]) == 15
    for key, digest in facts["draws"].items():
        shots, seed = (int(word.partition("_")[2]) for word in key.split("-"))
        random.seed(shots * seed)  # what else was drawn makes no difference
        drawn = few_shot_indices(split, shots, seed)
        assert (
            hashlib.sha256(json.dumps([drawn["train"], drawn["val"]]).encode()).hexdigest()[:16]
            == digest
        )


def test_a_draw_of_a_data_set_is_that_of_its_split_file(root):
    split = json.loads((root / "RSSCN7/split_drawn_RSSCN7.json").read_text())
    indices = few_shot_indices(split, 1, 3)
    data = dataset(root, 1, 3)
    assert below(root, data.train_x) == [split["train"][index][0] for index in indices["train"]]
    assert below(root, data.val) == [split["val"][index][0] for index in indices["val"]]
    assert len(data.test) == len(split["test"])


def test_a_draw_is_written_with_relative_paths_and_the_splits_digest(root):
    data = dataset(root, 1)
    kept = json.loads((root / "RSSCN7/split_fewshot/shot_1-seed_1.json").read_text())
    assert kept["train"] == below(root, data.train_x) and kept["val"] == below(root, data.val)
    assert (kept["shots"], kept["seed"], len(kept["split_sha256"])) == (1, 1, 64)
    (root / FOLDER).rename(root / "moved")
    (root / "else").mkdir()
    (root / "moved").rename(root / "else/RSSCN7")
    assert below(root / "else", dataset(root / "else", 1).train_x) == kept["train"]


def test_a_draw_of_another_split_is_not_used(root):
    first = dataset(root, 1)
    path = root / "RSSCN7/split_drawn_RSSCN7.json"
    split = json.loads(path.read_text())
    split["train"], split["test"] = split["test"], split["train"]
    path.write_text(json.dumps(split))
    assert not set(below(root, first.train_x)) & set(below(root, dataset(root, 1).train_x))


def test_a_read_only_folder_has_its_draws_in_the_cache(root, monkeypatch):
    writable = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: not str(path).startswith(str(root)) and writable(path, mode),
    )
    data = dataset(root, 1)
    assert not (root / "RSSCN7/split_fewshot").exists()
    [kept] = Path(os.environ["SOFTCPT_CACHE"]).rglob("RSSCN7-*/split_fewshot/shot_1-seed_1.json")
    assert json.loads(kept.read_text())["train"] == below(root, data.train_x)


@pytest.fixture
def chosen(root):
    """Another draw than ours."""
    data = dataset(root)
    return {"train": below(root, data.train_x)[::-3], "val": below(root, data.val)[::-2]}


@pytest.mark.parametrize("cls", ["Datum", "DatumMT"])
def test_pickles_of_coop_are_used_as_they_are(root, chosen, cls):
    coop_pickle(root / "RSSCN7/split_fewshot/shot_1-seed_1.pkl", chosen, cls)
    data = dataset(root, 1)
    assert below(root, data.train_x) == chosen["train"] and below(root, data.val) == chosen["val"]
    assert (
        data.train_x[0].label == 6
        and not (root / "RSSCN7/split_fewshot/shot_1-seed_1.json").exists()
    )


def test_softcpts_draws_of_official_lists_are_used(tmp_path):
    build("FGVCAircraft", tmp_path)
    images = [
        os.path.basename(item.impath) for item in dataset(tmp_path, name="FGVCAircraft").train_x
    ]
    chosen = {"train": images[::-4], "val": []}
    path = tmp_path / "fgvc_aircraft/split_fewshot_mt/shot_1-seed_1.pkl"
    coop_pickle(path, chosen, "DatumMT", folder="/home/someone/fgvc_aircraft/images")
    data = dataset(tmp_path, 1, name="FGVCAircraft")
    assert [os.path.basename(item.impath) for item in data.train_x] == chosen[
        "train"
    ] and not data.val
    coop_pickle(
        tmp_path / "fgvc_aircraft/split_fewshot/shot_1-seed_1.pkl", {"train": images[:3], "val": []}
    )
    assert len(dataset(tmp_path, 1, name="FGVCAircraft").train_x) == 3, "CoOp's come first"


def test_index_files_of_cross_modal_adaptation_are_used(root, chosen):
    content = {
        part: {
            "data": [{"impath": f"./data/RSSCN7/{image}", "label": 0} for image in images],
            "indices": [],
        }
        for part, images in chosen.items()
    }
    (root / "RSSCN7/split_fewshot").mkdir()
    (root / "RSSCN7/split_fewshot/shot_2-seed_1.json").write_text(json.dumps(content))
    assert below(root, dataset(root, 2).train_x) == chosen["train"]


def test_line_files_of_2sfs_are_used(root, chosen):
    (root / "RSSCN7/split_fewshot").mkdir()
    for part, images in chosen.items():
        lines = [
            json.dumps({"_impath": f"C:\\data\\RSSCN7\\{image}".replace("/", "\\"), "_label": 0})
            for image in images
        ]
        (root / f"RSSCN7/split_fewshot/shot_4-seed_2_{part}.jsonl").write_text(
            "\n".join(lines) + "\n"
        )
    data = dataset(root, 4, 2)
    assert below(root, data.train_x) == chosen["train"] and below(root, data.val) == chosen["val"]


def test_a_file_of_other_images_is_refused(root, chosen):
    test_image = below(root, dataset(root).test)[0]
    coop_pickle(root / "RSSCN7/split_fewshot/shot_1-seed_1.pkl", {**chosen, "train": [test_image]})
    with pytest.raises(
        UserError, match=r"shot_1-seed_1.pkl.*not in that part of this data set's split"
    ):
        dataset(root, 1)


class Harm:
    def __reduce__(self):
        return os.mkdir, ("harm-done",)


@pytest.mark.parametrize(
    "content", [Harm(), {"train": [Harm()]}, {"train": [Path("x")]}, [1, 2], {"train": "abc"}]
)
def test_a_pickle_that_asks_for_more_than_images_runs_nothing(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    Path("shot_1-seed_1.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=r"shot_1-seed_1.pkl: not a list of images"):
        read_pickle(Path("shot_1-seed_1.pkl"))
    assert not Path("harm-done").exists()


@pytest.mark.parametrize(
    "name", ["shot_1-seed_1.pkl", "shot_1-seed_1_train.jsonl", "shot_1-seed_1.json"]
)
@pytest.mark.parametrize(
    "content", [b"", b'{"train"', b"\x80\x05\x95", b"[]", b'{"train": {"data": [1]}}']
)
def test_damaged_files_are_one_clear_line(root, name, content):
    path = root / "RSSCN7/split_fewshot" / name
    path.parent.mkdir()
    path.write_bytes(content)
    if name.endswith("l") and not content:  # an empty list of lines is a list
        path.write_bytes(b"{")
    with pytest.raises(
        UserError,
        match=f"few-shot file .*{name}.*(not valid JSON|not UTF-8|a mapping is needed|"
        "not a list of images).*delete it",
    ):
        dataset(root, 1)

"""The feature bank: encoded once, never wrong, whatever happens to its processes and its disk."""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from softcpt.cli import features as features_cli
from softcpt.errors import UserError
from softcpt.features import bank as features_module
from softcpt.features.bank import FeatureBank
from softcpt.features.entries import default_folder, entry_lock
from softcpt.features.images import ImageError, ViewDataset

CENTRE = transforms.Compose([transforms.Resize(8), transforms.CenterCrop(8), transforms.ToTensor()])
AUGMENT = transforms.Compose([transforms.RandomResizedCrop(8), transforms.ToTensor()])
COUNT, BATCH, BLOCK = 70, 4, 32  # three blocks: 32 + 32 + 6 rows


class Gate:
    """Where a process waits for the test: before the batch that comes after ``rows`` images."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.outside, self._inside = multiprocessing.get_context("spawn").Pipe()

    def pass_through(self, encoded: int) -> None:
        """Wait here if it is time."""
        if encoded == self.rows:
            self._inside.send("here")
            self._inside.recv()

    def wait_until_reached(self) -> None:
        """By the process that waits; EOFError if that has ended."""
        self._inside.close()
        self.outside.recv()

    def open(self) -> None:
        """Let the process go on."""
        self.outside.send("go on")


class FakeClip:
    """Encodes to five numbers an image, and notes every batch in a file that processes share."""

    name, fingerprint, precision, embed_dim, device = "fake", "f00d", "fp32", 5, torch.device("cpu")

    def __init__(self, log: Path, gate: Gate | None = None) -> None:
        self.log, self.gate = log, gate

    def encode_image(self, images):
        if self.gate:
            self.gate.pass_through(self.images_encoded)
        with open(self.log, "a") as file:
            file.write(f"{len(images)}\n")
        return images.flatten(1)[:, ::40] * 3 - 1

    @property
    def images_encoded(self):
        return sum(map(int, self.log.read_text().split())) if self.log.exists() else 0


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("softcpt.features.bank.BLOCK_ROWS", BLOCK)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(
            folder / f"{index}.png"
        )
    return folder


@pytest.fixture
def names():
    return [f"{index}.png" for index in range(COUNT)]


@pytest.fixture
def clip(tmp_path):
    return FakeClip(tmp_path / "encoded")


def make_bank(tmp_path, clip, folder="bank", **options):
    return FeatureBank(
        tmp_path / folder, clip, **{"batch_size": BATCH, "workers": 0, "progress": False, **options}
    )


def entries(tmp_path, folder="bank"):
    return sorted(path.parent for path in (tmp_path / folder).glob("*/meta.json"))


def expected(clip, images, names, transform, seed=0, view=None):
    dataset = ViewDataset([str(images / name) for name in names], transform, seed, view)
    return clip.encode_image(torch.stack([tensor for _, tensor in dataset]))


def encoded_more(clip, action):
    before = clip.images_encoded
    action()
    return clip.images_encoded - before


@pytest.mark.parametrize("workers", [0, 1])
def test_building_draws_nothing_from_the_global_generators(tmp_path, clip, images, names, workers):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    make_bank(tmp_path, clip, workers=workers).features(names, AUGMENT, 0, root=images)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("transform", "view"), [(CENTRE, None), (AUGMENT, 3)])
def test_features_are_those_of_the_model_in_the_order_of_the_paths(
    tmp_path, clip, images, names, workers, transform, view
):
    bank = make_bank(tmp_path, clip, workers=workers, seed=7)
    shuffled = names[::-1]
    features = bank.features(shuffled, transform, view, root=images)
    assert features.dtype == torch.float32
    assert torch.equal(features, expected(clip, images, shuffled, transform, 7, view))


def test_a_finished_bank_asks_neither_the_model_nor_the_images(
    tmp_path, clip, images, names, monkeypatch
):
    first = make_bank(tmp_path, clip).features(names, AUGMENT, 0, root=images)
    monkeypatch.setattr("softcpt.features.images.read_image", pytest.fail)
    again = make_bank(tmp_path, clip)
    assert encoded_more(clip, lambda: again.features(names, AUGMENT, 0, root=images)) == 0
    assert torch.equal(again.features(names, AUGMENT, 0, root=images), first)


def test_seed_and_view_count_only_for_augmented_views(tmp_path, clip, images, names):
    for seed in (0, 1):
        for view in (None, 0, 1):
            transform = CENTRE if view is None else AUGMENT
            make_bank(tmp_path, clip, seed=seed).features(names, transform, view, root=images)
    assert len(entries(tmp_path)) == 1 + 2 * 2


def test_a_changed_file_model_precision_transform_or_order_is_another_entry(
    tmp_path, clip, images, names
):
    bank = make_bank(tmp_path, clip)
    bank.features(names, CENTRE, root=images)
    os.utime(images / "3.png", ns=(0, 1))
    bank.features(names, CENTRE, root=images)
    bank.features(names[::-1], CENTRE, root=images)
    bank.features(names, transforms.Compose([*CENTRE.transforms, torch.nn.Identity()]), root=images)
    clip.fingerprint = "beef"
    bank.features(names, CENTRE, root=images)
    clip.precision = "bf16"
    bank.features(names, CENTRE, root=images)
    assert len(entries(tmp_path)) == 6


def test_a_data_set_that_moved_keeps_its_features(tmp_path, clip, images, names):
    make_bank(tmp_path, clip).features(names, CENTRE, root=images)
    moved = images.rename(tmp_path / "elsewhere")
    bank = make_bank(tmp_path, clip)
    assert encoded_more(clip, lambda: bank.features(names, CENTRE, root=moved)) == 0
    absolute = [str(moved / name) for name in names]
    assert encoded_more(clip, lambda: bank.features(absolute, CENTRE, root=moved)) == 0


def test_features_on_disk_are_an_ordinary_array_and_cannot_be_spoilt(tmp_path, clip, images, names):
    bank = make_bank(tmp_path, clip)
    features = bank.features(names, CENTRE, root=images)
    kept = features.clone()
    features.zero_()
    assert np.array_equal(np.load(entries(tmp_path)[0] / "features.npy"), kept.numpy())
    assert torch.equal(bank.features(names, CENTRE, root=images), kept)


def test_half_precision_halves_the_file_and_still_answers_in_fp32(tmp_path, clip, images, names):
    exact = make_bank(tmp_path, clip).features(names, CENTRE, root=images)
    half = make_bank(tmp_path, clip, "half", dtype=torch.float16).features(
        names, CENTRE, root=images
    )
    assert half.dtype == torch.float32 and torch.equal(half, exact.half().float())
    assert np.load(entries(tmp_path, "half")[0] / "features.npy").dtype == np.float16


class SpatialClip(FakeClip):
    """Four local features behind the pooled one: the pooled one times two to five."""

    places = 4

    def encode_image(self, images, *, spatial=False):
        pooled = super().encode_image(images)
        return pooled[:, None] * torch.arange(1, 6)[:, None] if spatial else pooled


def test_a_spatial_bank_keeps_local_features_behind_the_pooled_one(tmp_path, images, names):
    clip = SpatialClip(tmp_path / "encoded")
    bank = make_bank(tmp_path, clip, kind="spatial")
    features = bank.features(names, AUGMENT, 0, root=images)
    pooled = make_bank(tmp_path, clip).features(names, AUGMENT, 0, root=images)
    assert len(entries(tmp_path)) == 2
    assert torch.equal(features, pooled[:, None] * torch.arange(1, 6)[:, None])
    assert encoded_more(clip, lambda: bank.features(names, AUGMENT, 0, root=images)) == 0
    assert bank.features([], CENTRE).shape == (0, 5, 5)


def test_a_damaged_spatial_entry_is_repaired(tmp_path, images, names):
    clip = SpatialClip(tmp_path / "encoded")
    bank = make_bank(tmp_path, clip, kind="spatial", dtype=torch.float16)
    original = bank.features(names, CENTRE, root=images).clone()
    assert np.load(entries(tmp_path)[0] / "features.npy").shape == (COUNT, 5, 5)
    flip_a_byte(entries(tmp_path)[0])
    assert encoded_more(clip, lambda: bank.features(names, CENTRE, root=images)) == BLOCK
    assert torch.equal(bank.features(names, CENTRE, root=images), original)


def test_no_images_no_features(tmp_path, clip):
    bank = make_bank(tmp_path, clip)
    assert bank.features([], CENTRE).shape == (0, 5) and bank.missing([], CENTRE) == []


def build(tmp_path, images, names, gate, workers=0):
    torch.set_num_threads(1)
    features_module.BLOCK_ROWS = BLOCK
    clip = FakeClip(tmp_path / "encoded", gate)
    make_bank(tmp_path, clip, workers=workers).features(names, AUGMENT, 0, root=images)


def start(*args):
    process = multiprocessing.get_context("spawn").Process(target=build, args=args)
    process.start()
    return process


def test_a_killed_build_goes_on_and_ends_the_same(tmp_path, clip, images, names):
    gate = Gate(rows=BLOCK + BATCH)
    process = start(tmp_path, images, names, gate, 1)
    gate.wait_until_reached()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not list((tmp_path / "bank").glob("*/features.npy"))
    bank = make_bank(tmp_path, clip)
    assert (
        encoded_more(clip, lambda: bank.features(names, AUGMENT, 0, root=images)) == COUNT - BLOCK
    )
    clean = make_bank(tmp_path, clip, "clean").features(names, AUGMENT, 0, root=images)
    assert torch.equal(bank.features(names, AUGMENT, 0, root=images), clean)
    assert len(entries(tmp_path)) == 1


def test_a_build_killed_before_its_last_step_encodes_nothing_more(tmp_path, clip, images, names):
    bank = make_bank(tmp_path, clip)
    original = bank.features(names, CENTRE, root=images)
    array = entries(tmp_path)[0] / "features.npy"
    array.rename(array.with_suffix(".part"))
    assert encoded_more(clip, lambda: bank.features(names, CENTRE, root=images)) == 0
    assert torch.equal(bank.features(names, CENTRE, root=images), original)


class OpensOnceOneWaits(logging.Handler):
    """Opens a gate when the bank says that it waits for another process."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def emit(self, record: logging.LogRecord) -> None:
        if "waiting" in record.getMessage():
            self.gate.open()


def test_of_two_processes_one_builds_and_the_other_waits_or_builds_another_entry(
    tmp_path, clip, images, names, caplog
):
    gate = Gate(rows=BATCH)
    process = start(tmp_path, images, names, gate)
    gate.wait_until_reached()
    make_bank(tmp_path, FakeClip(tmp_path / "other")).features(names, CENTRE, root=images)
    assert clip.images_encoded == BATCH and "waiting" not in caplog.text
    logger, handler = logging.getLogger("softcpt.features"), OpensOnceOneWaits(gate)
    logger.addHandler(handler)
    features = make_bank(tmp_path, clip).features(names, AUGMENT, 0, root=images)
    logger.removeHandler(handler)
    process.join()
    assert process.exitcode == 0
    assert clip.images_encoded == COUNT and "waiting" in caplog.text
    assert torch.equal(features, expected(clip, images, names, AUGMENT, 0, 0))


def flip_a_byte(entry):
    data = bytearray((entry / "features.npy").read_bytes())
    data[-700] ^= 1
    (entry / "features.npy").write_bytes(data)


def cut_short(entry):
    os.truncate(entry / "features.npy", 500)


def remove_array(entry):
    (entry / "features.npy").unlink()


def spoil_meta(entry):
    (entry / "meta.json").write_text('{"shape": [70')


@pytest.mark.parametrize(
    ("damage", "rebuilt"),
    [(flip_a_byte, BLOCK), (cut_short, COUNT), (remove_array, COUNT), (spoil_meta, COUNT)],
)
def test_damage_is_found_said_and_repaired(tmp_path, clip, images, names, caplog, damage, rebuilt):
    bank = make_bank(tmp_path, clip)
    original = bank.features(names, CENTRE, root=images).clone()
    damage(entries(tmp_path)[0])
    assert encoded_more(clip, lambda: bank.features(names, CENTRE, root=images)) == rebuilt
    assert torch.equal(bank.features(names, CENTRE, root=images), original)
    assert "damaged" in caplog.text and str(entries(tmp_path)[0]) in caplog.text


def spoil_image(images, name):
    (images / name).write_bytes((images / name).read_bytes()[:200])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_image_stops_the_build_by_name(tmp_path, clip, images, names, workers):
    spoil_image(images, "40.png")
    with pytest.raises(ImageError, match=r"40.png") as error:
        make_bank(tmp_path, clip, workers=workers).features(names, CENTRE, root=images)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_corrupt_and_absent_images_are_skipped_named_and_listed(
    tmp_path, clip, images, names, caplog, workers
):
    for name in ("4.png", "5.png", "6.png", "7.png", "40.png"):
        spoil_image(images, name)
    (images / "69.png").unlink()
    bank = make_bank(tmp_path, clip, on_error="skip", workers=workers)
    features = bank.features(names, CENTRE, root=images)
    missing = bank.missing(names, CENTRE, root=images)
    assert missing == [4, 5, 6, 7, 40, 69] and not features[missing].any()
    assert all(str(images / names[index]) in caplog.text for index in missing)
    rest = [index for index in range(COUNT) if index not in missing]
    assert torch.equal(
        features[rest], expected(clip, images, [names[index] for index in rest], CENTRE)
    )
    with pytest.raises(ImageError, match=r"4.png"):
        make_bank(tmp_path, clip).features(names, CENTRE, root=images)


def test_a_repaired_image_is_encoded(tmp_path, clip, images, names):
    whole = (images / "40.png").read_bytes()
    spoil_image(images, "40.png")
    bank = make_bank(tmp_path, clip, on_error="skip")
    bank.features(names, CENTRE, root=images)
    (images / "40.png").write_bytes(whole)
    assert (
        bank.features(names, CENTRE, root=images)[40].any()
        and bank.missing(names, CENTRE, root=images) == []
    )


def test_features_that_are_not_finite_are_refused(tmp_path, clip, images, names):
    clip.encode_image = lambda pixels: torch.full((len(pixels), 5), torch.inf)
    with pytest.raises(UserError, match="not finite at precision fp32"):
        make_bank(tmp_path, clip).features(names, CENTRE, root=images)


def test_a_transform_without_a_lasting_description_is_refused(tmp_path, clip, images, names):
    with pytest.raises(UserError, match=r"^[^\n]*__repr__"):
        make_bank(tmp_path, clip).features(
            names, transforms.Compose([lambda image: image]), root=images
        )


def test_a_disk_that_is_too_small_is_named_before_the_work(
    tmp_path, clip, images, names, monkeypatch
):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda path: argparse.Namespace(free=COUNT * 5 * 4 * 2)
    )
    spatial = make_bank(tmp_path, SpatialClip(clip.log), kind="spatial")
    with pytest.raises(UserError, match=r"SOFTCPT_CACHE.*FEATURES.MODE online"):
        spatial.features(names, CENTRE, root=images)
    assert clip.images_encoded == 0
    assert len(make_bank(tmp_path, clip).features(names, CENTRE, root=images)) == COUNT


def test_wrong_settings_are_named(tmp_path, clip):
    with pytest.raises(UserError, match="on_error: 'ignore'"):
        make_bank(tmp_path, clip, on_error="ignore")
    with pytest.raises(UserError, match="kind 'local'"):
        make_bank(tmp_path, clip, kind="local")
    with pytest.raises(UserError, match="bfloat16"):
        make_bank(tmp_path, clip, dtype=torch.bfloat16)


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SOFTCPT_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "features"
    monkeypatch.delenv("SOFTCPT_CACHE")
    assert default_folder() == Path.home() / ".cache" / "softcpt" / "features"


def test_meta_tells_a_reader_what_the_entry_is(tmp_path, clip, images, names):
    make_bank(tmp_path, clip, seed=2).features(names, AUGMENT, 5, root=images)
    meta = json.loads((entries(tmp_path)[0] / "meta.json").read_text())
    assert meta["name"] == "fake" and meta["shape"] == [COUNT, 5] and meta["dtype"] == "float32"
    assert (meta["seed"], meta["view"], meta["transform"]) == (2, 5, repr(AUGMENT))
    assert str(tmp_path) not in json.dumps(meta)


def command(tmp_path, *words):
    parser = argparse.ArgumentParser()
    features_cli.add_arguments(parser)
    return features_cli.main(parser.parse_args(["--folder", str(tmp_path / "bank"), *words]))


def test_the_command_lists_verifies_and_removes(tmp_path, clip, images, names, capsys):
    bank = make_bank(tmp_path, clip)
    bank.features(names, CENTRE, root=images)
    make_bank(tmp_path, SpatialClip(clip.log), kind="spatial").features(
        names, AUGMENT, 9, root=images
    )
    assert command(tmp_path, "ls") == 0
    table = capsys.readouterr().out
    assert "2 entries" in table and all(entry.name[:12] in table for entry in entries(tmp_path))
    assert table.count("  global  ") == table.count("  spatial  ") == 1
    assert command(tmp_path, "verify") == 0
    first, second = entries(tmp_path)
    flip_a_byte(first)
    assert command(tmp_path, "verify") == 1
    assert f"{first.name}  damaged: 1 of 3 blocks" in capsys.readouterr().out
    assert command(tmp_path, "rm", first.name[:12]) == 0 and entries(tmp_path) == [second]
    with pytest.raises(UserError, match="0 entries"):
        command(tmp_path, "rm", first.name)
    assert command(tmp_path, "rm", "--all") == 0 and entries(tmp_path) == []
    assert command(tmp_path, "ls") == 0


def test_the_command_does_not_remove_what_is_being_built(tmp_path, clip, images, names):
    make_bank(tmp_path, clip).features(names, CENTRE, root=images)
    with entry_lock(entries(tmp_path)[0]), pytest.raises(UserError, match="being built"):
        command(tmp_path, "rm", "--all")
    assert len(entries(tmp_path)) == 1


def test_an_image_of_several_tasks_is_encoded_once(tmp_path, clip, images, names):
    bank = make_bank(tmp_path, clip, on_error="skip")
    (images / "broken.png").write_bytes(b"no image")
    wanted = [*names[:9], *names[:3], "broken.png", *names[3:6], "broken.png"]
    found = bank.features(names[:9], CENTRE, root=images)
    several: list[torch.Tensor] = []
    more = encoded_more(clip, lambda: several.append(bank.features(wanted, CENTRE, root=images)))
    assert more == 9 and len(several[0]) == len(wanted)
    for row, name in zip(several[0], wanted):
        right = torch.zeros(found.shape[1]) if name == "broken.png" else found[names.index(name)]
        assert torch.equal(row, right)
    assert bank.missing(wanted, CENTRE, root=images) == [12, 16]
    (images / "broken.png").unlink()


def test_views_of_a_row_that_is_there_twice_differ(tmp_path, clip, images, names):
    first, second = make_bank(tmp_path, clip).features([names[0]] * 2, AUGMENT, 1, root=images)
    assert not torch.equal(first, second)

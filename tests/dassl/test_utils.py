"""Registries, files, logs, meters, checkpoints."""

import io
import os
import random
import re
import sys

import numpy as np
import pytest
import torch
from dassl import utils
from dassl.utils import Registry

from softcpt.dassl import engine
from softcpt.errors import UserError

builtin_only = pytest.mark.skipif(
    engine() != "built-in", reason="an improvement of the built-in engine over Dassl"
)


def test_a_registry_finds_what_was_registered_either_way():
    registry = Registry("THING")

    @registry.register()
    class One:
        pass

    def two():
        return 2

    registry.register(two)
    assert registry.get("One") is One
    assert registry.get("two") is two
    assert registry.registered_names() == ["One", "two"]


def test_a_registry_refuses_a_taken_or_an_unknown_name():
    registry = Registry("THING")
    one = type("Distant", (), {})
    registry.register(one)
    with pytest.raises(KeyError, match="Distant"):
        registry.register(one)
    with pytest.raises(KeyError, match="Near"):
        registry.get("Near")
    other = type("Distant", (), {})
    registry.register(other, force=True)
    assert registry.get("Distant") is other


def test_an_unavailable_name_is_answered_with_the_closest():
    utils.check_availability("SGD", ["SGD", "Adam"])
    with pytest.raises(ValueError, match=r"do you mean \[CoCoOp\]"):
        utils.check_availability("CoCoOpp", ["CoOp", "CoCoOp", "SoftCPT"])


def test_json_survives(tmp_path):
    path = str(tmp_path / "new" / "x.json")
    utils.write_json({"a": [1, "é"]}, path)
    assert utils.read_json(path) == {"a": [1, "é"]}
    assert os.listdir(tmp_path / "new") == ["x.json"]


def test_hidden_names_are_left_out(tmp_path):
    for name in ("b", ".c", "a"):
        (tmp_path / name).touch()
    assert utils.listdir_nohidden(str(tmp_path), sort=True) == ["a", "b"]
    assert utils.check_isfile(str(tmp_path / "a"))
    with pytest.warns(UserWarning, match="zz"):
        assert not utils.check_isfile(str(tmp_path / "zz"))


def test_a_seed_fixes_all_three_generators():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    utils.set_random_seed(3)
    one = draw()
    utils.set_random_seed(3)
    assert draw() == one


def test_meters_show_the_last_value_and_the_mean():
    meter = utils.MetricMeter()
    meter.update({"loss": torch.tensor(1.0), "acc": 50})
    meter.update({"loss": 2.0})
    meter.update(None)
    assert str(meter) == "loss 2.0000 (1.5000) acc 50.0000 (50.0000)"
    with pytest.raises(TypeError):
        meter.update([1.0])
    weighted, moving = utils.AverageMeter(), utils.AverageMeter(ema=True)
    for value, count in ((1.0, 3), (5.0, 1)):
        weighted.update(value, count)
        moving.update(value)
    assert (weighted.avg, moving.avg) == (2.0, pytest.approx(0.9 * 0.1 + 0.5))


def own_console(monkeypatch):
    """A console of the test's own, as Dassl's logger closes the one it was given."""
    console = io.StringIO()
    monkeypatch.setattr(sys, "stdout", console)
    return console


def test_what_is_printed_reaches_console_and_log(tmp_path, monkeypatch):
    console = own_console(monkeypatch)
    utils.setup_logger(str(tmp_path / "new"))
    print("one")
    sys.stdout.flush()
    assert console.getvalue() == (tmp_path / "new" / "log.txt").read_text() == "one\n"


def test_a_second_run_in_a_folder_leaves_the_first_log_alone(tmp_path, monkeypatch):
    own_console(monkeypatch)
    (tmp_path / "log.txt").write_text("first")
    utils.setup_logger(str(tmp_path))
    print("one")
    sys.stdout.flush()
    old, new = sorted(os.listdir(tmp_path))
    assert re.fullmatch(r"log\.txt-\d{4}(-\d\d){5}", new)
    assert (tmp_path / old).read_text() == "first"
    assert (tmp_path / new).read_text() == "one\n"


@builtin_only
def test_a_line_is_in_the_log_as_soon_as_it_is_printed(tmp_path, monkeypatch):
    own_console(monkeypatch)
    utils.setup_logger(str(tmp_path))
    print("one")
    assert (tmp_path / "log.txt").read_text() == "one\n"


@builtin_only
def test_a_second_logger_ends_the_first_and_the_console_stays_open(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    utils.setup_logger(str(tmp_path / "a"))
    print("one")
    utils.setup_logger(str(tmp_path / "b.log"))
    print("two")
    sys.stdout.close()
    print("three")
    assert (tmp_path / "a" / "log.txt").read_text() == "one\n"
    assert (tmp_path / "b.log").read_text() == "two\n"
    assert capsys.readouterr().out == "one\ntwo\nthree\n"


def state(model, epoch=1, **more):
    return {
        "state_dict": model.state_dict(),
        "epoch": epoch,
        "optimizer": None,
        "scheduler": None,
    } | more


def test_data_parallel_prefixes_are_dropped(tmp_path):
    model = torch.nn.Linear(2, 2)
    prefixed = {f"module.{key}": value for key, value in model.state_dict().items()}
    utils.save_checkpoint({"state_dict": prefixed, "epoch": 3}, str(tmp_path), is_best=True)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", "model-best.pth.tar", "model.pth.tar-3"]
    loaded = utils.load_checkpoint(str(tmp_path / "model-best.pth.tar"))
    assert list(loaded["state_dict"]) == ["weight", "bias"]


@builtin_only
def test_a_save_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    model = torch.nn.Linear(2, 2)
    utils.save_checkpoint(state(model), str(tmp_path), model_name="m")
    before = (tmp_path / "m").read_bytes()

    def half(_, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        utils.save_checkpoint(state(model, 2), str(tmp_path), model_name="m")
    assert (tmp_path / "m").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", "m"]


class Malice:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_no_code_in_a_checkpoint_is_run(tmp_path):
    path = str(tmp_path / "c.pth")
    torch.save({"state_dict": {}, "epoch": Malice(str(tmp_path / "made"))}, path)
    with pytest.raises(UserError, match=re.escape(path)):
        utils.load_checkpoint(path)
    assert os.listdir(tmp_path) == ["c.pth"]


@builtin_only
def test_numbers_of_numpy_are_saved_as_plain_ones(tmp_path):
    utils.save_checkpoint(state(torch.nn.Linear(1, 1), val_result=np.float64(12.5)), str(tmp_path))
    saved = torch.load(tmp_path / "model.pth.tar-1", weights_only=True)
    assert type(saved["val_result"]) is float


def test_checkpoints_with_numbers_of_numpy_are_read(tmp_path):
    path = str(tmp_path / "c.pth")
    torch.save({"val_result": np.float64(12.5)}, path)
    assert utils.load_checkpoint(path) == {"val_result": 12.5}


def test_weights_that_fit_are_copied_and_the_others_reported(tmp_path, capsys):
    given = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3))
    own = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 4))
    path = str(tmp_path / "w.pth")
    torch.save({f"module.{key}": value for key, value in given.state_dict().items()}, path)
    utils.load_pretrained_weights(own, path)
    assert torch.equal(own[0].weight, given[0].weight)
    assert "['1.weight', '1.bias']" in capsys.readouterr().out
    with pytest.warns(UserWarning, match=r"w\.pth"):
        utils.load_pretrained_weights(torch.nn.Linear(9, 9), path)


def test_layers_are_opened_and_closed_by_name():
    model = torch.nn.ModuleDict({"body": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 3)})
    utils.open_specified_layers(model, "head")
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    assert (model["body"].training, model["head"].training) == (False, True)
    utils.open_all_layers(model)
    assert all(p.requires_grad for p in model.parameters())
    assert utils.count_num_param(model) == 15
    assert utils.count_num_param(params=[{"params": model["head"].weight}, model["head"].bias]) == 9
    with pytest.raises(AssertionError):
        utils.open_specified_layers(model, "tail")


@pytest.mark.parametrize("kind", ["normal", "xavier", "kaiming", "orthogonal"])
def test_weights_are_drawn_anew(kind):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 4)
    )
    before = model[0].weight.clone()
    utils.init_network_weights(model, init_type=kind)
    assert not torch.equal(model[0].weight, before)
    assert (model[0].bias.abs().sum(), model[1].weight.sum(), model[2].bias.abs().sum()) == (
        0,
        4,
        0,
    )

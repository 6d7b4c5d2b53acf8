"""Checkpoint folders of the published codes: read whatever objects are in them, run nothing, and
written for them."""

from __future__ import annotations

import collections
import importlib
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import softcpt
from softcpt.artefacts.published_checkpoints import is_reference, read_reference
from softcpt.cli import main as cli
from tests.helpers.runs import agree, recorded_logits, run

Tensors = dict[str, torch.Tensor]


class Warmup:
    """What a published run pickles with its weights: a schedule that holds a live schedule,
    optimiser and all."""

    def __init__(self, parameter: torch.nn.Parameter):
        optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
        self.state = {
            "successor": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5),
            "last_epoch": 3,
            "milestones": collections.Counter([1, 2]),
            "result": np.float64(81.5),
        }


def published(
    path: Path, state: Tensors, epoch: int, scheduler: Any = None, **options: Any
) -> None:
    """Save as Dassl does."""
    scheduler = Warmup(torch.nn.Parameter(torch.zeros(3))).state if scheduler is None else scheduler
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "state_dict": collections.OrderedDict(state),
        "epoch": epoch,
        "scheduler": scheduler,
        "optimizer": {"state": {}, "param_groups": []},
        "val_result": np.float64(81.5),
    }
    torch.save(content, path, **options)


def softcpt_folder(folder: Path, *names: str) -> dict[str, Tensors]:
    """SoftCPT's three registered modules, under each of the file names."""
    modules = {
        "prompt_learner": {
            "0.token_prefix": torch.randn(3, 1, 8),
            "0.token_suffix": torch.randn(3, 4, 8),
        },
        "task_prompt_learner": {
            "ctx": torch.randn(4, 8).half(),
            "token_prefix": torch.randn(2, 1, 8),
        },
        "prompt_gen": {"proj": torch.randn(6, 16)},
    }
    for epoch, name in enumerate(names, 1):
        for module, state in modules.items():
            published(
                folder / module / name, {key: value + epoch for key, value in state.items()}, epoch
            )
    return modules


@pytest.mark.parametrize(
    "options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"]
)
def test_tensors_are_read_past_live_schedules_and_numpy_numbers(tmp_path, options):
    ctx = torch.randn(4, 8).half()
    published(tmp_path / "prompt_learner" / "model.pth.tar-50", {"ctx": ctx}, 50, **options)
    found = read_reference(tmp_path)
    assert found.epoch == 50 and list(found.tensors) == ["prompt_learner.ctx"]
    assert torch.equal(found.tensors["prompt_learner.ctx"], ctx)


def test_all_registered_modules_are_read_under_their_names(tmp_path):
    modules = softcpt_folder(tmp_path, "model.pth.tar-1")
    found = read_reference(tmp_path, 1).tensors
    assert found.keys() == {f"{module}.{key}" for module, state in modules.items() for key in state}
    assert torch.equal(found["prompt_gen.proj"], modules["prompt_gen"]["proj"] + 1)


def test_the_best_is_read_else_the_last_else_the_epoch_asked_for(tmp_path):
    softcpt_folder(tmp_path / "best", "model.pth.tar-2", "model-best.pth.tar", "model.pth.tar-10")
    softcpt_folder(tmp_path / "last", "model.pth.tar-2", "model.pth.tar-10", "model.pth.tar-9")
    assert (
        read_reference(tmp_path / "best").epoch == 2
    )  # each file's own epoch: it was written second
    assert read_reference(tmp_path / "last").epoch == 2  # -10 is later than -9
    assert read_reference(tmp_path / "best", 10).epoch == 3
    with pytest.raises(
        softcpt.UserError, match=r"model.pth.tar-7 is not in all of .*; epochs there: 2, 9, 10"
    ):
        read_reference(tmp_path / "last", 7)


def test_an_epoch_that_one_module_lacks_is_not_read(tmp_path):
    softcpt_folder(tmp_path, "model.pth.tar-1")
    published(tmp_path / "prompt_gen" / "model.pth.tar-2", {"proj": torch.zeros(6, 16)}, 2)
    assert read_reference(tmp_path).epoch == 1


def test_names_of_data_parallel_and_of_mvlpts_first_release_are_repaired(tmp_path):
    state = {"module.ctx": torch.zeros(2, 8), "upt_proj_ctx_coop_pre.weight": torch.zeros(4, 8)}
    published(tmp_path / "prompt_learner" / "model-best.pth.tar", state, 5)
    assert read_reference(tmp_path).tensors.keys() == {
        "prompt_learner.ctx",
        "prompt_learner.mvlpt_proj_ctx_coop_pre.weight",
    }


def test_objects_of_unknown_classes_are_skipped_and_their_modules_not_imported(
    tmp_path, monkeypatch
):
    code = "class Schedule(dict):\n    def __init__(self): self.rates = [1, 2]\n"
    (tmp_path / "strange_schedule.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    schedule = importlib.import_module("strange_schedule").Schedule()
    schedule["x"] = 1
    published(
        tmp_path / "prompt_learner" / "model.pth.tar-1",
        {"ctx": torch.ones(2, 8)},
        1,
        {"inner": schedule},
    )
    del sys.modules["strange_schedule"]
    assert torch.equal(read_reference(tmp_path).tensors["prompt_learner.ctx"], torch.ones(2, 8))
    assert "strange_schedule" not in sys.modules


class Call:
    """Pickled as a call of a function, which unpickling makes."""

    def __init__(self, function: Any, *args: Any):
        self.call = function, args

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    "function, name", [(os.system, "posix.system"), (eval, "builtin"), (exec, "builtin")]
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_calls_functions_is_refused_and_calls_nothing(
    tmp_path, function, name, protocol
):
    mark = tmp_path / "called"
    text = f"touch {mark}" if function is os.system else f"open({str(mark)!r}, 'w')"
    file = tmp_path / "prompt_learner" / "model.pth.tar-1"
    published(
        file,
        {"ctx": torch.ones(2, 8)},
        1,
        {"inner": Call(function, text)},
        pickle_protocol=protocol,
    )
    with pytest.raises(
        softcpt.UserError, match=f"prompt_learner/model.pth.tar-1: it would call .*{name}"
    ):
        read_reference(tmp_path)
    assert not mark.exists()


FOREIGN = {
    "text": lambda path: path.write_text("not a checkpoint"),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: (
        torch.save({"state_dict": {"ctx": torch.zeros(99)}}, path),
        path.write_bytes(path.read_bytes()[:400]),
    ),
    "plain pickle": lambda path: path.write_bytes(pickle.dumps({"state_dict": {}})),
    "no state_dict": lambda path: torch.save({"weights": torch.zeros(2)}, path),
    "tensor alone": lambda path: torch.save(torch.zeros(2), path),
    "no tensors": lambda path: torch.save({"state_dict": {"ctx": [1, 2]}, "epoch": 1}, path),
    "objects for tensors": lambda path: torch.save(
        {"state_dict": {"ctx": Warmup.__new__(Warmup)}, "epoch": 1}, path
    ),
    "TorchScript": lambda path: torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(
        str(path)
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_and_damaged_files_are_named_in_one_line(tmp_path, kind):
    file = tmp_path / "prompt_learner" / "model.pth.tar-1"
    file.parent.mkdir()
    FOREIGN[kind](file)
    with pytest.raises(
        softcpt.UserError, match=r"prompt_learner/model.pth.tar-1: (damaged|no state_dict)"
    ) as error:
        read_reference(tmp_path)
    assert "\n" not in str(error.value)


def evaluate(folder: Path, trainer: str, model: Path, *more: str) -> dict:
    return run(folder, trainer, "--eval-only", "--model-dir", str(model), *more, out="test")


@pytest.mark.parametrize(
    "trainer, modules",
    [
        ("SoftCPT", {"prompt_learner", "prompt_gen", "task_prompt_learner"}),
        ("CoOp", {"prompt_learner"}),
    ],
)
def test_a_run_goes_out_in_the_published_layout_and_comes_back(tmp_path, trainer, modules):
    with recorded_logits() as in_training:
        run(tmp_path, trainer, "TEST.FINAL_MODEL", "best_val", out="run")
    cli.main(["export", str(tmp_path / "run"), str(tmp_path / "published")])
    assert {path.name for path in (tmp_path / "published").iterdir()} == modules
    for module in modules:
        assert {path.name for path in (tmp_path / "published" / module).iterdir()} == {
            "model.pth.tar-5",
            "model-best.pth.tar",
            "checkpoint",
        }
        content = torch.load(tmp_path / "published" / module / "model.pth.tar-5", weights_only=True)
        assert content["epoch"] == 5 and isinstance(content["state_dict"], dict)
    with recorded_logits() as alone:
        tested = evaluate(tmp_path, trainer, tmp_path / "published")
    assert agree(alone, in_training[-2:])
    assert tested["loaded"]["prompt"] == str(tmp_path / "published")
    assert tested["selected"] == {"what": "epoch", "on": None, "value": tested["loaded"]["epoch"]}


def test_a_published_context_of_other_length_is_refused_with_the_shapes(tmp_path, capsys):
    state = {f"learners.{task}.ctx": torch.zeros(7, 64) for task in range(2)}
    published(tmp_path / "coop" / "prompt_learner" / "model.pth.tar-50", state, 50)
    with pytest.raises(SystemExit):
        evaluate(tmp_path, "CoOp", tmp_path / "coop")
    assert "(7, 64)" in capsys.readouterr().err


def test_methods_without_a_published_layout_are_not_exported(tmp_path, capsys):
    run(tmp_path, "ProtoNet", out="run")
    with pytest.raises(SystemExit):
        cli.main(["export", str(tmp_path / "run"), str(tmp_path / "published")])
    assert "method ProtoNet" in capsys.readouterr().err
    assert not is_reference(tmp_path / "published")


def test_a_folder_without_prompts_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["export", str(tmp_path), str(tmp_path / "published")])
    assert f"{tmp_path / 'prompt'}: no prompts" in capsys.readouterr().err

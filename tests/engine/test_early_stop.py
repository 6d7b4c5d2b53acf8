"""Early stopping on validation images: when, what counts, and what a continuation finds."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

import softcpt
from softcpt.engine.early_stop import EarlyStop
from softcpt.engine.fit_choice import EpochChoice
from softcpt.engine.trainer import PromptTrainer
from softcpt.errors import UserError
from softcpt.grid.state import read_result
from tests.helpers.runs import identical, interrupted_before, prompt, run
from tests.helpers.toy import Toy

# Figures on validation images, epoch by epoch: the best is the third, and the sixth is not better.
FIGURES = [50.0, 40.0, 60.0, 60.0, 55.0, 59.0, 90.0, 95.0]
EARLY = ("TRAIN.EARLY_STOP", "3")
TASKS = softcpt.TaskSet(
    [softcpt.Task("pets", ["cat", "dog"]), softcpt.Task("fruit", ["apple", "pear", "plum"])]
)


@pytest.fixture
def figures(monkeypatch):
    """Validation finds FIGURES; returns the epochs that were tested."""
    seen = []

    def counted(trainer, found, results):
        seen.append(trainer.epoch + 1)
        return FIGURES[trainer.epoch]

    monkeypatch.setattr(PromptTrainer, "figure_that_counts", counted)
    return seen


@pytest.mark.parametrize(
    ("patience", "stopped", "best"), [(1, 2, 1), (2, 5, 3), (3, 6, 3), (4, None, 8)]
)
def test_it_stops_after_so_many_epochs_without_a_better_one(patience, stopped, best):
    rule = EarlyStop(patience)
    for epoch, figure in enumerate(FIGURES, 1):
        rule.add(epoch, figure)
        if rule.stops:
            break
    assert (rule.stopped_after, rule.best_epoch) == (stopped, best)
    again = EarlyStop(patience)
    again.load(rule.state(), "file")
    assert again == rule
    with pytest.raises(UserError, match=r"early_stop is damaged \(best_epoch is 'x'\)"):
        again.load(rule.state() | {"best_epoch": "x"}, "file")


@pytest.mark.parametrize(
    ("final_model", "value"), [("best_val", 3), ("last_step", 6)], ids=["best_val", "last_step"]
)
def test_a_run_stops_and_says_what_was_chosen(tmp_path, capsys, figures, final_model, value):
    flags = (*EARLY, "TEST.FINAL_MODEL", final_model)
    found = run(tmp_path, "CoOp", *flags, epochs=8)
    assert [entry["epoch"] for entry in found["curve"]] == [1, 2, 3, 4, 5, 6]
    assert figures[:6] == [1, 2, 3, 4, 5, 6]  # each validated once
    assert found["early_stop"] == {
        "patience": 3,
        "on": "val",
        "best": 60.0,
        "best_epoch": 3,
        "stopped_after": 6,
    }
    assert found["selected"] == {"what": "epoch", "on": "val", "value": value}
    assert found["shared"]["early_stop"] == 3 and found["shared"]["epochs"] == 8
    assert "was not exceeded in 3 epochs, so epoch 6 is the last" in capsys.readouterr().out
    # The epochs before are those of a run that does not stop, and its prompt is that epoch's.
    run(tmp_path, "CoOp", "TRAIN.CHECKPOINT_FREQ", str(value), out="whole", epochs=8)
    kept = tmp_path / "out" / "prompt"
    name = "best" if final_model == "best_val" else "epoch-6"
    same = tmp_path / "whole" / "prompt" / f"epoch-{value}.safetensors"
    assert identical(*map(load_file, (kept / f"{name}.safetensors", same)))
    tested = run(tmp_path, "CoOp", "--eval-only", "--model-dir", str(tmp_path / "out"), out="eval")
    assert tested["selected"] == found["selected"] and tested["early_stop"] is None
    assert tested["tasks"] == found["tasks"]


def test_a_run_that_never_stops_chose_nothing(tmp_path, figures):
    found = run(tmp_path, "CoOp", *EARLY, epochs=5)
    assert figures and found["selected"] is None
    assert found["early_stop"]["stopped_after"] is None and len(found["curve"]) == 5


def test_a_killed_run_stops_at_the_same_epoch_and_then_only_tests(tmp_path, figures):
    whole = run(tmp_path, "CoOp", *EARLY, out="whole", epochs=8)
    with interrupted_before(5):
        run(tmp_path, "CoOp", *EARLY, out="killed", epochs=8)
    for _ in range(2):  # the second time it is done, as a grid sees, too
        figures.clear()
        again = run(tmp_path, "CoOp", *EARLY, out="killed", epochs=8)
        assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "killed"))
        for key in ("early_stop", "selected", "tasks", "curve"):
            assert again[key] == whole[key], key
    assert len(figures) <= 1  # the test
    assert read_result(str(tmp_path / "killed")) is not None


def test_an_epoch_is_not_chosen_without_validation_images(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Toy, "val", property(lambda _: []), raising=False)
    with pytest.raises(SystemExit):
        run(tmp_path, "CoOp", *EARLY)
    said = "TRAIN.EARLY_STOP: there are no validation images, and no epoch is chosen on test"
    assert said in capsys.readouterr().err
    run(tmp_path, "ProtoNet", *EARLY)  # it has no epochs


# -- fit -------------------------------------------------------------------------------------------


def data_of(clip, val=True):
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(20, clip.embed_dim, generator=generator)
    labels = torch.arange(20) % 5
    return softcpt.FeatureData(TASKS, features, labels, *((features, labels) if val else ()))


def fitted(clip, val=True, **more):
    settings = {"epochs": 8, "batch_size": 10, "n_ctx": 2, "lr": 0.1, "progress": False}
    return softcpt.fit("CoOp", clip, data_of(clip, val), **(settings | more))


@pytest.fixture
def fit_figures(monkeypatch):
    """The same for fit."""
    monkeypatch.setattr(EpochChoice, "figure", lambda choice: FIGURES[choice.learner.epoch])


@pytest.mark.parametrize(
    ("final_model", "value"), [("best_val", 3), ("last_step", 6)], ids=["best_val", "last_step"]
)
def test_a_fit_stops_like_a_run(clip, tmp_path, fit_figures, final_model, value):
    states = {}

    def keep(end):
        state = end.adapted.method.state_dict()
        states[end.epoch] = {name: tensor.clone() for name, tensor in state.items()}

    def interrupt(end):
        if end.epoch == 4:
            raise KeyboardInterrupt

    asked = {"early_stop": 3, "final_model": final_model}
    found = fitted(clip, callbacks=[keep], **asked)
    assert [*states] == [1, 2, 3, 4, 5, 6]
    assert identical(found.method.state_dict(), states[value])
    assert found.record.selected == {"what": "epoch", "on": "val", "value": value}
    assert found.record.early_stop["stopped_after"] == 6
    assert found.record.settings["early_stop"] == 3
    with pytest.raises(KeyboardInterrupt):
        fitted(clip, folder=tmp_path, callbacks=[interrupt], **asked)
    for _ in range(2):  # the second goes on from the end
        resumed = fitted(clip, resume_from=tmp_path, **asked)
        assert identical(resumed.method.state_dict(), states[value])
        assert resumed.record.early_stop == found.record.early_stop
        assert resumed.record.selected == found.record.selected


def test_a_fit_keeps_the_first_epoch_that_is_best_on_validation(clip):
    data, found = data_of(clip), []
    features = torch.nn.functional.normalize(data.val_features, dim=1)

    def measure(end):
        right = TASKS.predict(end.adapted.method.logits(features), data.val_labels)
        right = (right == data.val_labels).float()
        owners = TASKS.task_of_class[data.val_labels]
        found.append(sum(right[owners == task].mean().item() for task in range(len(TASKS))))

    chosen = fitted(clip, final_model="best_val", callbacks=[measure]).record
    best = 1 + found.index(max(found))
    assert chosen.selected == {"what": "epoch", "on": "val", "value": best}
    assert chosen.early_stop is None and len(chosen.curve) == 8
    with pytest.raises(UserError, match="there are no validation images"):
        fitted(clip, val=False, early_stop=2)

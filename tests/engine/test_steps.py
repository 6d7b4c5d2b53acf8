"""A training that is counted in steps, in place of epochs."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.engine import config
from softcpt.engine.steps import epochs_given, wanted_steps, with_epochs
from tests.helpers.runs import run

TASKS = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])


@pytest.mark.parametrize(
    ("pairs", "images", "steps"),
    [
        ([], 40, 0),
        (["OPTIM.MAX_STEPS", "7"], 40, 7),
        (["OPTIM.STEPS_PER_SHOT", "7"], 40, 4 * 7),  # ten classes
        (["OPTIM.STEPS_PER_SHOT", "7"], 3, 7),
        (["OPTIM.STEPS_PER_SHOT", "7"], 10_000, 16 * 7),
        (["OPTIM.STEPS_PER_SHOT", "7", "OPTIM.MAX_STEPS", "9"], 40, 9),
        (["OPTIM.MAX_STEPS", "9", "OPTIM.STEPS_PER_SHOT", "7"], 40, 28),
        (["OPTIM.MAX_STEPS", "9", "OPTIM.MAX_EPOCH", "3"], 40, 0),
        (["OPTIM.MAX_EPOCH", "3", "OPTIM.MAX_STEPS", "9"], 40, 9),
        (["OPTIM.MAX_STEPS", "9", "OPTIM.STEPS_PER_SHOT", "0"], 40, 9),
    ],
)
def test_of_what_says_how_long_to_train_the_one_given_last_counts(pairs, images, steps):
    cfg = config.default_config()
    config.merge_pairs(cfg, pairs)
    assert wanted_steps(cfg, images, 10) == steps
    assert epochs_given(cfg) == (None if steps else cfg.OPTIM.MAX_EPOCH)


@pytest.mark.parametrize(
    ("steps", "batches", "epochs"), [(0, 4, 10), (1, 4, 1), (8, 4, 2), (9, 4, 3), (5, 0, 5)]
)
def test_epochs_are_as_many_as_give_the_steps(steps, batches, epochs):
    cfg = config.default_config()
    assert epochs == with_epochs(cfg, steps, batches).OPTIM.MAX_EPOCH
    assert cfg.OPTIM.MAX_EPOCH == 10  # as it was given


def test_a_run_of_steps_is_the_run_of_their_epochs(tmp_path):
    """Schedule and weights are, and results.json says which was given."""
    counted = run(tmp_path, "CoOp", "OPTIM.MAX_STEPS", "12", out="steps")
    epochs = len(counted["curve"])
    same = run(tmp_path, "CoOp", out="epochs", epochs=epochs)
    assert epochs > 1
    assert counted["curve"] == same["curve"]
    assert counted["overall"] == same["overall"]
    shared = counted["shared"], same["shared"]
    assert [each["steps"] for each in shared] == [12, 0]
    assert [each["epochs"] for each in shared] == [None, epochs]


def test_fit_counts_steps(golden_clip):
    features = torch.randn(8, golden_clip.embed_dim, generator=torch.Generator().manual_seed(1))
    data = softcpt.FeatureData(TASKS, features, torch.arange(8) % 2)
    settings = {"n_ctx": 2, "batch_size": 4, "progress": False}
    counted = softcpt.fit("CoOp", golden_clip, data, steps=5, **settings)
    same = softcpt.fit("CoOp", golden_clip, data, epochs=3, **settings)
    assert torch.equal(counted.method.contexts(), same.method.contexts())
    assert (counted.record.settings["steps"], counted.record.settings["epochs"]) == (5, None)

"""What results.json tells beside accuracy: how alike the tasks' contexts are, and what must be
equal in a comparison."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt.engine.results import context_gram
from tests.helpers.runs import run

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("flower", ["rose", "tulip"]),
        softcpt.Task("tree", ["oak"]),
        softcpt.Task("land use", ["forest", "sea", "lake"]),
    ]
)


@pytest.mark.parametrize("method", ["CoOp", "SoftCPT", "PLOT"])
def test_the_gram_is_of_the_contexts_that_tasks_have(golden_clip, method):
    prompter = softcpt.build_prompter(method, golden_clip, TASKS, n_ctx=3)
    each = [prompter.contexts([task]).detach().flatten().double() for task in range(3)]
    found = context_gram(prompter)
    assert found["tasks"] == ["flower", "tree", "land use"]
    torch.testing.assert_close(
        torch.tensor(found["gram"]),
        torch.tensor([[float(a @ b) for b in each] for a in each], dtype=torch.double).float(),
        rtol=1e-5,
        atol=1e-7,
    )


def test_contexts_of_classes_count_with_their_mean(golden_clip):
    prompter = softcpt.build_prompter("CoOp", golden_clip, TASKS, n_ctx=3, csc=True)
    means = torch.stack(
        [prompter.contexts([task]).detach().double().mean(dim=0).flatten() for task in range(3)]
    )
    found = torch.tensor(context_gram(prompter)["gram"])
    torch.testing.assert_close(found, (means @ means.t()).float(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["CoOp-MT", "ZeroShot", "LinearProbe"])
def test_one_context_for_all_or_none_relates_nothing(golden_clip, method):
    assert context_gram(softcpt.build_prompter(method, golden_clip, TASKS)) is None


def test_two_tasks_have_no_relations(golden_clip):
    assert (
        context_gram(softcpt.build_prompter("CoOp", golden_clip, softcpt.TaskSet(list(TASKS)[:2])))
        is None
    )


def test_a_comparison_is_known_by_its_images_and_schedule(tmp_path):
    def shared(name: str, *pairs: str) -> dict:
        return run(tmp_path, "CoOp", *pairs, out=name, epochs=1)["shared"]

    first = shared("first")
    assert (first["epochs"], first["batch_size"], first["schedule"], first["optimiser"]) == (
        1,
        8,
        "cosine",
        "sgd",
    )
    assert first == shared("again")
    new = shared("new", "DATASET.SUBSAMPLE_CLASSES", "all", "DATALOADER.TRAIN_X.BATCH_SIZE", "4")
    assert {key for key in first if first[key] != new[key]} == {"batch_size"}

"""SoftCPT with the generators of FedTPG and MPT: their equations in float64, and what they do with
other classes and tasks."""

from __future__ import annotations

import json

import pytest
import torch

from softcpt import Task, TaskSet, UserError, build_prompter
from softcpt.prompters.class_name_attention import ClassNameAttention
from softcpt.prompters.scaled_context import ScaledContext
from tests.helpers.equations import name_attention, scaled_context
from tests.helpers.runs import identical, interrupted_before, prompt
from tests.helpers.task_parts import BIRDS, FRUIT, SIGNS, TASKS, alike, run

NAMES = ("SoftCPT-FedTPG", "SoftCPT-MPT")


def moved(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The module in float64, its parameters away from zeros and ones."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
    return module


def compared(module, tasks, by_hand) -> None:
    """Outputs and all gradients of (K, L, d) contexts against a plain statement of them."""
    plain = {
        f"prompt_gen.{name}": parameter.detach().clone().requires_grad_()
        for name, parameter in module.named_parameters()
    }
    ours, wanted = module(tasks), torch.stack([by_hand(plain, task) for task in tasks])
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-10)
    weight = torch.randn(ours.shape, dtype=torch.float64)
    gradients = torch.autograd.grad((weight * ours).sum(), list(module.parameters()))
    expected = torch.autograd.grad((weight * wanted).sum(), list(plain.values()))
    for name, one, other in zip(plain, gradients, expected):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("features", [12, 8])
def test_class_name_attention_is_its_equation(features):
    """With as many features as the context is wide torch keeps its weights otherwise."""
    torch.manual_seed(0)
    names, sizes = torch.randn(9, features, dtype=torch.float64), (5, 1, 3)
    module = moved(ClassNameAttention(names, sizes, 2, 8))
    module.names = torch.nn.utils.rnn.pad_sequence(names.split(list(sizes)), batch_first=True)
    compared(module, [0, 2, 1], lambda p, task: name_attention(names.split(list(sizes))[task], p))


def test_a_scaled_context_is_its_equation():
    torch.manual_seed(0)
    compared(moved(ScaledContext(3, 2, 5)), [2, 0], scaled_context)


@pytest.mark.parametrize("name", NAMES)
def test_all_tasks_or_some_have_the_same_contexts(clip, name):
    prompter = build_prompter(name, clip, TASKS, n_ctx=3)
    moved(prompter.prompt_gen).float()
    every = prompter.contexts()
    assert every.shape == (3, 3, clip.text_width)
    torch.testing.assert_close(prompter.contexts([1, 2]), every[1:], rtol=1e-5, atol=1e-6)
    # A part of the classes: the context is that of all of the task's.
    torch.testing.assert_close(
        prompter.contexts(classes=torch.tensor([1, 8])), every[:2], rtol=1e-5, atol=1e-6
    )


def test_all_tasks_start_from_one_context_with_mpt(clip):
    contexts = build_prompter("SoftCPT-MPT", clip, TASKS).contexts()
    assert (contexts == contexts[0]).all() and contexts.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_order_of_classes_does_not_matter_and_their_names_do(clip):
    torch.manual_seed(0)
    trained = build_prompter("SoftCPT-FedTPG", clip, TaskSet([FRUIT, SIGNS]), n_ctx=3)
    turned, fewer = (
        trained.for_tasks(TaskSet([Task("another name", names)])).contexts()
        for names in (FRUIT.class_names[::-1], FRUIT.class_names[:3])
    )
    torch.testing.assert_close(turned[0], trained.contexts()[0], rtol=1e-5, atol=1e-6)
    assert (fewer[0] - trained.contexts()[0]).norm() > 1e-3


def test_what_belongs_to_tasks_is_found_by_their_names_or_refused(clip):
    trained = build_prompter("SoftCPT-MPT", clip, TASKS, n_ctx=3)
    moved(trained.prompt_gen).float()
    other = trained.for_tasks(TaskSet([BIRDS, FRUIT]))
    assert torch.equal(other.contexts(), trained.contexts()[[2, 0]])
    with pytest.raises(UserError, match="task 'cars': what was trained has parts for each of its"):
        trained.for_tasks(TaskSet([Task("cars", ["bus", "van"])]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"csc": True}, "option csc = True: the generator fedtpg reads no features of tasks"),
        ({"task_csc": True}, "option task_csc = True"),
        ({"task_ctx_init": "a photo"}, "option task_ctx_init = 'a photo'"),
        ({"task_text": "none"}, "option task_text = 'none'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_of_features_that_are_not_read_are_refused(clip, options, message):
    with pytest.raises(UserError, match=message):
        build_prompter("SoftCPT", clip, TASKS, generator="fedtpg", **options)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(UserError, match="width 6 cannot be divided among 4 heads"):
        ClassNameAttention(torch.zeros(2, 8), (2,), 1, 6)


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("generator", ["fedtpg", "mpt"])
def test_runs_are_named_continued_and_tested_on_parts(tmp_path, generator):
    option = ("TRAINER.SOFTCPT.GENERATOR", generator, "OPTIM.MAX_EPOCH", "2")
    run(tmp_path, "SoftCPT", "whole", *option)
    with interrupted_before(1):
        run(tmp_path, "SoftCPT", "stopped", *option)
    run(tmp_path, "SoftCPT", "stopped", *option)
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))
    results = json.loads((tmp_path / "whole" / "results.json").read_text())
    assert results["method"] == {"fedtpg": "SoftCPT-FedTPG", "mpt": "SoftCPT-MPT"}[generator]
    part = ("DATASET.SUBSAMPLE_TASKS", "task1")
    tested = run(tmp_path, "SoftCPT", "part", *part, model="whole")
    whole = run(tmp_path, "SoftCPT", "all", model="whole")
    assert alike(tested.prompter.contexts()[0], whole.prompter.contexts()[1])
    # CoOp starts from the contexts that it makes.
    coop = run(tmp_path, "CoOp", "coop", *part, "OPTIM.MAX_EPOCH", "0", model="whole")
    assert alike(coop.prompter.contexts(), tested.prompter.contexts())

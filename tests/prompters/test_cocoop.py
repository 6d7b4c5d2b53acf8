"""CoCoOp against a loop over images, its memory bound, and what it shares with its published
code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt.engine.config import default_config
from tests.helpers.coop_family import (
    TASK_SETS,
    batch,
    build,
    embed,
    five_steps_agree,
    own,
)


def logits_by_hand(clip, tasks, state, features, task: int) -> torch.Tensor:
    """(B, C') logits of one task's classes, image after image."""
    p, rows = own(state, tasks, task), []
    for x in features:
        hidden = torch.relu(p["meta_net.linear1.weight"] @ x + p["meta_net.linear1.bias"])
        shift = p["meta_net.linear2.weight"] @ hidden + p["meta_net.linear2.bias"]
        rows.append(
            clip.logit_scale.exp() * embed(clip, tasks[task].class_names, p["ctx"] + shift) @ x
        )
    return torch.stack(rows)


def step_by_hand(clip, tasks):
    def statement(state, features, labels):
        loss = 0
        for x, label in zip(features, labels.tolist()):
            task, local = tasks.to_local(label)
            loss += F.cross_entropy(
                logits_by_hand(clip, tasks, state, x[None], task), torch.tensor([local])
            ) / len(labels)
        gradients = torch.autograd.grad(loss, list(state.values()), allow_unused=True)
        return {
            name: gradient for name, gradient in zip(state, gradients) if gradient is not None
        }, loss

    return statement


@pytest.mark.parametrize("bound", [0, 16])
@pytest.mark.parametrize("case", TASK_SETS)
def test_loss_gradients_and_five_steps_are_those_of_a_loop_over_images(double_clip, case, bound):
    tasks = TASK_SETS[case]
    five_steps_agree(
        build("CoCoOp", double_clip, tasks, n_ctx=4, max_text_tokens=bound),
        step_by_hand(double_clip, tasks),
    )


@pytest.mark.parametrize("case", TASK_SETS)
def test_logits_of_all_classes_and_of_own_classes_are_those_of_a_loop(double_clip, case):
    tasks = TASK_SETS[case]
    prompter = build("CoCoOp", double_clip, tasks, n_ctx=4)
    features, labels = batch(double_clip, tasks)
    state = prompter.reference_state()
    wanted = torch.cat(
        [logits_by_hand(double_clip, tasks, state, features, task) for task in range(len(tasks))],
        dim=1,
    )
    assert torch.allclose(prompter.logits(features), wanted, rtol=1e-9)
    assert torch.allclose(prompter.classifier()(features), wanted, rtol=1e-9)
    owners = tasks.task_of_class[labels]
    restricted, _ = tasks.restrict(wanted, labels)
    assert torch.allclose(prompter.own_classifier()(features, owners), restricted, rtol=1e-9)
    assert torch.allclose(
        prompter.logits(features, [len(tasks) - 1]),
        wanted[:, tasks.columns(len(tasks) - 1)],
        rtol=1e-9,
    )


def test_training_encodes_an_image_with_the_classes_of_its_own_task_only(double_clip, monkeypatch):
    tasks = TASK_SETS["three tasks"]
    prompter = build("CoCoOp", double_clip, tasks, n_ctx=4)
    features, labels = batch(double_clip, tasks)
    original, encoded = double_clip.encode_prompts, []

    def counting(*args, **chosen):
        found = original(*args, **chosen)
        encoded.append(found[..., 0].numel())
        return found

    # As an item: what setattr puts back would stay with the instance, which other tests share.
    monkeypatch.setitem(vars(double_clip), "encode_prompts", counting)
    prompter.loss(features, labels)
    assert sum(encoded) == sum(tasks.sizes[tasks.to_local(label)[0]] for label in labels.tolist())


def test_parameters_have_the_published_names_shapes_and_number(double_clip):
    one = build(
        "CoCoOp", double_clip, TASK_SETS["one task"], ctx_init="a photo of a"
    ).reference_state()
    d, features = double_clip.text_width, double_clip.embed_dim
    assert {name: tuple(value.shape) for name, value in one.items()} == {
        "prompt_learner.ctx": (4, d),
        "prompt_learner.meta_net.linear1.weight": (features // 16, features),
        "prompt_learner.meta_net.linear1.bias": (features // 16,),
        "prompt_learner.meta_net.linear2.weight": (d, features // 16),
        "prompt_learner.meta_net.linear2.bias": (d,),
    }
    three = build(
        "CoCoOp", double_clip, TASK_SETS["three tasks"], ctx_init="a photo of a"
    ).reference_state()
    assert sum(value.numel() for value in three.values()) == 3 * sum(
        value.numel() for value in one.values()
    )
    assert "prompt_learner.learners.2.meta_net.linear1.weight" in three


def test_a_state_of_the_published_code_loads_for_one_task(double_clip):
    prompter = build("CoCoOp", double_clip, TASK_SETS["one task"], n_ctx=4)
    state = {name: torch.randn_like(value) for name, value in prompter.reference_state().items()}
    prompter.load_reference_state(
        state
        | {
            "prompt_learner.token_prefix": torch.zeros(3, 1, double_clip.text_width),
            "prompt_learner.token_suffix": torch.zeros(3, 72, double_clip.text_width),
        }
    )
    assert all(
        torch.equal(value, state[name]) for name, value in prompter.reference_state().items()
    )


def test_a_trained_prompt_serves_other_classes(double_clip):
    prompter = build("CoCoOp", double_clip, TASK_SETS["one task"], n_ctx=4)
    others = softcpt.TaskSet([softcpt.Task("kinds of fruit", ["mango", "lime"])])
    features, _ = batch(double_clip, TASK_SETS["one task"])
    wanted = logits_by_hand(double_clip, others, prompter.reference_state(), features, 0)
    assert torch.allclose(prompter.for_tasks(others).double().logits(features), wanted, rtol=1e-6)


def test_its_config_node_has_the_keys_that_the_published_trainer_reads():
    node = default_config().TRAINER.COCOOP
    assert (node.N_CTX, node.CTX_INIT, node.PREC) == (16, "", "fp16")

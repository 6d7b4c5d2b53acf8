"""KgCoOp against a plain statement of its loss, and what it shares with its published code."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import softcpt
from tests.helpers.coop_family import (
    TASK_SETS,
    build,
    embed,
    five_steps_agree,
    hand_written,
    own,
)


def step_by_hand(clip, tasks, weight):
    def statement(state, features, labels):
        loss, cosines = 0, []
        for task in sorted({tasks.to_local(label)[0] for label in labels.tolist()}):
            mine = tasks.task_of_class[labels] == task
            learned = embed(clip, tasks[task].class_names, own(state, tasks, task)["ctx"])
            logits = clip.logit_scale.exp() * features[mine] @ learned.t()
            loss += F.cross_entropy(
                logits, labels[mine] - tasks.offsets[task], reduction="sum"
            ) / len(labels)
            cosines.append(F.cosine_similarity(learned, hand_written(clip, tasks[task]), dim=1))
        loss = loss + weight * (1 - torch.cat(cosines).mean())
        gradients = torch.autograd.grad(loss, list(state.values()), allow_unused=True)
        return {
            name: gradient for name, gradient in zip(state, gradients) if gradient is not None
        }, loss

    return statement


@pytest.mark.parametrize(
    "options", [{}, {"weight": 1.5, "max_text_tokens": 16}, {"n_ctx": 3, "ctx_init": ""}]
)
@pytest.mark.parametrize("case", TASK_SETS)
def test_loss_gradients_and_five_steps_are_those_of_the_equation(double_clip, case, options):
    tasks = TASK_SETS[case]
    prompter = build("KgCoOp", double_clip, tasks, **options)
    five_steps_agree(prompter, step_by_hand(double_clip, tasks, options.get("weight", 8.0)))


def test_without_weight_it_is_coop(double_clip):
    tasks = TASK_SETS["three tasks"]
    ours, coop = (
        build("KgCoOp", double_clip, tasks, weight=0.0),
        build("CoOp", double_clip, tasks, n_ctx=4),
    )
    coop.load_reference_state(ours.reference_state())
    features, labels = (
        torch.randn(4, double_clip.embed_dim, dtype=torch.float64),
        torch.tensor([0, 3, 4, 7]),
    )
    torch.testing.assert_close(ours.loss(features, labels)[0], coop.loss(features, labels)[0])


def test_its_context_starts_from_four_words(double_clip):
    words = torch.tensor(double_clip.tokenizer.encode("a photo of a"))
    state = softcpt.build_prompter("KgCoOp", double_clip, TASK_SETS["one task"]).reference_state()
    assert state.keys() == {"prompt_learner.ctx"}
    assert torch.equal(
        state["prompt_learner.ctx"], double_clip.model.token_embedding.weight[words].float()
    )


def test_a_state_of_the_published_code_loads_for_one_task(double_clip):
    prompter = build("KgCoOp", double_clip, TASK_SETS["one task"])
    ctx = torch.randn(4, double_clip.text_width)
    prompter.load_reference_state(
        {
            "prompt_learner.ctx": ctx,
            "prompt_learner.bias_vectors": torch.zeros(1, 512),
            "prompt_learner.meta_net.linear1.weight": torch.zeros(512, 512),
            "prompt_learner.meta_net.linear1.bias": torch.zeros(512),
            "prompt_learner.token_prefix": torch.zeros(3, 1, double_clip.text_width),
        }
    )
    assert torch.equal(prompter.prompt_learner.ctx, ctx.double())


def test_a_negative_weight_is_refused(double_clip):
    with pytest.raises(softcpt.UserError, match="option weight = -1.0"):
        softcpt.build_prompter("KgCoOp", double_clip, TASK_SETS["one task"], weight=-1.0)


@pytest.mark.parametrize("options", [{}, {"csc": True}, {"task_csc": True}])
def test_softcpt_takes_the_term_too(double_clip, options):
    tasks = TASK_SETS["three tasks"]
    held = build("SoftCPT", double_clip, tasks, weight=1.5, **options)
    free = build("SoftCPT", double_clip, tasks, **options)
    free.load_reference_state(held.reference_state())
    features = F.normalize(torch.randn(4, double_clip.embed_dim, dtype=torch.float64), dim=1)
    labels = torch.tensor([0, 0, 7, 7])  # of the first and the last task
    present = sorted({tasks.to_local(label)[0] for label in labels.tolist()})
    written = torch.cat([hand_written(double_clip, tasks[task]) for task in present])
    cosines = F.cosine_similarity(free.class_embeddings(present), written, dim=1)
    expected = free.loss(features, labels)[0] + 1.5 * (1 - cosines.mean())
    loss = held.loss(features, labels)[0]
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(loss, list(held.parameters()))
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, list(free.parameters())))
    with pytest.raises(softcpt.UserError, match="option weight = 1.0"):
        build("SoftCPT", double_clip, tasks, weight=1.0, cls_sample_rate=0.5)

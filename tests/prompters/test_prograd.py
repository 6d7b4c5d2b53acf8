"""ProGrad against a plain statement of its two gradients and their projection, with and without a
GradScaler."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt.prompters.prograd import project
from tests.helpers.coop_family import (
    TASK_SETS,
    batch,
    build,
    embed,
    five_steps_agree,
    hand_written,
    own,
)


def losses_by_hand(clip, tasks, state, features, labels, temperature):
    """Cross-entropy and distillation term, task after task."""
    entropy = divergence = 0
    for task in sorted({tasks.to_local(label)[0] for label in labels.tolist()}):
        mine = tasks.task_of_class[labels] == task
        scaled = clip.logit_scale.exp() * features[mine]
        student = scaled @ embed(clip, tasks[task].class_names, own(state, tasks, task)["ctx"]).t()
        teacher = scaled @ hand_written(clip, tasks[task]).t()
        entropy += F.cross_entropy(
            student, labels[mine] - tasks.offsets[task], reduction="sum"
        ) / len(labels)
        terms = torch.softmax(teacher / temperature, 1) * torch.log_softmax(
            student / temperature, 1
        )
        divergence -= temperature**2 * terms.sum() / len(labels)
    return entropy, divergence


def step_by_hand(clip, tasks, temperature, strength, conflicts):
    def statement(state, features, labels):
        losses = losses_by_hand(clip, tasks, state, features, labels, temperature)
        both = [
            torch.autograd.grad(loss, list(state.values()), retain_graph=True, allow_unused=True)
            for loss in losses
        ]
        gradients = {}
        for name, g, h in zip(state, *both):
            if g is None:
                continue
            g, h = g.flatten(), h.flatten()
            angle = torch.arccos(g @ h / (g.norm() * h.norm()))
            conflicts.append(bool(angle > torch.pi / 2))
            if conflicts[-1]:
                along = (g @ h) / (h @ h) * h
                g = g - strength * along
            gradients[name] = g.view_as(state[name])
        return gradients, losses[0]

    return statement


@pytest.mark.parametrize(
    "options",
    [
        {"n_ctx": 5},
        {"n_ctx": 5, "max_text_tokens": 16},
        {"ctx_init": "", "n_ctx": 4, "temperature": 2.5, "projection": 0.7},
    ],
)
@pytest.mark.parametrize("case", TASK_SETS)
def test_loss_gradients_and_five_steps_are_those_of_the_equations(double_clip, case, options):
    tasks, conflicts = TASK_SETS[case], []
    statement = step_by_hand(
        double_clip, tasks, options.get("temperature", 1), options.get("projection", 1), conflicts
    )
    five_steps_agree(build("ProGrad", double_clip, tasks, **options), statement)
    assert any(conflicts)  # else the projection was not put to the test


def test_the_projection_takes_out_what_is_in_conflict_and_nothing_else():
    g, h = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[0.0, -3.0], [0.0, 0.0]])
    assert torch.equal(project(g, h, 1.0), torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
    assert torch.equal(project(g, h, 0.5), torch.tensor([[1.0, 1.0], [0.0, -1.0]]))
    assert torch.equal(project(g, -h, 1.0), g)
    assert torch.equal(project(g, torch.zeros_like(h), 1.0), g)
    assert (
        not project(g, torch.full_like(h, torch.inf), 1.0).isfinite().all()
    )  # a GradScaler must see an overflow


def test_a_grad_scaler_changes_nothing(double_clip):
    tasks, stepped = TASK_SETS["three tasks"], []
    features, labels = batch(double_clip, tasks)
    for enabled in (False, True):
        prompter = build("ProGrad", double_clip, tasks, n_ctx=5)
        optimiser = torch.optim.SGD(prompter.parameters(), lr=0.02)
        scaler = torch.amp.GradScaler("cpu", enabled=enabled)
        for _ in range(3):
            optimiser.zero_grad()
            scaler.scale(prompter.loss(features, labels)[0]).backward()
            scaler.step(optimiser)
            scaler.update()
        stepped.append(prompter.reference_state())
    assert all(
        torch.allclose(stepped[0][name], stepped[1][name], rtol=1e-12, atol=0)
        for name in stepped[0]
    )


def test_the_context_ends_with_the_words_of_the_template(double_clip):
    state = softcpt.build_prompter(
        "ProGrad", double_clip, TASK_SETS["three tasks"]
    ).reference_state()
    for task, words in enumerate(["a photo of a", "a bad photo of a", "satellite view of"]):
        ids = torch.tensor(double_clip.tokenizer.encode(words))
        ctx = state[f"prompt_learner.learners.{task}.ctx"]
        assert ctx.shape == (16, double_clip.text_width) and not ctx[: -len(ids)].any()
        assert torch.equal(ctx[-len(ids) :], double_clip.model.token_embedding.weight[ids].float())


def test_the_published_name_loads_for_one_task(double_clip):
    prompter = build("ProGrad", double_clip, TASK_SETS["one task"])
    ctx = torch.randn(16, double_clip.text_width)
    prompter.load_reference_state(
        {"prompt_learner.ctx": ctx, "prompt_learner.token_suffix": torch.zeros(3, 60, 128)}
    )
    assert torch.equal(prompter.prompt_learner.ctx, ctx.double())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": 0.0}, "option temperature = 0.0"),
        ({"projection": -1.0}, "option projection = -1.0"),
        ({"n_ctx": 3}, "has 4 tokens"),
        ({"per_task": False}, "do not begin with the same words"),
    ],
)
def test_options_that_cannot_be_met_are_refused(double_clip, options, message):
    with pytest.raises(softcpt.UserError, match=message):
        softcpt.build_prompter("ProGrad", double_clip, TASK_SETS["three tasks"], **options)

"""PLOT against its equations in loops, in float64: local features given, naive 77-token prompts,
Sinkhorn step by step."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import softcpt
from softcpt.prompters.sinkhorn import transport_plan
from softcpt.testing.random_clip import random_openai_state_dict
from tests.helpers.equations import features as text_features
from tests.helpers.equations import multi_task_loss
from tests.helpers.runs import agree, close, prompt, recorded_logits, run

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["red apple", "red_apple pie", "kiwi"]),
        softcpt.Task("road signs", ["stop sign", "yield"]),
        softcpt.Task("weather", ["rain", "snow"]),
    ]
)
ONE = softcpt.TaskSet([TASKS[0]])


def build(clip, tasks, **options):
    torch.manual_seed(0)
    return softcpt.build_prompter("PLOT", clip, tasks, **{"n_ctx": 3, **options}).double()


def image_features(labels: Tensor, places: int = 6, width: int = 64) -> Tensor:
    """(B, 1 + M, D) unit vectors that lie around a direction of their class, so that similarities
    differ."""
    generator = torch.Generator().manual_seed(2)
    centres = torch.randn(10, width, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(labels), 1 + places, width, generator=generator, dtype=torch.float64)
    return F.normalize(centres[labels][:, None] + noise, dim=-1)


def sinkhorn(similarities: list[Tensor]) -> list[Tensor]:
    """Plans of many (M, N) similarities, one by one; they stop together, when their row scalings
    move little."""
    kernels = [((s - 1) / 0.1).exp() for s in similarities]
    rows = [torch.ones(k.shape[0], dtype=k.dtype) for k in kernels]
    columns = [torch.ones(k.shape[1], dtype=k.dtype) for k in kernels]
    for _ in range(100):
        moved = []
        for i, kernel in enumerate(kernels):
            new = torch.stack([1 / len(rows[i]) / (row @ columns[i]) for row in kernel])
            moved.append((new - rows[i]).abs())
            rows[i] = new
            columns[i] = torch.stack(
                [1 / len(columns[i]) / (column @ new) for column in kernel.t()]
            )
        if not moved or torch.cat(moved).mean() < 1e-2:
            break
    return [torch.outer(r, c) * kernel for r, c, kernel in zip(rows, columns, kernels)]


def naive_logits(
    clip, tasks, state: dict[str, Tensor], options, images: Tensor, owners: list[int] | None
) -> Tensor:
    """(B, C); with ``owners`` only what an image's own task needs, the rest -inf. Sinkhorn stops
    per task."""
    described = []
    for c in range(tasks.num_classes):
        task, local = tasks.to_local(c)
        ctx = state.get("prompt_learner.ctx", state.get(f"prompt_learner.learners.{task}.ctx"))
        contexts = ctx[local] if options.csc else ctx
        described.append(
            text_features(
                clip, [tasks.class_names[c]] * len(contexts), list(contexts), options.position
            )
        )
    values = {}
    for task in range(len(tasks)):
        pairs = [
            (b, c)
            for b in range(len(images))
            for c in range(tasks.num_classes)
            if tasks.to_local(c)[0] == task and (owners is None or owners[b] == task)
        ]
        similarities = [images[b, 1:] @ F.normalize(described[c], dim=-1).t() for b, c in pairs]
        plans = sinkhorn([s.detach() for s in similarities])
        values |= {pair: (plan * s).sum() for pair, plan, s in zip(pairs, plans, similarities)}
    if options.use_pooled:
        pooled = [F.normalize(texts.mean(dim=0), dim=0) for texts in described]
        values = {(b, c): value + images[b, 0] @ pooled[c] for (b, c), value in values.items()}
    scale, none = clip.logit_scale.exp().double(), torch.tensor(-math.inf, dtype=torch.float64)
    every = range(tasks.num_classes)
    return torch.stack(
        [
            torch.stack([scale * values[b, c] if (b, c) in values else none for c in every])
            for b in range(len(images))
        ]
    )


def near(ours: Tensor, wanted: Tensor) -> bool:
    finite = wanted.isfinite()
    return (
        torch.equal(ours.isfinite(), finite)
        and ((ours - wanted)[finite].norm() <= 1e-9 * wanted[finite].norm()).item()
    )


CASES = [
    (TASKS, {}),
    (ONE, {}),
    (TASKS, {"n_prompts": 2, "use_pooled": True, "position": "middle"}),
    (TASKS, {"csc": True, "position": "front"}),
    (TASKS, {"per_task": False}),
    (ONE, {"csc": True, "n_prompts": 1}),
]


@pytest.mark.parametrize("tasks, options", CASES)
def test_logits_loss_gradients_and_five_steps_are_those_of_the_equations(
    double_clip, tasks, options
):
    prompter = build(double_clip, tasks, **options)
    labels = (
        torch.tensor([0, 2, 3, 4, 1, 0]) % tasks.num_classes
    )  # no image of the last of three tasks
    owners = tasks.task_of_class[labels]
    images = image_features(labels)
    state = {name: value.requires_grad_() for name, value in prompter.reference_state().items()}
    assert near(
        prompter.logits(images),
        naive_logits(double_clip, tasks, state, prompter.options, images, None),
    )
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.002, momentum=0.9)
    naive_optimiser = torch.optim.SGD(state.values(), lr=0.002, momentum=0.9)
    for _ in range(5):
        logits = naive_logits(double_clip, tasks, state, prompter.options, images, owners.tolist())
        wanted = multi_task_loss(tasks, logits, labels)
        loss, accuracy = prompter.loss(images, labels)
        assert near(prompter.own_classifier()(images, owners), logits)
        assert abs(loss - wanted) <= 1e-9 * wanted
        assert accuracy == 100 * (logits.argmax(dim=1) == labels).float().mean()
        optimiser.zero_grad(), naive_optimiser.zero_grad()
        loss.backward(), wanted.backward()
        for name, parameter in prompter.named_parameters():
            gradients = [
                torch.zeros_like(p) if p.grad is None else p.grad for p in (parameter, state[name])
            ]
            assert torch.allclose(
                *gradients, rtol=1e-8, atol=1e-8 * gradients[1].abs().max().item()
            ), name
        optimiser.step(), naive_optimiser.step()
    assert all(near(parameter, state[name]) for name, parameter in prompter.named_parameters())


def test_a_plan_without_tolerance_has_the_marginals_and_no_better_neighbour():
    generator = torch.Generator().manual_seed(0)
    similarity = 2 * torch.rand(3, 7, 4, 5, generator=generator, dtype=torch.float64) - 1
    plan = transport_plan(similarity, iterations=2000, tolerance=0)
    assert torch.allclose(plan.sum(dim=2), torch.tensor(1 / 7, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(plan.sum(dim=1), torch.tensor(1 / 4, dtype=torch.float64), atol=1e-9)

    def cost(plan: Tensor) -> Tensor:
        return (plan * (1 - similarity) + 0.1 * plan * plan.log()).sum(dim=(1, 2))

    for m, n in ((0, 1), (3, 2)):  # moving mass round a square keeps the marginals
        for step in (1e-5, -1e-5):
            moved = plan.clone()
            moved[:, m, n] += step
            moved[:, 6, 3] += step
            moved[:, m, 3] -= step
            moved[:, 6, n] -= step
            valid = (moved > 0).all(dim=(1, 2))
            assert (cost(moved) > cost(plan))[valid].all() and valid.any()


@pytest.mark.parametrize("value", [-1.0, 1.0])
def test_plans_are_finite_at_the_ends_of_the_range_in_fp32(value):
    similarity = torch.full((2, 49, 4, 3), value)
    similarity[:, ::2] *= -1
    assert transport_plan(similarity).isfinite().all()


def test_a_joint_softmax_has_the_columns_of_all_tasks(double_clip):
    prompter = build(double_clip, TASKS, softmax="joint")
    labels = torch.tensor([0, 4, 6])
    images = image_features(labels)
    assert torch.allclose(
        prompter.loss(images, labels)[0], F.cross_entropy(prompter.logits(images), labels)
    )


def test_one_prompt_sees_the_mean_of_the_places(double_clip):
    prompter = build(double_clip, ONE, n_prompts=1)
    images = image_features(torch.tensor([0, 1, 2]))
    mean = (
        double_clip.logit_scale.exp() * images[:, 1:].mean(dim=1) @ prompter.class_embeddings().t()
    )
    assert torch.allclose(prompter.logits(images), mean, atol=1e-9)


def test_a_state_under_the_published_names_is_loaded(double_clip):
    prompter = build(double_clip, ONE, n_prompts=2)
    ctx = torch.randn(2, 3, double_clip.text_width)
    fixed = {
        "prompt_learner.token_prefix": torch.zeros(6, 1, 128),
        "prompt_learner.token_suffix": torch.zeros(6, 73, 128),
    }
    prompter.load_reference_state({"prompt_learner.ctx": ctx, **fixed})
    assert torch.equal(prompter.prompt_learner.ctx, ctx.double())


def test_wrong_options_are_named(double_clip):
    with pytest.raises(softcpt.UserError, match="option n_prompts = 0: .*give 1 or more"):
        build(double_clip, ONE, n_prompts=0)
    with pytest.raises(
        softcpt.UserError, match="option ctx_init = 'a photo': contexts that start alike stay alike"
    ):
        build(double_clip, ONE, ctx_init="a photo")


def test_image_features_are_the_towers_pooled_and_local_ones():
    single = softcpt.load_clip(random_openai_state_dict("resnet", text_layers=1))
    prompter = softcpt.build_prompter("PLOT", single, TASKS)
    x = torch.randn(2, 3, 64, 64)
    features = prompter.encode_image(x)
    assert torch.allclose(features, F.normalize(single.encode_image(x, spatial=True), dim=-1))
    assert torch.allclose(prompter(x), prompter.logits(features))
    assert torch.allclose(prompter.classifier()(features), prompter.logits(features))


def test_a_run_learns_from_the_bank_as_online_and_compares_with_pooled_zero_shot(tmp_path):
    two = ("TRAINER.PLOT.N", "2")
    with recorded_logits() as banked:
        bank = run(tmp_path, "PLOT", *two, out="bank")
    with recorded_logits() as online:
        run(tmp_path, "PLOT", *two, "FEATURES.MODE", "online", out="online")
    with recorded_logits() as of_coop:
        run(tmp_path, "CoOp", out="coop", epochs=1)
    learned = prompt(tmp_path / "bank")
    assert learned["prompt_learner.learners.0.ctx"].shape[0] == 2
    assert close(learned, prompt(tmp_path / "online"), atol=1e-5)
    assert bank["curve"][-1]["loss"] < bank["curve"][0]["loss"]
    assert agree(banked, online) and agree(banked[-1:], of_coop[-1:])

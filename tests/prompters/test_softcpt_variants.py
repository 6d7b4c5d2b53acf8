"""SoftCPT's variants: sizes and starts, descriptions, a sample of the classes, and the published
schedule."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from softcpt import TaskSet, UserError, build_prompter
from softcpt.engine.learner import Learner, Step
from softcpt.engine.trainer import PromptTrainer
from softcpt.prompters.context_generator import ContextGenerator
from tests.helpers.equations import multi_task_loss
from tests.helpers.runs import identical, interrupted_before, prompt
from tests.helpers.task_parts import FRUIT, SIGNS, TASKS, alike, oracle, run


def parameters(prompter) -> int:
    return sum(parameter.numel() for parameter in prompter.parameters())


# -- sizes and starts ------------------------------------------------------------------------------


def test_parameter_counts_of_the_published_table():
    linear = sum(p.numel() for p in ContextGenerator("lin", 1024, 1, 16, 512).parameters())
    tasks, width, features = 8, 512, 1024  # RS-8 on RN50
    assert linear == 8_388_608
    assert linear + tasks * features == 8_396_800  # SoftCPT*: a free feature per task
    assert (
        linear + 4 * 2 * width == 8_392_704
    )  # NATA as printed: twice what four context vectors hold
    assert linear + tasks * 4 * 2 * width == 8_421_376  # NATS as printed, likewise


def test_parameter_counts_of_the_variants(clip):
    d, features, t, c = clip.text_width, clip.embed_dim, len(TASKS), TASKS.num_classes
    linear = features * 16 * d
    counts = {
        "SoftCPT-NATA": linear + 4 * d,
        "SoftCPT-NATS": linear + t * 4 * d,
        "SoftCPT-Star": linear + t * features,
        "SoftCPT-CATA": 2 * linear + 8 * d,
        "SoftCPT-CSTA": 2 * linear + 4 * d + c * 4 * d,
        "SoftCPT-CATS": 2 * linear + 4 * d + t * 4 * d,
        "SoftCPT-CSTS": 2 * linear + (t + c) * 4 * d,
    }
    assert {name: parameters(build_prompter(name, clip, TASKS)) for name in counts} == counts
    small = build_prompter("SoftCPT", clip, TASKS, generator="lowrank", rank=8)
    assert parameters(small) == features * 8 + 8 * 16 * d + 4 * d


@pytest.mark.parametrize("kind", ["lowrank", "mlp"])
@pytest.mark.parametrize("rank", [4, 64])
def test_smaller_generators_start_with_contexts_as_large_as_the_linear_ones(kind, rank):
    torch.manual_seed(0)
    x = 3 * torch.randn(1, 256) + 0.5
    contexts = torch.stack([ContextGenerator(kind, 256, 1, 4, 64, rank)(x) for _ in range(400)])
    assert contexts.std().item() == pytest.approx(0.02 * x.norm().item(), rel=0.05)
    assert abs(contexts.mean()) < 0.02 * contexts.std()


def test_free_task_features_start_as_long_as_those_of_the_names(clip):
    words = ("red", "green", "old", "new", "rare", "ripe")
    tasks = TaskSet([replace(FRUIT, name=f"{word} fruit") for word in words])
    free = build_prompter("SoftCPT-Star", clip, tasks).task_features()
    named = build_prompter("SoftCPT", clip, tasks).task_features()
    assert free.norm(dim=1).mean().item() == pytest.approx(
        named.norm(dim=1).mean().item(), rel=0.15
    )


def test_generators_that_cannot_work_are_refused(clip):
    with pytest.raises(UserError, match="rank = 0"):
        build_prompter("SoftCPT", clip, TASKS, generator="mlp", rank=0)
    with pytest.raises(UserError, match="csc=True"):
        build_prompter("SoftCPT", clip, TASKS, generator="linmean")
    with pytest.raises(UserError, match="choose from lin, linmean, lincls, lowrank, mlp"):
        build_prompter("SoftCPT", clip, TASKS, generator="deep")


# -- descriptions ----------------------------------------------------------------------------------


def test_a_description_is_read_in_place_of_the_name(clip):
    texts = ["Say which fruit this is.", "signs at the road", "birds of gardens"]
    described = TaskSet([replace(task, description=text) for task, text in zip(TASKS, texts)])
    torch.manual_seed(0)
    by_description = build_prompter("SoftCPT", clip, described, task_text="description")
    torch.manual_seed(0)
    named = TaskSet([replace(task, name=text.rstrip(".")) for task, text in zip(TASKS, texts)])
    assert torch.equal(
        by_description.task_features(), build_prompter("SoftCPT", clip, named).task_features()
    )


def test_missing_and_too_long_descriptions_are_refused(clip):
    with pytest.raises(UserError, match="task 'road_signs': it has no description"):
        build_prompter(
            "SoftCPT",
            clip,
            TaskSet([replace(FRUIT, description="fruit"), SIGNS]),
            task_text="description",
        )
    with pytest.raises(UserError, match="tokens and the model takes 77"):
        build_prompter(
            "SoftCPT",
            clip,
            TaskSet([replace(FRUIT, description="fruit " * 80)]),
            task_text="description",
        )
    with pytest.raises(UserError, match="there are 3 tasks"):
        TASKS.described("everything")


def test_descriptions_come_from_the_command_line_or_a_file(tmp_path):
    options = ["TRAINER.SOFTCPT.TASK_TEXT", "description"]
    given = [
        "DATASET.SUBSAMPLE_TASKS",
        "task0",
        "DATASET.TASK_DESCRIPTION",
        "what flower is in the picture",
    ]
    trainer = run(tmp_path, "SoftCPT", "given", *options, *given)
    assert trainer.tasks[0].description == "what flower is in the picture"
    wanted = oracle(trainer.prompter, trainer.tasks, prompt(tmp_path / "given"))
    assert alike(trainer.prompter.class_embeddings(), wanted)
    for name in ("sofa", "chair"):
        (tmp_path / "seats" / name).mkdir(parents=True)
        for number in range(8):
            Image.new("RGB", (32, 32), (30 * number, 0, 0)).save(
                tmp_path / "seats" / name / f"{number}.png"
            )
    (tmp_path / "seats" / "task_desc.txt").write_text("tell seats apart\n")
    place = ["DATASET.NAME", "ImageFolder", "DATASET.ROOT", str(tmp_path / "seats")]
    assert (
        run(tmp_path, "SoftCPT", "read", *options, *place).tasks[0].description
        == "tell seats apart"
    )


# -- a sample of the classes -----------------------------------------------------------------------

LABELS = torch.tensor([0, 2, 2, 8, 0, 9])  # two of the seven fruits, two of the five signs, no bird


def test_a_sample_has_the_batch_s_classes_and_a_share_of_the_others():
    torch.manual_seed(0)
    draws = [TASKS.sample_classes(LABELS, 0.3).tolist() for _ in range(40)]
    for drawn in draws:
        assert drawn == sorted(set(drawn)) and {0, 2, 8, 9} <= set(drawn)
        assert sum(label < 7 for label in drawn) == 2 + math.ceil(0.3 * 5)
        assert sum(7 <= label < 12 for label in drawn) == 2 + math.ceil(0.3 * 3)
        assert max(drawn) < 12
    assert set().union(*draws) == set(range(12))  # every other class has its turn
    assert TASKS.sample_classes(LABELS, 1.0).tolist() == list(range(12))
    torch.manual_seed(0)
    assert TASKS.sample_classes(LABELS, 0.3).tolist() == draws[0]


@pytest.mark.parametrize(
    "method, options",
    [
        ("SoftCPT", {}),
        ("SoftCPT-CATA", {}),
        ("SoftCPT-CSTS", {"position": "middle"}),
        ("SoftCPT-Star", {"csc": True}),
        ("CoOp", {}),
        ("CoOp", {"csc": True}),
        ("CoOp-MT", {"csc": True, "position": "front"}),
    ],
)
def test_the_loss_of_a_sample_is_the_softmax_over_its_columns(clip, method, options):
    torch.manual_seed(1)
    prompter = build_prompter(method, clip, TASKS, cls_sample_rate=0.3, **options)
    state = {name: value.requires_grad_() for name, value in prompter.reference_state().items()}
    features = F.normalize(torch.randn(6, clip.embed_dim), dim=-1)
    torch.manual_seed(5)
    kept = TASKS.sample_classes(LABELS, 0.3).tolist()
    columns = [[label for label in kept if TASKS.to_local(label)[0] == task] for task in range(3)]
    logits = clip.logit_scale.exp() * features @ oracle(prompter, TASKS, state).t()
    by_hand = multi_task_loss(TASKS, logits, LABELS, columns)
    torch.manual_seed(5)
    loss, _ = prompter.loss(features, LABELS)
    assert abs(loss - by_hand) < 1e-5 * max(1, by_hand)
    loss.backward()
    for (name, parameter), wanted in zip(
        prompter.named_parameters(), torch.autograd.grad(by_hand, state.values())
    ):
        gradient = (
            torch.zeros_like(wanted) if parameter.grad is None else parameter.grad
        )  # a task without an image
        assert (gradient - wanted).norm() <= 1e-4 * wanted.norm(), name
    assert len(prompter.class_embeddings()) == TASKS.num_classes  # tests see all classes


def test_sampling_is_refused_where_it_cannot_be(clip):
    with pytest.raises(UserError, match="give 0 to 1"):
        build_prompter("CoOp", clip, TASKS, cls_sample_rate=2.0)
    with pytest.raises(UserError, match="PLOT encodes all classes"):
        build_prompter("PLOT", clip, TASKS, cls_sample_rate=0.1)


# -- the published schedule ------------------------------------------------------------------------

REFERENCE = ["OPTIM.REFERENCE_SCHEDULE", "True"]
# Measured on the published code: SoftCPT-NATA, 50 epochs.
PUBLISHED_RATES = {
    1: 1e-5,
    2: 1.99e-3,
    5: 1.77e-3,
    10: 9.37e-4,
    14: 2.71e-4,
    17: 1.8e-5,
    18: 0,
    20: 7.0e-5,
    26: 9.37e-4,
    30: 1.64e-3,
    34: 1.99e-3,
    35: 2e-3,
    40: 1.54e-3,
    45: 6.32e-4,
    48: 1.91e-4,
    50: 3.1e-5,
}


def rates(folder: Path, *pairs: str) -> list[float]:
    """The learning rate of each of 50 epochs, as the trainer sets it; nothing is computed."""
    seen = []

    def no_step(self, batch):
        self.optimiser.step()
        return Step(0.0, 0.0)

    def note_rate(self):
        seen.append(self.rate)
        update_rate(self)

    update_rate = Learner.update_rate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "step", no_step)
        patch.setattr(Learner, "update_rate", note_rate)
        run(folder, "SoftCPT", "rates", "OPTIM.MAX_EPOCH", "50", "OPTIM.LR", "0.002", *pairs)
    return seen


def test_learning_rates_are_those_of_the_published_code(tmp_path):
    seen = rates(tmp_path, *REFERENCE)
    for epoch, rate in PUBLISHED_RATES.items():
        assert seen[epoch - 1] == pytest.approx(rate, rel=0.02, abs=1e-8), epoch


@pytest.mark.parametrize(
    "options, speed", [([], 1), (REFERENCE, 3), ([*REFERENCE, "TRAINER.SOFTCPT.CSC", "True"], 4)]
)
def test_learning_rates_follow_a_cosine_that_may_run_faster(tmp_path, options, speed):
    formula = [1e-5] + [
        0.001 * (1 + math.cos(math.pi * (speed * (epoch - 1) - 1) / 50)) for epoch in range(2, 51)
    ]
    assert rates(tmp_path, *options) == pytest.approx(formula, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "options, steps",
    [
        ([], 1),
        (REFERENCE, 3),
        ([*REFERENCE, "TRAINER.SOFTCPT.CSC", "True"], 4),
        ([*REFERENCE, "TRAINER.SOFTCPT.PREC", "amp"], 1),
    ],
)
def test_each_batch_takes_the_published_number_of_steps_with_one_gradient(tmp_path, options, steps):
    velocity, compared = {}, []
    original = PromptTrainer.forward_backward

    def compare(self, batch):
        parameters = dict(self.prompter.named_parameters())
        rate, expected = (
            self.get_current_lr(),
            {name: p.detach().clone() for name, p in parameters.items()},
        )
        summary = original(self, batch)
        for name, parameter in parameters.items():
            for _ in range(steps):
                gradient = parameter.grad + 5e-4 * expected[name]
                velocity[name] = 0.9 * velocity[name] + gradient if name in velocity else gradient
                expected[name] = expected[name] - rate * velocity[name]
            assert torch.allclose(parameter, expected[name], rtol=1e-5, atol=1e-7), name
            compared.append(name)
        return summary

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PromptTrainer, "forward_backward", compare)
        trainer = run(
            tmp_path, "SoftCPT", "out", "OPTIM.MAX_EPOCH", "2", "OPTIM.WARMUP_EPOCH", "-1", *options
        )
    assert (
        len(compared)
        == 2 * len(trainer.train_loader_x) * len(list(trainer.prompter.parameters()))
        > 0
    )


def test_a_stopped_run_with_schedule_and_class_sample_continues_bit_for_bit(tmp_path):
    options = [*REFERENCE, "TRAINER.SOFTCPT.CLS_SAMPLE_RATE", "0.3", "OPTIM.MAX_EPOCH", "4"]
    whole = run(tmp_path, "SoftCPT", "whole", *options)
    with interrupted_before(2):
        run(tmp_path, "SoftCPT", "stopped", *options)
    stopped = run(tmp_path, "SoftCPT", "stopped", *options)
    assert stopped.start_epoch == 2
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))
    assert stopped.get_current_lr() == whole.get_current_lr()


def test_results_say_which_schedule_was_used(tmp_path):
    for out, options in (("clean", []), ("published", REFERENCE)):
        run(tmp_path, "CoOp", out, *options)
        shared = json.loads((tmp_path / out / "results.json").read_text())["shared"]
        assert shared["reference_schedule"] == (out == "published")

"""A trained prompt on other classes, tasks and data sets: what it takes over, and what is
refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from softcpt import Task, TaskSet, UserError, build_prompter
from softcpt.data.subsample import subsample
from tests.helpers.runs import prompt
from tests.helpers.task_parts import BIRDS, FRUIT, SIGNS, TASKS, Shifted, alike, oracle, run

CLASSES, TASKSET = "DATASET.SUBSAMPLE_CLASSES", "DATASET.SUBSAMPLE_TASKS"


def halves(tasks: TaskSet) -> tuple[TaskSet, TaskSet]:
    """Base classes and new classes."""
    cut = [math.ceil(size / 2) for size in tasks.sizes]
    return (
        TaskSet([replace(task, class_names=task.class_names[:n]) for task, n in zip(tasks, cut)]),
        TaskSet([replace(task, class_names=task.class_names[n:]) for task, n in zip(tasks, cut)]),
    )


TRANSFERABLE = [
    ("SoftCPT", {}),
    ("SoftCPT-NATS", {}),
    ("SoftCPT-CATA", {}),
    ("SoftCPT-CATS", {}),
    ("SoftCPT-Star", {}),
    ("SoftCPT-CATA", {"generator": "mlp"}),
    ("CoOp", {}),
    ("CoOp-MT", {}),
]


@pytest.mark.parametrize("method, options", TRANSFERABLE)
def test_new_classes_are_encoded_by_their_own_names(clip, method, options):
    base, new = halves(TASKS)
    trained = build_prompter(method, clip, base, **options)
    other = trained.for_tasks(new)
    assert other.tasks is new
    assert alike(other.class_embeddings(), oracle(trained, new, trained.reference_state()))


@pytest.mark.parametrize("method", ["SoftCPT", "SoftCPT-CATA", "CoOp-MT"])
def test_a_task_never_trained_on_gets_its_context_from_what_is_shared(clip, method):
    trained = build_prompter(method, clip, TaskSet([FRUIT, SIGNS]))
    held_out = TaskSet([BIRDS])
    embeddings = trained.for_tasks(held_out).class_embeddings()
    assert alike(embeddings, oracle(trained, held_out, trained.reference_state()))


@pytest.mark.parametrize("method", ["SoftCPT-NATS", "SoftCPT-CATS", "SoftCPT-Star", "CoOp", "PLOT"])
def test_contexts_of_single_tasks_are_found_by_name_or_refused(clip, method):
    trained = build_prompter(method, clip, TASKS)
    every, (fruit, signs, birds) = (
        trained.class_embeddings(),
        [TASKS.columns(task) for task in range(3)],
    )
    assert alike(trained.for_tasks(TaskSet([SIGNS])).class_embeddings(), every[signs])
    turned = trained.for_tasks(TaskSet([BIRDS, FRUIT])).class_embeddings()
    assert alike(turned, torch.cat([every[birds], every[fruit]]))
    with pytest.raises(
        UserError, match="task 'cars': what was trained has parts for each of its tasks"
    ):
        trained.for_tasks(TaskSet([SIGNS, Task("cars", ["bus", "van"])]))


@pytest.mark.parametrize(
    "method, options",
    [
        ("CoOp", {"csc": True}),
        ("CoOp-MT", {"csc": True}),
        ("SoftCPT-CSTA", {}),
        ("SoftCPT-CSTS", {}),
        ("PLOT", {"csc": True}),
    ],
)
def test_contexts_of_single_classes_are_found_by_name_or_refused(clip, method, options):
    base, new = halves(TASKS)
    trained = build_prompter(method, clip, TASKS, **options)
    every = trained.class_embeddings()
    mine = [TASKS.to_global(task, label) for task in range(3) for label in range(base.sizes[task])]
    assert alike(trained.for_tasks(base).class_embeddings(), every[mine])
    assert alike(trained.for_tasks(TaskSet([BIRDS])).class_embeddings(), every[TASKS.columns(2)])
    plum = TaskSet([replace(FRUIT, class_names=["plum"])])
    of_half = build_prompter(method, clip, halves(base)[0], **options)
    with pytest.raises(
        UserError, match="class 'plum' of task 'kinds of fruit': .* none for this one"
    ):
        of_half.for_tasks(plum)
    twins = TaskSet([Task("cranes", ["crane", "crane", "goose"])])
    with pytest.raises(UserError, match="several of that name"):
        build_prompter(method, clip, twins, **options).for_tasks(
            TaskSet([Task("cranes", ["crane", "goose"])])
        )


def test_the_prompt_of_one_task_serves_others(clip):
    trained = build_prompter("CoOp", clip, TaskSet([FRUIT]))
    others = TaskSet([SIGNS, BIRDS])
    state = {f"prompt_learner.learners.{task}.ctx": trained.prompt_learner.ctx for task in range(2)}
    assert alike(trained.for_tasks(others).class_embeddings(), oracle(trained, others, state))


def test_for_tasks_copies_and_draws_nothing(clip):
    trained = build_prompter("SoftCPT", clip, TASKS).eval()
    before = torch.random.get_rng_state()
    other = trained.for_tasks(TaskSet([BIRDS]))
    assert torch.equal(before, torch.random.get_rng_state())
    assert not other.training
    with torch.no_grad():
        other.prompt_gen.proj.zero_()
    assert trained.prompt_gen.proj.abs().sum() > 0


# -- on the command line ---------------------------------------------------------------------------


def refused(capsys, *given: str, model: str) -> str:
    with pytest.raises(SystemExit) as end:
        run(*given, model=model)
    assert end.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "trainer, options",
    [
        ("SoftCPT", []),
        ("SoftCPT", ["TRAINER.SOFTCPT.CSC", "True"]),
        ("CoOp", []),
    ],
)
def test_base_to_new_tests_the_new_names(tmp_path, trainer, options):
    base = run(tmp_path, trainer, "base", CLASSES, "base", *options)
    new = run(tmp_path, trainer, "new", CLASSES, "new", *options, model="base")
    assert base.tasks.class_names == ("rose", "tulip", "Forest", "plum")
    assert new.tasks.class_names == ("sunflower", "Sea or Lake", "lime")
    wanted = oracle(new.prompter, new.tasks, prompt(tmp_path / "base"))
    assert alike(new.prompter.class_embeddings(), wanted)
    log = (tmp_path / "new" / "log.txt").read_text()
    assert "trained on 3 task(s), 4 classes" in log and "* total: 9" in log


def test_a_task_left_out_of_training_is_tested(tmp_path, capsys):
    rest = run(tmp_path, "SoftCPT", "rest", TASKSET, "all-but-task1")
    assert rest.tasks.names == ("flower", "fruit")
    held_out = run(tmp_path, "SoftCPT", "held-out", TASKSET, "task1", model="rest")
    assert held_out.tasks.names == ("land use",)
    wanted = oracle(held_out.prompter, held_out.tasks, prompt(tmp_path / "rest"))
    assert alike(held_out.prompter.class_embeddings(), wanted)
    run(tmp_path, "CoOp", "coop", TASKSET, "all-but-task1")
    line = refused(capsys, tmp_path, "CoOp", "x", TASKSET, "task1", model="coop")
    assert line.startswith("error: checkpoint ") and (
        "task 'land use': what was trained has parts for each of its tasks (flower, fruit)" in line
    )


def test_one_of_many_tasks_is_tested_with_its_own_context(tmp_path):
    run(tmp_path, "CoOp", "all")
    one = run(tmp_path, "CoOp", "one", TASKSET, "task2", model="all")
    assert torch.equal(
        one.prompter.prompt_learner.ctx, prompt(tmp_path / "all")["prompt_learner.learners.2.ctx"]
    )


def test_another_data_set_is_tested_with_the_prompt_of_one_task(tmp_path, capsys):
    run(tmp_path, "CoOp", "flower", TASKSET, "task0")
    shifted = run(tmp_path, "CoOp", "shifted", "DATASET.NAME", "Shifted", model="flower")
    wanted = oracle(shifted.prompter, Shifted.tasks, prompt(tmp_path / "flower"))
    assert alike(shifted.prompter.class_embeddings(), wanted)
    run(tmp_path, "CoOp", "all")
    line = refused(capsys, tmp_path, "CoOp", "x", "DATASET.NAME", "Shifted", model="all")
    assert "task 'flower drawings'" in line


def test_parts_of_a_set_of_tasks_that_are_not_there_are_refused():
    def part(which: str) -> tuple[str, ...]:
        return subsample(TASKS, {}, which_tasks=which)[0].names

    assert part("all-but-task0") == ("road_signs", "garden birds") and part("task2") == (
        "garden birds",
    )
    assert (
        part("task2,task0")
        == part("task0, task2")
        == part("all-but-task1")
        == ("kinds of fruit", "garden birds")
    )
    with pytest.raises(UserError, match="all-but-task0 to all-but-task2 can be given"):
        part("all-but-task3")
    with pytest.raises(UserError, match="leaves no task"):
        subsample(TaskSet([BIRDS]), {}, which_tasks="all-but-task0")
    with pytest.raises(
        UserError, match="give all, base, new, task<i>, task<i>,task<j>, all-but-task<i>"
    ):
        part("all-but-birds")

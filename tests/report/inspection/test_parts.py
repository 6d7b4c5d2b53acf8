"""The parts of an inspection, each against numbers that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import softcpt
from softcpt.report.inspection.calibration import reliability
from softcpt.report.inspection.changes import Change, changes, most_changed, of_classes
from softcpt.report.inspection.confusions import confused
from softcpt.report.inspection.relatives import likenesses, similar_tasks
from softcpt.report.inspection.run_files import Predictions, RunFiles
from softcpt.report.inspection.words import Vocabulary, context_vectors, nearest_words

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", "kiwi", "plum"]),
        softcpt.Task("road signs", ["stop", "yield"]),
        softcpt.Task("trees", ["oak", "elm"]),
    ]
)


def built(method: str, clip, **options):
    torch.manual_seed(5)
    return softcpt.build_prompter(method, clip, TASKS, **options)


def test_a_vector_that_is_a_word_is_found_by_it(clip):
    coop = built("CoOp-MT", clip, n_ctx=3)
    words = ["flower", "red", "stripes"]
    table = clip.text.tower.tokens.float()
    ids = [clip.tokenizer.encode(word)[0] for word in words]
    with torch.no_grad():
        coop.prompt_learner.ctx.copy_(table[ids] * torch.tensor([[1.0], [1.0], [3.0]]))
    [group] = context_vectors(coop)
    assert group.of == "all tasks"
    found = list(Vocabulary(clip).nearest(group.vectors, 4))
    for word, one in zip(words[:2], found):
        assert one["distance"][0] == (word, pytest.approx(0, abs=1e-3))
        assert one["cosine"][0] == (word, pytest.approx(1, abs=1e-5))
    assert found[2]["cosine"][0][0] == "stripes" and found[2]["distance"][0][1] > 0
    expected = (group.vectors[2] - table).norm(dim=1).sort().values[:4]
    distances = [value for _, value in found[2]["distance"]]
    assert distances == pytest.approx(expected.tolist(), abs=1e-4)
    part = nearest_words(coop)
    assert [row.cells[0].text for row in part.tables[0].rows] == ["all tasks"] * 3
    assert len(part.records["words"]) == 3 * 5


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("CoOp", {"n_ctx": 2}, [f"task {name}" for name in TASKS.names]),
        ("CoOp", {"n_ctx": 2, "csc": True}, [f"class {name}" for name in TASKS.class_names]),
        ("SoftCPT", {}, [*(f"task {n}" for n in TASKS.names), "task prompt learner, all tasks"]),
        ("ProtoNet", {}, []),
        ("VPT", {}, []),
    ],
)
def test_what_the_vectors_are_the_context_of(clip, method, options, expected):
    groups = context_vectors(built(method, clip, **options))
    assert [group.of for group in groups] == expected


@pytest.mark.parametrize("method", softcpt.list_prompters())
def test_every_method_can_be_looked_into(clip, method):
    q = built(method, clip)
    assert all(group.vectors.shape[1] == clip.text_width for group in context_vectors(q))
    for each in likenesses(q):
        assert each.cosines.shape == (3, 3) and np.isfinite(each.cosines).all()


def test_tasks_are_alike_whose_contexts_point_the_same_way(clip):
    q = built("CoOp", clip, n_ctx=1)
    generator = torch.Generator().manual_seed(0)
    common = 5 * torch.randn(clip.text_width, generator=generator)
    own = torch.randn(2, clip.text_width, generator=generator)
    rows = torch.stack([common + own[0], common + own[1], common + 1.5 * own[0]])
    with torch.no_grad():
        for parameter, row in zip(q.parameters(), rows, strict=True):
            parameter.copy_(row.expand_as(parameter))
    found = {each.slug: each.cosines for each in likenesses(q)}
    centred = F.normalize(rows - rows.mean(dim=0), dim=1)
    assert found["contexts"] == pytest.approx((centred @ centred.T).numpy(), abs=1e-4)
    part = similar_tasks(q)
    assert [name for name, _, _ in part.pictures] == ["similarity-contexts", "similarity-classes"]
    first = part.tables[0].rows[0]
    assert [cell.text for cell in first.cells][:3] == ["contexts", "kinds of fruit", "trees"]
    names = [label.get_text() for label in part.pictures[0][2].axes[0].get_yticklabels()]
    assert abs(names.index("kinds of fruit") - names.index("trees")) == 1


def test_what_all_tasks_share_relates_none(clip):
    assert "contexts" not in {each.slug for each in likenesses(built("CoOp-MT", clip, n_ctx=2))}
    two = softcpt.TaskSet(list(TASKS)[:2])
    part = similar_tasks(softcpt.build_prompter("SoftCPT", clip, two))
    assert part.missing == ["there are 2 task(s), and it takes three"]


# Four images of each of the first two classes, one of the third; two methods.
LABELS = [0, 0, 0, 0, 1, 1, 1, 1, 2]
BEFORE = [0, 1, 1, 2, 1, 1, 0, 0, 0]
AFTER = [0, 1, 1, 1, 1, 1, 1, 1, 1]


@pytest.fixture
def run(tmp_path):
    predictions = Predictions(
        "test",
        ["ZeroShot", "CoOp"],
        list(TASKS.class_names),
        TASKS.task_of_class.int().numpy(),
        [f"{number}.png" for number in range(9)],
        np.array(LABELS, dtype=np.int32)[:, None],
        np.array([BEFORE, AFTER], dtype=np.int32),
        np.full((2, 9), 0.75, dtype=np.float32),
    )

    def figures(correct):
        classes = {"images": [4, 4, 1], "correct": correct}
        accuracy = 100 * sum(correct) / 9
        return [{"name": TASKS.names[0], "total": 9, "accuracy": accuracy, "per_class": classes}]

    results = {
        "class_names": {task.name: list(task.class_names) for task in TASKS},
        "tasks": {"ZeroShot": figures([1, 2, 0]), "CoOp": figures([1, 4, 0])},
    }
    return RunFiles(tmp_path, results, predictions)


def test_pairs_are_counted_and_compared_with_before(run):
    pairs = confused(run.predictions, "CoOp")
    assert [(one.truth, one.predicted, one.wrong, one.images, one.before) for one in pairs] == [
        (0, 1, (1, 2, 3), 4, 2),
        (2, 1, (8,), 1, 0),
    ]


def test_classes_before_and_after(run):
    found = of_classes("CoOp", run)
    assert [(one.name, one.images, one.before, one.after) for one in found] == [
        ("apple", 4, 25, 25),
        ("kiwi", 4, 50, 100),
        ("plum", 1, 0, 0),
    ]
    part = changes("CoOp", {}, run, "")
    texts = [cell.text for cell in part.tables[0].rows[0].cells]
    assert texts == ["kinds of fruit", "9", "33.3", "55.6", "+22.2"]
    assert not part.missing and len(part.records["accuracy"]) == 4


def test_of_many_classes_those_that_changed_are_shown():
    def change(number: int, before: float | None) -> Change:
        return Change(f"class {number}", "t", 10, before, 50.0)

    found = [change(number, number) for number in range(101)]
    shown = most_changed(found)
    assert [one.before for one in shown] == [*range(16), *range(85, 101)]
    unknown = most_changed([change(number, None) for number in range(101)])
    assert len(unknown) == 32


def test_without_a_run_the_artefacts_own_figures_are_used():
    task = {"name": "trees", "total": 10, "accuracy": 70.0}
    measured = {"test": {"tasks": {"CoOp": [task]}}}
    part = changes("CoOp", measured, None, "no run beside it")
    assert [cell.text for cell in part.tables[0].rows[0].cells] == ["trees", "10", "–", "70.0", "–"]
    assert part.missing == [
        "zero-shot CLIP was not tested beside it",
        "no figures of classes: no run beside it",
    ]
    assert changes("CoOp", {}, None, "no run").missing == ["it was not tested"]


def test_reliability_by_hand():
    confidences = np.array([0.99, 0.95, 0.97, 0.95, 0.5, 0.5])
    right = np.array([True, True, True, False, True, False])
    found = reliability("CoOp", confidences, right)
    assert found.images.sum() == 6 and found.images[14] == 4 and found.images[7] == 2
    assert found.accuracy[14] == pytest.approx(0.75) and found.accuracy[7] == pytest.approx(0.5)
    assert found.confidence[14] == pytest.approx(0.965)
    assert np.isnan(found.accuracy[0])
    assert found.error == pytest.approx(100 * (4 * (0.965 - 0.75)) / 6)

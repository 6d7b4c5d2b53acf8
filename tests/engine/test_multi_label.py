"""Images of several classes: what is learned from them, and how they pass from a data set to the
figures of a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import softcpt
from softcpt import Task, TaskSet
from softcpt.data.datum import Datum, ImageDatum, all_labels
from softcpt.data.multitask import merge
from softcpt.data.subsample import subsample
from softcpt.engine.batches import labels_of
from softcpt.tasks import cross_entropy, hits
from tests.helpers.runs import run
from tests.helpers.toy import DATASET_REGISTRY, DatasetBase

TASKS = TaskSet(
    [
        Task("fruit", ["apple", "kiwi", "plum"]),
        Task("scenes", ["boat", "car", "dog", "person"]),
        Task("signs", ["stop", "yield"]),
    ]
)
LABELS = torch.tensor([[3, 5, -1], [0, -1, -1], [6, 4, 3], [8, -1, -1], [5, -1, -1], [2, -1, -1]])
TRAINED = ("CoOp", "CoOp-MT", "CoCoOp", "KgCoOp", "ProGrad", "PLOT", "SoftCPT", "VPT", "UPT")


def statement(logits, labels, joint: bool) -> torch.Tensor:
    """Mean over images of the mean over its classes of -log p, p among the classes of its task or
    of all."""
    losses = []
    for row, own in zip(logits, labels.tolist()):
        own = [label for label in own if label >= 0]
        columns = slice(None) if joint else TASKS.columns(TASKS.to_local(own[0])[0])
        total = torch.logsumexp(row[columns], dim=0)
        losses.append(sum(total - row[label] for label in own) / len(own))
    return torch.stack(losses).mean()


def test_classes_of_an_image_share_its_target():
    logits = torch.randn(6, 9, dtype=torch.float64, requires_grad=True)
    assert TASKS.loss(logits, LABELS).item() == pytest.approx(
        statement(logits, LABELS, joint=False).item()
    )
    joint = cross_entropy(logits, TASKS.joint(LABELS))
    assert joint.item() == pytest.approx(statement(logits, LABELS, joint=True).item())
    # as the published code has it: the indicator vector divided by its sum
    vector = torch.stack(
        [sum(F.one_hot(label, 9) for label in row if label >= 0) for row in LABELS]
    ).double()
    assert torch.allclose(joint, F.cross_entropy(logits, vector / vector.sum(dim=1, keepdim=True)))
    for loss in (TASKS.loss(logits, LABELS), joint):
        [gradient] = torch.autograd.grad(loss, logits)
        assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0


def test_only_some_classes_may_have_a_column():
    classes = torch.tensor([0, 2, 3, 4, 5, 6, 8])
    logits = torch.randn(6, 9)
    chosen = torch.full((6, 9), -torch.inf).index_copy(1, classes, logits[:, classes])
    assert torch.allclose(
        TASKS.loss(logits[:, classes], LABELS, classes), TASKS.loss(chosen, LABELS)
    )
    kept = TASKS.sample_classes(LABELS[:2], 0.5).tolist()
    assert {0, 3, 5} < set(kept) and len(kept) == 5 and max(kept) < 7


def test_images_of_one_class_cost_the_same_in_a_mixed_batch():
    logits, labels = torch.randn(6, 9), LABELS[:, 0]
    assert torch.allclose(
        TASKS.loss(logits, labels[:, None]), TASKS.loss(logits, labels), rtol=1e-6
    )
    assert torch.equal(TASKS.loss(logits, labels), F.cross_entropy(*TASKS.restrict(logits, labels)))
    assert torch.equal(TASKS.predict(logits, labels[:, None]), TASKS.predict(logits, labels))
    assert TASKS.present(LABELS) == [0, 1, 2] and TASKS.owners(LABELS).tolist() == [
        1,
        0,
        1,
        2,
        1,
        0,
    ]


def test_the_best_class_counts_if_it_is_one_of_the_images():
    logits, targets = TASKS.restrict(torch.eye(9)[torch.tensor([5, 1, 3, 8, 3, 8])], LABELS)
    assert hits(logits, targets).tolist() == [True, False, True, True, False, False]


@pytest.mark.parametrize(
    ("method", "joint"),
    [
        (method, joint)
        for method in TRAINED
        for joint in (False, True)
        if not (joint and method in ("KgCoOp", "ProGrad", "PLOT"))
    ],
)  # their losses are inside a task
def test_every_method_that_learns_a_prompt_learns_from_them(clip, method, joint):
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, TASKS, softmax="joint" if joint else "task")
    images = torch.randn(6, 3, clip.image_size, clip.image_size)
    with torch.no_grad():
        features = prompter.eval().encode_image(images)
        logits = (
            prompter.logits(features) if joint else prompter.training_logits(features, LABELS)[0]
        )
        loss, accuracy = prompter.loss(features, LABELS)
        again, same = prompter.loss(features, F.pad(LABELS, (0, 2), value=-1))
        alone, _ = prompter.loss(features, LABELS[:, 0].contiguous())
        padded, _ = prompter.loss(features, LABELS[:, :1].contiguous())
    extra = loss - statement(logits, LABELS, joint)  # KgCoOp's distance to the hand-written prompts
    assert extra.item() == pytest.approx(
        (alone - statement(logits, LABELS[:, :1], joint)).item(), abs=2e-4
    )
    assert (
        torch.allclose(loss, again)
        and torch.equal(accuracy, same)
        and torch.allclose(alone, padded, atol=1e-5)
    )
    prompter.train().loss(prompter.encode_image(images), LABELS)[0].backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in prompter.parameters())


# -- data ------------------------------------------------------------------------------------------


def item(name: str, *labels: int) -> ImageDatum:
    return ImageDatum(
        name, labels[0], TASKS.to_local(labels[0])[0], TASKS.class_names[labels[0]], labels[1:]
    )


ITEMS = [item("a", 3, 5), item("b", 0), item("c", 6, 4, 3)]


def test_labels_are_padded_only_where_an_image_has_several(tmp_path):
    assert labels_of(ITEMS).tolist() == [[3, 5, -1], [0, -1, -1], [6, 4, 3]]
    assert labels_of(ITEMS[1:2]).tolist() == [0] and labels_of([]).tolist() == []
    (tmp_path / "x.png").touch()
    assert all_labels(Datum(str(tmp_path / "x.png"), 4)) == (4,)


def test_classes_are_counted_through_when_data_sets_merge():
    class Set:
        val = None

        def __init__(self, tasks, items):
            self.tasks, self.train_x, self.test = tasks, items, []

    tasks, parts = merge(
        [
            Set(TaskSet([Task("pets", ["cat", "dog"])]), [ImageDatum("x", 1, 0, "dog")]),
            Set(TASKS, ITEMS),
        ]
    )
    assert tasks.sizes == (2, 3, 4, 2)
    assert [found.labels for found in parts["train"]] == [(1,), (5, 7), (2,), (8, 6, 5)]
    assert [found.domain for found in parts["train"]] == [0, 2, 1, 2]


def test_classes_are_counted_anew_when_some_are_taken():
    parts = {"train": ITEMS, "val": [], "test": ITEMS}
    reduced, chosen = subsample(TASKS, parts, "base")
    assert reduced.sizes == (2, 2, 1)
    assert [found.labels for found in chosen["train"]] == [(2,), (0,), (3, 2)]
    _, chosen = subsample(TASKS, parts, "new", "task1")
    assert [(found.impath, found.labels, found.classname) for found in chosen["test"]] == [
        ("a", (0,), "dog"),
        ("c", (1,), "person"),
    ]


class Scenes(DatasetBase):
    """Pictures of one or two of three colours, in halves; with ``DATASET.TASKS`` the toy's tasks
    beside them."""

    dataset_dir = "generated"
    colours = np.array([(220, 30, 30), (30, 220, 30), (30, 30, 220)])

    def __init__(self, cfg):
        metric = cfg.DATASET.METRICS[0] if cfg.DATASET.METRICS else "map11"
        self.tasks = TaskSet([Task("colours", ["red", "green", "blue"], metric=metric)])
        parts = {
            part: self._images(Path(cfg.DATASET.ROOT), part) for part in ("train", "val", "test")
        }
        super().__init__(train_x=parts["train"], val=parts["val"], test=parts["test"])

    def _images(self, folder, part):
        items, generator = [], np.random.default_rng(len(part))
        for labels in [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)] * 3:
            path = folder / f"{part}-{len(items)}.png"
            halves = [self.colours[label] for label in (labels[0], labels[-1])]
            pixels = np.repeat(np.array(halves)[:, None], 16, axis=0).repeat(32, axis=1)
            if not path.exists():
                noise = generator.integers(-30, 30, (32, 32, 3))
                Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(path)
            items.append(
                ImageDatum(str(path), labels[0], 0, self.tasks.class_names[labels[0]], labels[1:])
            )
        return items


if "Scenes" not in DATASET_REGISTRY.registered_names():
    DATASET_REGISTRY.register(Scenes)


@pytest.mark.parametrize("trainer", ["CoOp", "SoftCPT", "VPT", "PLOT"])
def test_a_prompt_is_trained_on_images_of_several_classes_beside_others(tmp_path, trainer):
    result = run(
        tmp_path,
        trainer,
        "DATASET.NAME",
        "MultiTask",
        "DATASET.TASKS",
        "['Scenes', 'Toy']",
        epochs=6,
    )
    assert result["curve"][-1]["loss"] < result["curve"][0]["loss"]
    for method in ("ZeroShot", trainer):
        colours, flower, land = result["tasks"][method]
        assert [colours["total"], flower["total"], land["total"]] == [18, 18, 12]
        assert 0 < colours["metric"] <= 100 and colours["metric"] != colours["accuracy"]
        assert flower["metric"] == flower["accuracy"]
        mean = np.mean([task["metric"] for task in result["tasks"][method]])
        assert result["overall"][method]["overall_metric"] == pytest.approx(mean)


def test_the_published_key_trains_them_with_a_joint_softmax(tmp_path):
    flags = (
        "--dataset",
        "Scenes,Toy",
        "--multi-task-evalkey",
        "colours",
        "TRAINER.MVLPT.COOP.N_CTX",
        "4",
    )
    result = run(tmp_path, "MVLPT", *flags, epochs=6)
    assert result["tasks"]["CoOp-MT"][0]["metric"] != result["tasks"]["CoOp-MT"][0]["accuracy"]
    assert result["curve"][-1]["loss"] < result["curve"][0]["loss"]


@pytest.mark.parametrize("trainer", ["CLAP", "TipAdapter"])
def test_a_head_is_fitted_to_images_of_several_classes_beside_others(tmp_path, trainer):
    result = run(
        tmp_path, trainer, "DATASET.NAME", "MultiTask", "DATASET.TASKS", "['Scenes', 'Toy']"
    )
    colours, flower, _ = result["tasks"][result["method"]]
    zero_shot, *_ = result["tasks"]["ZeroShot"]
    assert colours["metric"] > zero_shot["metric"] and colours["total"] == 18
    assert flower["metric"] == flower["accuracy"]


@pytest.mark.parametrize("trainer", ["LinearProbe", "ProtoNet", "GDA", "TextGDA"])
def test_methods_that_are_fitted_to_one_class_per_image_say_so(tmp_path, capsys, trainer):
    with pytest.raises(SystemExit):
        run(tmp_path, trainer, "DATASET.NAME", "Scenes")
    assert (
        f"{trainer}: it is fitted to images of one class each, and some of these have several"
        in capsys.readouterr().err
    )

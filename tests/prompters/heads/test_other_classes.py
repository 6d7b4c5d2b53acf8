"""A fitted head on other classes and tasks, and back from its state."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import softcpt
from softcpt.prompters.heads.text_gda import TextGDA
from tests.helpers.runs import agree, identical, prompt, recorded_logits, run
from tests.prompters.heads.features import TASKS, queries_of, seeded, shots_of, views_of

HEADS = [
    "MeansText",
    "Tip-Adapter",
    "Tip-Adapter-F",
    "GDA",
    "ZS-LP",
    "LP++",
    "ProKeR",
    "TextGDA",
    "TextGDA-MT",
]


def halves() -> tuple[softcpt.TaskSet, softcpt.TaskSet]:
    """Base classes and new classes."""
    cut = [math.ceil(size / 2) for size in TASKS.sizes]
    return tuple(
        softcpt.TaskSet(
            [replace(task, class_names=task.class_names[part]) for task, part in zip(TASKS, parts)]
        )
        for parts in ([slice(0, n) for n in cut], [slice(n, None) for n in cut])
    )


@pytest.mark.parametrize("method", HEADS)
def test_some_of_the_tasks_and_classes_keep_their_logits(clip, method):
    head = softcpt.build_prompter(method, clip, TASKS)
    head.fit(*shots_of(head))
    some = softcpt.TaskSet([TASKS[2], replace(TASKS[0], class_names=("kiwi", "apple"))])
    other = head.for_tasks(some)
    columns = torch.tensor([7, 8, 2, 0])
    queries = queries_of(head)
    whole = head.logits(queries)
    ours, wanted = other.logits(queries), whole[:, columns]
    if method == "ProKeR":  # its zero-shot probabilities are among the classes asked for
        ours, wanted = ours[:, :2], wanted[:, :2]
    assert torch.allclose(ours, wanted, atol=1e-3)


@pytest.mark.parametrize("method", [name for name in HEADS if not name.startswith("TextGDA")])
def test_a_head_that_learned_nothing_for_a_class_refuses_it_by_name(clip, method):
    base, new = halves()
    head = softcpt.build_prompter(method, clip, base)
    head.fit(*shots_of(head, tasks=base))
    with pytest.raises(softcpt.UserError, match="class 'kiwi' of task 'fruit'"):
        head.for_tasks(new)


@pytest.mark.parametrize("method", ["TextGDA", "TextGDA-MT"])
def test_new_classes_have_the_prior_means_that_text_gives_them(clip, method):
    base, new = halves()
    head = softcpt.build_prompter(method, clip, base, new_classes=True)
    features, labels = shots_of(head, tasks=base)
    head.fit(features, labels)
    other = head.for_tasks(new)
    text = softcpt.build_prompter(method, clip, new).text.double()
    queries = queries_of(head).double()
    for task in range(len(TASKS)):
        p = torch.linalg.inv(head.covariance[task].double())
        x = head.slope[task] * (text[new.columns(task)] - head.text_centre[task])
        out = [(queries - head.centre[task]) @ p @ d - d @ p @ d / 2 for d in x]
        wanted = torch.stack(out, dim=1) / 1.2
        ours = other.logits(queries.float(), [task])
        assert (ours - wanted).abs().max() <= 1e-4 * wanted.abs().max()
    assert torch.allclose(
        head.for_tasks(TASKS).logits(queries.float())[:, :2],
        head.logits(queries.float())[:, :2],
        atol=1e-4,
    )


def test_new_classes_need_the_covariance_that_was_kept(clip):
    base, new = halves()
    head = softcpt.build_prompter("TextGDA", clip, base)
    head.fit(*shots_of(head, tasks=base))
    assert head.covariance.numel() == 0
    with pytest.raises(softcpt.UserError, match=r"class 'kiwi' .*NEW_CLASSES True"):
        head.for_tasks(new)
    with pytest.raises(softcpt.UserError, match="task 'birds'"):
        head.for_tasks(softcpt.TaskSet([softcpt.Task("birds", ["crow", "tit"])]))


def test_prolip_serves_new_classes_by_their_names(clip):
    base, new = halves()
    head = softcpt.build_prompter("ProLIP", clip, base, steps=3)
    labels = torch.arange(base.num_classes).repeat(2)
    features = torch.randn(len(labels), len(clip.projection.weight), generator=seeded(1))
    head.fit(features, labels)
    other = head.for_tasks(new)
    f = torch.nn.functional.normalize(features @ head.weight[1] + clip.projection.bias, dim=1)
    wanted = clip.logit_scale.exp() * f @ other.text[new.columns(1)].T
    assert torch.allclose(other.logits(features, [1]), wanted, atol=1e-4)
    owners = torch.tensor([1, 0] * (len(labels) // 2))
    own = other.own_classifier()(features, owners)
    every = other.logits(features)
    theirs = new.task_of_class[None] == owners[:, None]
    assert torch.equal(own.isinf(), ~theirs) and torch.allclose(
        own[theirs], every[theirs], atol=1e-4
    )


def test_a_run_on_base_classes_is_tested_on_new_ones(tmp_path):
    split = "DATASET.SUBSAMPLE_CLASSES"
    run(tmp_path, "TextGDAMT", split, "base")
    flags = ("--eval-only", "--model-dir", str(tmp_path / "out"), split, "new")
    assert run(tmp_path, "TextGDAMT", *flags, out="new")["overall"]["TextGDA-MT"]["accuracy"] >= 0


def test_a_head_is_fitted_to_the_clean_image_and_the_views_of_the_training_transform(
    tmp_path, monkeypatch
):
    fit, seen = TextGDA.fit, []

    def kept(self, features, labels, *more, **tasks):
        seen.append(features)
        return fit(self, features, labels, *more, **tasks)

    monkeypatch.setattr(TextGDA, "fit", kept)
    run(tmp_path, "TextGDA")
    run(tmp_path, "TextGDA", "FEATURES.VIEWS", "4", out="four")
    run(tmp_path, "TextGDA", "INPUT.TRANSFORMS", "['normalize']", out="clean")
    run(tmp_path, "TextGDA", "FEATURES.MODE", "online", out="online")
    two, four, clean, online = seen
    assert two.shape == (40, 3, 64) and four.shape == (40, 5, 64) and clean.shape == (40, 64)
    assert torch.allclose(two[:, 0], clean, atol=1e-5)
    assert torch.allclose(two, four[:, :3], atol=1e-5)
    assert torch.allclose(two, online, atol=1e-5)
    assert not torch.allclose(two[:, 1], two[:, 2], atol=1e-2)


def test_results_say_what_a_search_chose_on_validation_images(tmp_path):
    found = run(tmp_path, "TipAdapter", "TRAINER.TIPADAPTER.SEARCH", "True")["selected"]
    assert found["what"] == "alpha, beta" and found["on"] == "val"
    assert set(found["value"]) == {"flower", "land use"}
    assert set(found["value"]["flower"]) == {"alpha", "beta"}
    assert run(tmp_path, "TipAdapter", out="fixed")["selected"] is None
    one = run(tmp_path, "GDA", "TRAINER.GDA.SEARCH", "True", out="one")["selected"]
    assert one["what"] == "alpha" and one["value"]["flower"] > 0


def test_a_trained_head_that_was_stopped_goes_on_with_the_next_task(tmp_path, monkeypatch):
    from softcpt.prompters.heads.clap import CLAP

    run(tmp_path, "CLAP", out="whole")
    original, fitted = CLAP.fit_shots, []

    def stop_at_second(self, *shots):
        if len(fitted) == 1:
            fitted.append("stop")
            raise KeyboardInterrupt
        fitted.append(shots[0].targets.shape[1])
        return original(self, *shots)

    monkeypatch.setattr(CLAP, "fit_shots", stop_at_second)
    with pytest.raises(SystemExit):
        run(tmp_path, "CLAP", out="stopped")
    run(tmp_path, "CLAP", out="stopped")
    assert fitted == [3, "stop", 2]
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))


@pytest.mark.parametrize("trainer", ["TipAdapter", "ProKeR", "ProLIP", "TextGDA"])
def test_zero_shot_beside_a_head_is_zero_shot_of_the_same_images(tmp_path, trainer):
    with recorded_logits() as beside:
        run(tmp_path, trainer)
    with recorded_logits() as alone:
        run(tmp_path, "ZeroshotCLIP", out="zero")
    assert agree(beside[-1:], alone)


def test_views_differ_from_image_to_image(clip):
    head = softcpt.build_prompter("MeansText", clip, TASKS)
    views = views_of(head.text, torch.arange(9), 2)
    assert not torch.allclose(views[:, 0], views[:, 1], atol=1e-2)

"""Methods without steps: linear probe, class means, the ensemble of templates, against their
protocols."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

import softcpt
from softcpt.prompters.linear_probe import LinearProbe
from softcpt.task_results import Tally
from tests.helpers.runs import agree, close, identical, prompt, recorded_logits, run
from tests.helpers.toy import DATASET_REGISTRY, Toy

TASKS = softcpt.TaskSet(
    [
        softcpt.Task("fruit", ["apple", "pear", "kiwi"], metric="mean_per_class"),
        softcpt.Task("signs", ["stop sign", "yield"], template="a sign that says {}."),
    ]
)


def images(clip, per_class: int, seed: int, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy features around a centre per class, and global classes."""
    centres = torch.randn(5, clip.embed_dim, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(classes).repeat(per_class)
    noise = torch.randn(len(labels), clip.embed_dim, generator=torch.Generator().manual_seed(seed))
    return centres[labels] + 4 * noise, labels


def published_search(train_x, train_y, val_x, val_y) -> LogisticRegression:
    """Seven values of C, then eight steps that keep the better end of a range and halve it; classes
    are balanced."""

    def fit(c):
        return LogisticRegression(C=c, max_iter=1000).fit(train_x, train_y)

    coarse = [10.0**e for e in (6, 4, 2, 0, -2, -4, -6)]
    peak = coarse[int(np.argmax([fit(c).score(val_x, val_y) for c in coarse]))]
    low, high = np.log10(peak) - 1, np.log10(peak) + 1
    for _ in range(8):
        left, right = fit(10**low), fit(10**high)
        if left.score(val_x, val_y) < right.score(val_x, val_y):
            chosen, low = right, (low + high) / 2
        else:
            chosen, high = left, (low + high) / 2
    return chosen


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_probe_is_the_logistic_regression_that_the_published_search_ends_with(clip):
    probe = softcpt.build_prompter("LinearProbe", clip, TASKS)
    (x, y), (val_x, val_y), (test_x, _) = (
        images(clip, 6, 1),
        images(clip, 4, 11),
        images(clip, 30, 21),
    )
    report = probe.fit(x, y, val_x, val_y)
    for task, first in enumerate(TASKS.offsets):
        mine, val = TASKS.task_of_class[y] == task, TASKS.task_of_class[val_y] == task
        wanted = published_search(
            x[mine].double().numpy(),
            y[mine] - first,
            val_x[val].double().numpy(),
            val_y[val] - first,
        )
        assert report[TASKS[task].name]["C"] == pytest.approx(wanted.C)
        ours = probe.logits(test_x, [task]).softmax(dim=1).detach().numpy()
        assert np.abs(ours - wanted.predict_proba(test_x.double().numpy())).max() < 1e-4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("metric", ["roc_auc", "map11"])
def test_c_is_chosen_by_a_metric_that_ranks_images(clip, metric):
    tasks = softcpt.TaskSet([softcpt.Task("signs", ["stop sign", "yield"], metric)])
    x, y = images(clip, 3, 1, classes=2)
    val_x, val_y = images(clip, 40, 11, classes=2)
    probe = softcpt.build_prompter("LinearProbe", clip, tasks)
    [found] = probe.fit(x, y, val_x, val_y).values()
    tally = Tally(tasks)
    tally.add(probe.logits(val_x).detach(), val_y)
    [result] = tally.results()
    assert found["validation"] == pytest.approx(result.metric, abs=0.1)
    assert 50 < result.metric < 100


def test_the_probe_takes_features_as_the_tower_gives_them(clip):
    probe = softcpt.build_prompter("LinearProbe", clip, TASKS)
    pixels = torch.randn(2, 3, 32, 32)
    assert torch.allclose(probe.encode_image(pixels), clip.encode_image(pixels), atol=1e-6)
    probe.fit(*images(clip, 4, 1), *images(clip, 2, 2))
    wanted = clip.encode_image(pixels) @ probe.weight.t() + probe.bias
    assert torch.allclose(probe(pixels), wanted, atol=1e-5)


@pytest.mark.parametrize("method", ["LinearProbe", "ProtoNet"])
def test_a_class_without_training_images_is_never_predicted(clip, method):
    prompter = softcpt.build_prompter(method, clip, TASKS)
    x, y = images(clip, 4, 1)
    kept = (y != 1) & (y != 4)
    prompter.fit(x[kept], y[kept], *images(clip, 2, 2))
    test_x, test_y = images(clip, 20, 3)
    predicted = TASKS.predict(prompter.logits(test_x), test_y)
    assert set(predicted.tolist()) == {0, 2, 3}


def test_without_validation_images_the_probe_needs_a_given_c(clip):
    x, y = images(clip, 4, 1)
    with pytest.raises(
        softcpt.UserError, match="task 'fruit' has no validation images .* TRAINER.LINEARPROBE.C"
    ):
        softcpt.build_prompter("LinearProbe", clip, TASKS).fit(x, y)
    assert softcpt.build_prompter("LinearProbe", clip, TASKS, c=0.5).fit(x, y)["signs"][
        "C"
    ] == pytest.approx(0.5)


def test_a_task_without_training_images_is_named(clip):
    with pytest.raises(softcpt.UserError, match="task 'signs' has no training images"):
        softcpt.build_prompter("ProtoNet", clip, TASKS).fit(*images(clip, 4, 1, classes=3))


def test_prototypes_are_class_means_of_normalised_features(clip):
    prompter = softcpt.build_prompter("ProtoNet", clip, TASKS)
    x, y = images(clip, 4, 1)
    features = prompter.image_features(x)
    prompter.fit(features, y)
    query = F.normalize(torch.randn(3, clip.embed_dim), dim=1)
    for c in range(5):
        mean = torch.stack([x[i] / x[i].norm() for i in range(len(x)) if y[i] == c]).mean(dim=0)
        cosine = F.cosine_similarity(query, mean[None])
        assert torch.allclose(
            prompter.logits(query)[:, c], clip.logit_scale.exp() * cosine, atol=1e-4
        )
    assert list(prompter.parameters()) == []


@pytest.mark.parametrize("own", [True, False])
def test_the_ensemble_is_the_mean_of_normalised_embeddings_normalised(clip, own):
    prompter = softcpt.build_prompter("ZeroShotEnsemble", clip, TASKS, own_template=own)
    seven = [
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ]
    for index, (name, template) in enumerate(
        [("apple", "a photo of a {}."), ("yield", "a sign that says {}.")]
    ):
        texts = [form.format(name) for form in (*seven, *([template] if own else []))]
        mean = clip.model.encode_text(clip_tokens(clip, texts), normalize=True).mean(dim=0)
        ours = prompter.class_embeddings()[TASKS.class_names.index(name)]
        assert torch.allclose(ours, mean / mean.norm(), atol=1e-5), index


def clip_tokens(clip, texts: list[str]) -> torch.Tensor:
    return clip.tokenizer(texts, context_length=clip.context_length)


@pytest.mark.parametrize("trainer, parameters", [("LinearProbe", 5 * 64 + 5), ("ProtoNet", 0)])
def test_a_fitted_run_ends_like_any_other_and_can_be_tested_again(tmp_path, trainer, parameters):
    with recorded_logits() as in_training:
        fitted = run(tmp_path, trainer)
    assert fitted["trained"] and fitted["trainable_parameters"] == parameters
    assert fitted["overall"][trainer]["accuracy"] > fitted["overall"]["ZeroShot"]["accuracy"]
    with recorded_logits() as alone:
        run(tmp_path, trainer, "--eval-only", "--model-dir", str(tmp_path / "out"), out="test")
    assert agree(alone, in_training)
    again = run(tmp_path, trainer)
    assert again["tasks"] == fitted["tasks"]


def test_results_say_the_c_of_each_task_and_that_it_was_chosen_on_validation_images(
    tmp_path, monkeypatch
):
    fit, chosen = LinearProbe.fit_task, {}

    def kept(self, task, *images):
        report = fit(self, task, *images)
        chosen[self.tasks.names[task]] = report["C"]
        return report

    monkeypatch.setattr(LinearProbe, "fit_task", kept)
    wanted = {"what": "C", "on": "val", "value": chosen}
    assert run(tmp_path, "LinearProbe")["selected"] == wanted and list(chosen) == [
        "flower",
        "land use",
    ]
    assert run(tmp_path, "LinearProbe")["selected"] == wanted
    model = ("--eval-only", "--model-dir", str(tmp_path / "out"))
    assert run(tmp_path, "LinearProbe", *model, out="test")["selected"] == wanted
    assert (
        run(tmp_path, "LinearProbe", "TRAINER.LINEARPROBE.C", "1.0", out="given")["selected"]
        is None
    )
    assert run(tmp_path, "ProtoNet", out="means")["selected"] is None


class TestedOnValidation(Toy):
    """The test images for validation, as CoOp has it for ImageNet."""

    __test__ = False  # not a class of tests

    def __init__(self, cfg):
        super().__init__(cfg)
        self._val = self._test


DATASET_REGISTRY.register(TestedOnValidation)


def test_c_is_not_chosen_on_test_images(tmp_path, capsys):
    data = ("DATASET.NAME", "TestedOnValidation")
    with pytest.raises(SystemExit):
        run(tmp_path, "LinearProbe", *data)
    told = capsys.readouterr()
    assert "30 of 30 validation images are test images: C is not chosen on them" in told.out
    assert "task 'flower' has no validation images to choose C on" in told.err
    assert (
        run(tmp_path, "LinearProbe", *data, "TRAINER.LINEARPROBE.C", "1.0", out="given")["selected"]
        is None
    )


def test_the_probe_is_fitted_to_test_time_features_whatever_the_training_transforms(tmp_path):
    run(tmp_path, "LinearProbe", out="crops")
    run(tmp_path, "LinearProbe", "INPUT.TRANSFORMS", "['normalize']", out="plain")
    assert close(prompt(tmp_path / "crops"), prompt(tmp_path / "plain"), atol=1e-4)


def test_a_probe_stopped_between_tasks_goes_on_with_the_next(tmp_path, monkeypatch):
    run(tmp_path, "LinearProbe", out="whole")
    original, fitted = LinearProbe.fit_task, []

    def stop_at_second(self, task, *images):
        if task == 1 and len(fitted) == 1:
            fitted.append("stop")
            raise KeyboardInterrupt
        fitted.append(task)
        return original(self, task, *images)

    monkeypatch.setattr(LinearProbe, "fit_task", stop_at_second)
    with pytest.raises(SystemExit):
        run(tmp_path, "LinearProbe", out="stopped")
    run(tmp_path, "LinearProbe", out="stopped")
    assert fitted == [0, "stop", 1]
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))


def test_the_ensemble_has_a_column_beside_zero_shot(tmp_path, capsys):
    result = run(tmp_path, "ZeroshotCLIP2")
    assert result["method"] == "ZeroShotEnsemble" and list(result["overall"]) == [
        "ZeroShot",
        "ZeroShotEnsemble",
    ]
    assert "ZeroShot    ZeroShotEnsemble" in capsys.readouterr().out

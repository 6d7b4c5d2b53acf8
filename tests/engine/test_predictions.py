"""predictions.npz holds what was predicted for every image, and results.json agrees with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from softcpt import Task, TaskSet, UserError
from softcpt.engine import config, config_keys
from softcpt.engine.predictions import (
    MANY_IMAGES,
    PREDICTIONS_FILE,
    remove_predictions,
    wanted,
    write_predictions,
)
from softcpt.metrics import calibration_error
from softcpt.ranking import Ranked
from tests.helpers.runs import recorded_logits, run


def test_a_runs_predictions_are_those_that_its_figures_count(tmp_path):
    with recorded_logits() as tests:
        # Images in an order of their own: the file has them in the data set's.
        result = run(tmp_path, "CoOp", "DATALOADER.TEST.SAMPLER", "RandomSampler", epochs=1)
    assert result["predictions"] == PREDICTIONS_FILE and result["architecture"] is None
    with np.load(tmp_path / "out" / PREDICTIONS_FILE) as file:
        found = dict(file)
    assert found["methods"].tolist() == ["ZeroShot", "CoOp"] == list(result["tasks"])
    assert found["tasks"].tolist() == ["flower", "land use"] == list(result["class_names"])
    wanted_paths = [f"test-{label}-{number}.png" for label in range(5) for number in range(6)]
    assert found["path"].tolist() == wanted_paths
    assert all((tmp_path / "data" / path).is_file() for path in wanted_paths)
    labels = np.repeat(np.arange(5), 6)
    assert found["label"].tolist() == labels[:, None].tolist()
    assert found["task"].tolist() == (labels > 2).astype(int).tolist()
    assert found["task_of_class"].tolist() == [0, 0, 0, 1, 1] and str(found["split"]) == "test"

    for number, (method, logits) in enumerate(zip(found["methods"], (tests[-1], tests[-2]))):
        top5, probability = found["top5"][number], found["probability"][number]
        for task, columns in enumerate((slice(0, 3), slice(3, 5))):
            mine = found["task"] == task
            size = columns.stop - columns.start
            softmax = logits[:, columns].double().softmax(dim=1)
            # The sampler's order is not known here: images are compared as sorted rows.
            others = (logits[:, :3].abs().sum(dim=1) == 0).numpy()
            softmax = softmax[torch.from_numpy(others == bool(task))]
            best = softmax.sort(dim=1, descending=True).values.numpy()
            np.testing.assert_allclose(
                np.sort(probability[mine, :size], axis=0), np.sort(best, axis=0), atol=1e-5
            )
            assert (np.sort(top5[mine, :size]) == np.arange(columns.start, columns.stop)).all()
            assert (top5[mine, size:] == -1).all() and not probability[mine, size:].any()

            right = top5[mine, 0] == labels[mine]
            figures = result["tasks"][method][task]
            assert figures["correct"] == right.sum()
            ece = calibration_error(probability[mine, 0], right)
            assert figures["ece"] == pytest.approx(ece, abs=1e-12)
            correct = [int(right[labels[mine] == label].sum()) for label in range(5)[columns]]
            assert figures["per_class"] == {"images": [6] * size, "correct": correct}
            assert sum(figures["confusion"]["images"]) == (~right).sum()


def test_a_run_without_the_file_leaves_none_of_before(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / PREDICTIONS_FILE).write_bytes(b"of another run")
    result = run(tmp_path, "ZeroshotCLIP", "TEST.PREDICTIONS", "off")
    assert result["predictions"] is None
    assert not (tmp_path / "out" / PREDICTIONS_FILE).exists()


def test_auto_means_below_a_hundred_thousand_images():
    assert wanted("auto", MANY_IMAGES - 1) and not wanted("auto", MANY_IMAGES)
    assert wanted("on", MANY_IMAGES) and not wanted("off", 1)


@pytest.mark.parametrize("word", ["on", "off", "auto"])
def test_the_words_may_stand_in_yaml_without_quotes(tmp_path, word):
    path = tmp_path / "own.yaml"
    path.write_text(f"TEST: {{PREDICTIONS: {word}}}\n")
    cfg = config.default_config()
    config.merge_file(cfg, path)
    config.check_values(cfg)
    assert word == cfg.TEST.PREDICTIONS
    again = config.default_config()
    path.write_text(cfg.dump())
    config.merge_file(again, path)
    assert word == again.TEST.PREDICTIONS


def test_other_words_are_refused():
    cfg = config.default_config()
    config.merge_pairs(cfg, ["TEST.PREDICTIONS", "yes"])
    with pytest.raises(UserError, match="choose auto, on or off"):
        config.check_values(cfg)
    with pytest.raises(UserError, match="DATASET.NAME is True"):
        config_keys.set_key(cfg, "DATASET.NAME", True, "data.yaml")


def test_images_of_several_classes_and_paths_of_any_kind(tmp_path):
    tasks = TaskSet([Task("scène", ["boat", "car", "dog"]), Task("one", ["thing"])])
    labels = torch.tensor([[0, 2], [3, -1]])
    ranked = Ranked.of(tasks, torch.tensor([[1.0, 3.0, 2.0, 9.0]] * 2), labels)
    paths = [str(Path("部分") / "a b.png"), "../elsewhere/b.png"]
    write_predictions(tmp_path, "val", tasks, paths, {"CoOp": ranked})
    first = (tmp_path / PREDICTIONS_FILE).read_bytes()
    with np.load(tmp_path / PREDICTIONS_FILE, allow_pickle=False) as file:
        assert file["path"].tolist() == ["部分/a b.png", "../elsewhere/b.png"]
        assert file["label"].tolist() == [[0, 2], [3, -1]]
        assert file["top5"].tolist() == [[[1, 2, 0, -1, -1], [3, -1, -1, -1, -1]]]
        assert file["tasks"].tolist() == ["scène", "one"] and str(file["split"]) == "val"
    write_predictions(tmp_path, "val", tasks, paths, {"CoOp": ranked})
    assert (tmp_path / PREDICTIONS_FILE).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [PREDICTIONS_FILE]
    remove_predictions(tmp_path)
    remove_predictions(tmp_path)
    assert not list(tmp_path.iterdir())

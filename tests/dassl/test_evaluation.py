"""Results, and the block that parsers read."""

from pathlib import Path

import pytest
import torch
from dassl.evaluation import EVALUATOR_REGISTRY, build_evaluator
from dassl.metrics import compute_accuracy, compute_distance_matrix

from softcpt.dassl import engine
from softcpt.errors import UserError

builtin_only = pytest.mark.skipif(
    engine() != "built-in", reason="an improvement of the built-in engine over Dassl"
)

TRUE = [0] * 600 + [1] * 300 + [2] * 300
PREDICTED = [0] * 500 + [1] * 100 + [1] * 299 + [3] + [2] * 150 + [0] * 150


@pytest.fixture
def evaluated(cfg):
    Path(cfg.OUTPUT_DIR).mkdir()

    def run():
        evaluator = build_evaluator(cfg, lab2cname={0: "cat", 1: "dog", 2: "emu", 3: "fox"})
        logits, labels = (
            torch.nn.functional.one_hot(torch.tensor(PREDICTED), 4).float(),
            torch.tensor(TRUE),
        )
        evaluator.process(logits[:700], labels[:700])
        evaluator.process(logits[700:], labels[700:])
        return evaluator.evaluate(), evaluator

    return run


def test_results_are_percentages_and_accuracy_comes_first(evaluated):
    results, _ = evaluated()
    assert list(results) == ["accuracy", "error_rate", "macro_f1"]
    assert results["accuracy"] == pytest.approx(100 * 949 / 1200)
    assert results["error_rate"] == pytest.approx(100 * 251 / 1200)
    f1 = [2 * 500 / (600 + 650), 2 * 299 / (300 + 399), 2 * 150 / (300 + 150)]
    assert results["macro_f1"] == pytest.approx(100 * sum(f1) / 3), (
        "over the classes that are present"
    )


@builtin_only
def test_the_printed_block_has_two_decimals(evaluated, capsys):
    evaluated()
    assert capsys.readouterr().out.splitlines()[-6:] == [
        "=> result",
        "* total: 1,200",
        "* correct: 949",
        "* accuracy: 79.08%",
        "* error: 20.92%",
        "* macro_f1: 77.41%",
    ]


@builtin_only
def test_per_class_results_follow_the_block(cfg, evaluated, capsys):
    cfg.TEST.PER_CLASS_RESULT = True
    results, _ = evaluated()
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "=> per-class result",
        "* class: 0 (cat)\ttotal: 600\tcorrect: 500\tacc: 83.33%",
        "* class: 1 (dog)\ttotal: 300\tcorrect: 299\tacc: 99.67%",
        "* class: 2 (emu)\ttotal: 300\tcorrect: 150\tacc: 50.00%",
        "* average: 77.67%",
    ]
    assert results["perclass_accuracy"] == pytest.approx(77.6667, abs=1e-4)


@builtin_only
def test_the_confusion_matrix_is_a_tensor_of_rows_that_sum_to_one(cfg, evaluated):
    cfg.TEST.COMPUTE_CMAT = True
    evaluated()
    matrix = torch.load(Path(cfg.OUTPUT_DIR) / "cmat.pt", weights_only=True)
    assert matrix.shape == (4, 4)
    assert matrix[:3].sum(1).tolist() == pytest.approx([1, 1, 1])
    assert matrix[2, 0] == 0.5


def test_reset_forgets(evaluated):
    _, evaluator = evaluated()
    evaluator.reset()
    evaluator.process(torch.eye(4), torch.arange(4))
    assert evaluator.evaluate()["accuracy"] == 100.0


@builtin_only
def test_no_images_are_a_users_mistake(evaluated):
    _, evaluator = evaluated()
    evaluator.reset()
    with pytest.raises(UserError, match="no image"):
        evaluator.evaluate()


def test_a_misspelt_evaluator_gets_the_closest_name(cfg):
    cfg.TEST.EVALUATOR = "Clasification"
    with pytest.raises(ValueError, match=r"mean \[Classification\]"):
        build_evaluator(cfg)
    assert "Classification" in EVALUATOR_REGISTRY.registered_names()


def test_accuracy_of_a_batch_in_percent():
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 1.0, 3.0]])
    target = torch.tensor([0, 1, 1, 2])
    (top1,) = compute_accuracy(logits, target)
    assert (top1.shape, top1.item()) == ((1,), 50.0)
    assert compute_accuracy((logits, None), target)[0].item() == 50.0


@builtin_only
def test_top_k_accuracy():
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 1.0, 3.0]])
    values = compute_accuracy(logits, torch.tensor([0, 1, 0, 2]), topk=(1, 2, 3))
    assert [value.item() for value in values] == [50.0, 75.0, 100.0]


def test_distances():
    a, b = torch.randn(3, 5), torch.randn(4, 5)
    torch.testing.assert_close(compute_distance_matrix(a, b), torch.cdist(a, b).square())
    cosine = 1 - torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=2)
    torch.testing.assert_close(compute_distance_matrix(a, b, metric="cosine"), cosine)
    with pytest.raises(ValueError):  # noqa: PT011  Dassl's message is another
        compute_distance_matrix(a, b, metric="manhattan")

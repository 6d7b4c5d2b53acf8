"""What every method and every trainer does, whatever its equation."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt import plugins
from softcpt.engine.trainer import PromptTrainer
from tests.helpers.runs import (
    agree,
    identical,
    interrupted_before,
    prompt,
    recorded_logits,
    run,
)

TRAINERS = {
    kind.__name__: kind
    for module in plugins.load("trainers").values()
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, PromptTrainer) and kind.method
}
SHORT = ("OPTIM.MAX_EPOCH", "4", "OPTIM.LR", "0.002")
TASKS = softcpt.TaskSet(
    [
        softcpt.Task("kinds of fruit", ["apple", "kiwi", "plum"]),
        softcpt.Task("road signs", ["stop", "yield", "no entry", "roundabout"]),
    ]
)


@pytest.mark.parametrize("method", softcpt.list_prompters())
def test_a_method_learns_classifies_and_comes_back_from_its_state(clip, method):
    torch.manual_seed(0)
    prompter = softcpt.build_prompter(method, clip, TASKS)
    labels = torch.arange(TASKS.num_classes).repeat(2)
    images = torch.randn(len(labels), 3, clip.image_size, clip.image_size)
    if hasattr(prompter, "fit"):
        features = prompter.encode_image(images)
        prompter.fit(features, labels, features, labels)
    elif any(True for _ in prompter.parameters()):
        optimiser = torch.optim.Adam(prompter.parameters(), lr=0.01)
        losses = []
        for _ in range(12):
            loss, accuracy = prompter.loss(prompter.encode_image(images), labels)
            optimiser.zero_grad()
            loss.backward()
            assert all(parameter.grad is not None for parameter in prompter.parameters())
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0] and 0 <= accuracy <= 100
    with torch.no_grad():
        logits, embeddings = prompter(images), prompter.class_embeddings()
        assert logits.shape == (len(labels), TASKS.num_classes) and logits.dtype == torch.float32
        assert torch.isfinite(logits).all()
        assert embeddings.shape == (TASKS.num_classes, clip.embed_dim)
        assert torch.allclose(embeddings.norm(dim=1), torch.ones(TASKS.num_classes), atol=1e-5)
        features = prompter.encode_image(images)
        assert torch.allclose(prompter.classifier()(features), logits, atol=1e-4)
        again = softcpt.build_prompter(method, clip, TASKS)
        again.load_reference_state(prompter.reference_state())
        assert torch.allclose(again.eval()(images), prompter.eval()(images), atol=1e-4)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_trainer_trains_tests_and_writes_its_results(tmp_path, trainer):
    with recorded_logits() as in_training:
        result = run(tmp_path, trainer, *SHORT)
    method = result["method"]
    assert [task["name"] for task in result["tasks"][method]] == ["flower", "land use"]
    assert "SEED: 1" in result["config"] and 0 <= result["overall"][method]["overall_metric"] <= 100
    kind = TRAINERS[trainer]
    if kind.learns and kind.by_steps:
        assert [entry["epoch"] for entry in result["curve"]] == [1, 2, 3, 4] and result[
            "trainable_parameters"
        ] > 0
        assert result["curve"][-1]["loss"] < result["curve"][0]["loss"]
    flags = ["--eval-only", *(["--model-dir", str(tmp_path / "out")] if kind.learns else [])]
    with recorded_logits() as alone:
        tested = run(tmp_path, trainer, *flags, *SHORT, out="eval")
    assert agree(alone, in_training) and tested["overall"].keys() == result["overall"].keys()


@pytest.mark.parametrize(
    "trainer", [name for name, kind in TRAINERS.items() if kind.learns and kind.by_steps]
)
def test_a_stopped_run_continues_to_the_same_prompt(tmp_path, capsys, trainer):
    run(tmp_path, trainer, *SHORT, out="whole")
    with interrupted_before(2):
        run(tmp_path, trainer, *SHORT, out="stopped")
    run(tmp_path, trainer, *SHORT, out="stopped")
    assert "after epoch 2" in capsys.readouterr().out
    assert identical(prompt(tmp_path / "whole"), prompt(tmp_path / "stopped"))

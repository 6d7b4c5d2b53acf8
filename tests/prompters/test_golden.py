"""The reference implementations' numbers, through the public API."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import softcpt

GOLDEN = Path(__file__).parents[1] / "golden"
TASKS = softcpt.TaskSet(
    [
        softcpt.Task(
            "plant disease",
            [
                "healthy apple leaf",
                "apple leaf with cedar apple rust",
                "tomato leaf with mosaic virus",
            ],
        ),
        softcpt.Task("flower", ["sunflower", "rose", "tulip", "daisy", "dandelion"]),
        softcpt.Task(
            "satellite land use", ["Annual Crop Land", "Forest", "Highway or Road", "Sea or Lake"]
        ),
    ]
)
CASES = {
    "coop_ca": "CoOp",
    "coop_mt": "CoOp-MT",
    "softcpt_nata": "SoftCPT-NATA",
    "softcpt_cata": "SoftCPT-CATA",
}


def load(name: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def part(case: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in case.items() if key.startswith(prefix)
    }


def close(ours: torch.Tensor, golden: torch.Tensor) -> bool:
    return ((ours - golden).norm() <= 1e-5 * golden.norm()).item()


@pytest.fixture(scope="module")
def batch():
    arrays = load("batch")
    labels = [TASKS.to_global(int(t), int(c)) for t, c in zip(arrays["task"], arrays["label"])]
    return arrays | {"labels": torch.tensor(labels)}


def test_image_features(golden_clip, batch):
    assert (golden_clip.encode_image(batch["images"]) - batch["image_features"]).abs().max() < 1e-5


@pytest.mark.parametrize("case, method", CASES.items())
def test_logits_gradients_and_five_steps(golden_clip, batch, case, method):
    golden = load(case)
    prompter = softcpt.build_prompter(method, golden_clip, TASKS)
    prompter.load_reference_state(part(golden, "init/"))
    assert (prompter(batch["images"]) - golden["logits"]).abs().max() < 1e-4
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    for step in range(5):
        optimiser.zero_grad()
        loss = TASKS.loss(prompter(batch["images"]), batch["labels"])
        loss.backward()
        if step == 0:
            assert abs(loss.item() - golden["loss"].item()) < 1e-5
            gradients = {name: parameter.grad for name, parameter in prompter.named_parameters()}
            assert gradients.keys() == part(golden, "grad/").keys()
            assert all(
                close(gradients[name], value) for name, value in part(golden, "grad/").items()
            )
        optimiser.step()
    logits = prompter(batch["images"])
    assert (logits - golden["logits_after5"]).abs().max() < 1e-4
    assert abs(TASKS.loss(logits, batch["labels"]).item() - golden["loss_after5"].item()) < 1e-5
    state = prompter.reference_state()
    assert all(close(state[name], value) for name, value in part(golden, "after5/").items())


@pytest.mark.parametrize("method", CASES.values())
def test_the_training_loss_encodes_only_present_tasks_and_is_the_same(golden_clip, batch, method):
    prompter = softcpt.build_prompter(method, golden_clip, TASKS)
    chosen = batch["task"] != 1
    features = prompter.encode_image(batch["images"][chosen])
    labels = batch["labels"][chosen]
    loss, accuracy = prompter.loss(features, labels)
    everything = prompter.logits(features)
    assert torch.allclose(loss, TASKS.loss(everything, labels), atol=1e-6)
    assert accuracy.item() == pytest.approx(
        100 * (TASKS.predict(everything, labels) == labels).float().mean().item()
    )


def test_deep_image_prompts(golden_clip, batch):
    golden = load("mvlpt_vpt_deep")
    prompter = softcpt.build_prompter("VPT", golden_clip, TASKS, n_ctx=4)
    prompter.load_reference_state(part(golden, "init/"))
    assert (prompter(batch["images"]) - golden["logits"]).abs().max() < 1e-4
    optimiser = torch.optim.SGD(prompter.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    for step in range(5):
        optimiser.zero_grad()
        loss, _ = prompter.loss(prompter.encode_image(batch["images"]), batch["labels"])
        loss.backward()
        if step == 0:
            assert abs(loss.item() - golden["loss"].item()) < 1e-5
            assert all(
                close(p.grad, golden[f"grad/{name}"]) for name, p in prompter.named_parameters()
            )
        optimiser.step()
    assert (prompter(batch["images"]) - golden["logits_after5"]).abs().max() < 1e-4
    state = prompter.reference_state()
    assert all(close(state[name], value) for name, value in part(golden, "after5/").items())

"""CoOp-MT from the command line: one context for all tasks, with CoOp's options."""

from __future__ import annotations

import json

from safetensors.torch import load_file

from softcpt.cli import train
from tests.helpers.toy import arguments


def test_it_trains_one_context_for_all_tasks(tmp_path):
    out = tmp_path / "out"
    train.main(
        arguments(
            tmp_path,
            "CoOpMT",
            "--output-dir",
            str(out),
            "TRAINER.COOP.N_CTX",
            "5",
            "OPTIM.MAX_EPOCH",
            "2",
        )
    )
    result = json.loads((out / "results.json").read_text())
    assert result["method"] == "CoOp-MT"
    state = load_file(out / "prompt" / "epoch-2.safetensors")
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "prompt_learner.ctx": (5, 128)
    }

"""CoOp-MT from the command line: one context for all tasks, with CoOp's options."""

from __future__ import annotations

from tests.helpers.runs import prompt, run


def test_it_trains_one_context_for_all_tasks(tmp_path):
    result = run(tmp_path, "CoOpMT", "TRAINER.COOP.N_CTX", "5", epochs=2)
    assert result["method"] == "CoOp-MT"
    state = prompt(tmp_path / "out")
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "prompt_learner.ctx": (5, 128)
    }

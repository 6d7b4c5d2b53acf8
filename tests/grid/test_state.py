"""How a job stands, from whatever lies in its folder."""

from __future__ import annotations

import json

import pytest

from softcpt.errors import UserError
from softcpt.grid.state import is_done, read_result, status
from tests.faults.damage import HOSTILE
from tests.grid.test_jobs import planned
from tests.helpers.small_grid import grid_file

# Of these keys any value of the right kind may be there.
ALIKE = {"config": str, "versions": dict}


@pytest.fixture
def job(tmp_path):
    """A planned job with an empty folder."""
    plan = planned(grid_file(tmp_path, methods=["CoOp"]))[0]
    folder = tmp_path / "out"
    folder.mkdir()
    return plan, folder


def finished(plan) -> dict:
    return {
        "schema": 1,
        "method": "CoOp",
        "config": plan.cfg.dump(),
        "shared": {"shots": 1},
        "versions": {"torch": "2"},
        "seconds": {"total": 1.0},
        "tasks": {"CoOp": [{"name": "pets", "metric": 50.0}]},
        "overall": {"CoOp": {"overall_metric": 50.0}},
    }


def write(folder, result) -> None:
    (folder / "results.json").write_text(json.dumps(result))


def test_whole_results_are_done(job):
    plan, folder = job
    write(folder, finished(plan))
    assert is_done(str(folder), plan.cfg) and status(str(folder), str(folder)).state == "done"


@pytest.mark.parametrize("key", ["config", "method", "overall", "seconds", "tasks", "versions"])
def test_damaged_results_are_not_done(job, key):
    plan, folder = job
    for value in HOSTILE:
        write(folder, finished(plan) | {key: value})
        if not isinstance(value, ALIKE.get(key, ())):
            assert read_result(str(folder)) is None
    write(folder, {name: value for name, value in finished(plan).items() if name != key})
    assert read_result(str(folder)) is None


@pytest.mark.parametrize("content", [b"", b"damaged", b"\\x08" + b"\\0" * 7 + b"[[[[[[[["])
def test_a_damaged_checkpoint_is_left_to_its_own_job(job, content):
    plan, folder = job
    (folder / "resume.safetensors").write_bytes(content)
    assert not is_done(str(folder), plan.cfg)


def test_damaged_settings_are_named(job):
    plan, folder = job
    write(folder, finished(plan) | {"config": "a: [b"})
    with pytest.raises(UserError, match="the settings of the run in it are damaged"):
        is_done(str(folder), plan.cfg)

"""One worker: what it runs, what it leaves on disk, and what it makes of failures. It is the test's
own process."""

from __future__ import annotations

import json
import os
import re

import pytest

from softcpt.cli import train
from softcpt.clip import model as backbone
from softcpt.engine.trainer import PromptTrainer
from softcpt.grid import state, worker
from softcpt.grid.grid_file import read_grid
from softcpt.grid.jobs import plan_jobs
from softcpt.grid.launch import Launch, QueuedJob
from softcpt.prompters import METHODS, variant_name
from tests.helpers.runs import identical, interrupted_before, prompt
from tests.helpers.small_grid import folder_of, grid_file, note


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Write the plan of a grid file and have a worker run it; returns how the jobs stand."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(launch: str = "first", attempts: int = 3, **keys):
        jobs = [plan.job for plan in plan_jobs(read_grid(grid_file(tmp_path, **keys)))]
        queue = [QueuedJob(str(job), job.folder, job.flags, job.needs) for job in jobs]
        one = Launch(launch, str(tmp_path / "out"), os.getcwd(), attempts, 1, queue)
        one.write(tmp_path / "plan.json")
        try:
            worker.drain(str(tmp_path / "plan.json"))
        finally:
            statuses = [state.status(one.output, job.folder, launch, attempts) for job in jobs]
        return {job.method: status for job, status in zip(jobs, statuses)}

    return run


def test_jobs_of_one_process_reach_what_single_runs_reach(tmp_path, work):
    work(methods=["ZeroshotCLIP", "CoOp", "SoftCPT"])
    flags = list(plan_jobs(read_grid(grid_file(tmp_path, methods=["SoftCPT"])))[0].job.flags)
    flags[flags.index("--output-dir") + 1] = str(tmp_path / "alone")
    train.main(flags)
    folders = tmp_path / "alone", folder_of(tmp_path, "SoftCPT")
    assert identical(*map(prompt, folders))
    results = [json.loads((folder / "results.json").read_text()) for folder in folders]
    assert results[0]["overall"] == results[1]["overall"]


def test_jobs_of_one_process_share_model_and_layout(work, monkeypatch):
    made = []
    original = backbone.Clip.__init__
    monkeypatch.setattr(
        backbone.Clip, "__init__", lambda self, *args: (made.append(args), original(self, *args))[1]
    )
    work(seeds=[1, 2])
    assert len(made) == 1


def test_what_a_job_prints_is_in_its_own_log_alone(tmp_path, work, capsys):
    work()
    assert capsys.readouterr().out == ""
    logs = {
        method: (folder_of(tmp_path, method) / "log.txt").read_text()
        for method in ("CoOp", "SoftCPT")
    }
    assert "trainer: CoOp" in logs["CoOp"] and "SoftCPT on" not in logs["CoOp"]
    assert "Finish training" in logs["SoftCPT"] and "trainer: CoOp" not in logs["SoftCPT"]


@pytest.mark.skipif(
    not os.path.exists("/proc/self/clear_refs"), reason="Linux alone can forget a peak"
)
def test_each_job_has_a_peak_memory_of_its_own(tmp_path, work):
    work()
    hoard = bytearray(400_000_000)
    hoard[::4096] = b"x" * len(hoard[::4096])
    before = json.loads((folder_of(tmp_path, "CoOp") / "results.json").read_text())[
        "peak_memory_bytes"
    ]
    del hoard
    work(seeds=[2])
    after = json.loads((folder_of(tmp_path, "CoOp", seed=2) / "results.json").read_text())[
        "peak_memory_bytes"
    ]
    assert after < before + 300_000_000


def test_done_jobs_are_not_run_again(tmp_path, work):
    work()
    first = (folder_of(tmp_path, "CoOp") / "results.json").stat().st_mtime_ns
    assert {status.state for status in work(launch="second").values()} == {"done"}
    assert (folder_of(tmp_path, "CoOp") / "results.json").stat().st_mtime_ns == first


def test_half_a_results_file_is_no_result(tmp_path, work):
    work()
    path = folder_of(tmp_path, "CoOp") / "results.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert work(launch="second")["CoOp"].state == "done"
    assert json.loads(path.read_text())["curve"] == json.loads(whole)["curve"]


def test_a_mistake_ends_its_job_and_no_other(tmp_path, work):
    statuses = work(
        methods={"CoOp": {"set": {"TRAINER.COOP.CLASS_TOKEN_POSITION": "back"}}, "SoftCPT": None}
    )
    assert {method: status.state for method, status in statuses.items()} == {
        "CoOp": "failed",
        "SoftCPT": "done",
    }
    assert "choose from end, middle, front" in statuses["CoOp"].record.error


def test_an_unexpected_end_is_tried_again_so_often_and_then_failed(tmp_path, work, monkeypatch):
    def burst(self):
        raise ValueError("too many dimensions")

    monkeypatch.setattr(PromptTrainer, "after_epoch", burst)
    for tried in (1, 2):
        with pytest.raises(ValueError, match="too many dimensions"):
            work(attempts=2)
        assert note(folder_of(tmp_path, "CoOp"))["attempts"] == {"first": tried}
    with pytest.raises(ValueError, match="too many dimensions"):  # the other job's turn
        work(attempts=2)
    record = note(folder_of(tmp_path, "CoOp"))
    assert record["state"] == "failed"
    assert record["error"] == "tried 2 times; its log ends: ValueError: too many dimensions"
    monkeypatch.undo()
    assert {status.state for status in work(launch="second", attempts=2).values()} == {"done"}


def test_a_stopped_job_continues_and_was_not_tried_in_vain(tmp_path, work):
    work(methods=["SoftCPT"], seeds=[2])
    whole = prompt(folder_of(tmp_path, "SoftCPT", seed=2))
    keys = {"methods": ["SoftCPT"], "seeds": [2], "layout": "stopped"}
    with interrupted_before(3):
        work(**keys)
    record = note(tmp_path / "out/stopped")
    assert (record["state"], record["attempts"]) == ("stopped", {"first": 0})
    work(**keys)
    assert identical(whole, prompt(tmp_path / "out/stopped"))
    assert "resuming" in (tmp_path / "out/stopped/log.txt").read_text()


def test_a_job_in_other_hands_is_left_alone(tmp_path, work):
    with state.taken(str(tmp_path / "out"), str(folder_of(tmp_path, "CoOp"))) as mine:
        assert mine
        statuses = work()
    assert {method: status.state for method, status in statuses.items()} == {
        "CoOp": "left",
        "SoftCPT": "done",
    }


def test_base_to_new_trains_then_tests_the_other_classes(tmp_path, work):
    statuses = work(methods=["SoftCPT"], base_to_new=True)
    assert statuses["SoftCPT"].state == "done"
    trained, tested = (
        json.loads(
            (tmp_path / f"out/{part}/plants/shots_1/SoftCPT/toy/seed1/results.json").read_text()
        )
        for part in ("train_base", "test_new")
    )
    assert (trained["shared"]["classes"], tested["shared"]["classes"]) == ("base", "new")
    assert re.search("train_base/.*epoch-5", tested["loaded"]["prompt"]) and not tested["trained"]


def test_what_needs_a_failed_job_fails_with_it(tmp_path, work):
    methods = {"CoOp": {"set": {"TRAINER.COOP.CLASS_TOKEN_POSITION": "back"}}}
    work(methods=methods, base_to_new=True)
    assert note(tmp_path / "out/test_new/plants/shots_1/CoOp/toy/seed1")["error"].endswith(
        "CoOp/toy/seed1 failed"
    )


def test_a_variant_has_its_own_name_in_the_results(tmp_path, work):
    work(methods=["SoftCPT-NATS"])
    result = json.loads((folder_of(tmp_path, "SoftCPT-NATS") / "results.json").read_text())
    assert result["method"] == "SoftCPT-NATS" and set(result["tasks"]) == {
        "ZeroShot",
        "SoftCPT-NATS",
    }


@pytest.mark.parametrize("name", METHODS)
def test_options_tell_the_variants_name(name):
    prompter, fixed = METHODS[name]
    base = next(
        other for other, (kind, theirs) in METHODS.items() if kind is prompter and not theirs
    )
    found = variant_name(base, fixed)
    assert METHODS[found] == METHODS[name] and found in (name, base)

"""The command with real workers: killed ones, two grids on one output, Ctrl-C, and folders of other
settings."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from softcpt.cli import train
from softcpt.grid.grid_file import read_grid
from softcpt.grid.jobs import plan_jobs
from tests.helpers.conductor import conducted
from tests.helpers.runs import identical, prompt
from tests.helpers.small_grid import (
    Background,
    alive,
    folder_of,
    grid,
    grid_file,
    note,
)

ROOT = Path(__file__).resolve().parent.parent.parent


def alone(file: Path, folder: Path | None = None) -> None:
    """Run a grid's jobs as train.py does; or the first one, into ``folder``."""
    for job in [plan.job for plan in plan_jobs(read_grid(file))][: 1 if folder else None]:
        flags = list(job.flags)
        flags[flags.index("--output-dir") + 1] = str(folder or job.folder)
        train.main(flags)


def test_a_killed_worker_loses_nothing(tmp_path, capsys, monkeypatch):
    file = grid_file(tmp_path, methods=["SoftCPT", "CoOp"], set={"DATALOADER.NUM_WORKERS": 1})
    killed = folder_of(tmp_path, "SoftCPT")
    with conducted(monkeypatch) as workers:
        grid_in_background = Background(file, "--workers", 1)
        workers.watch(grid_in_background.status)
        worker = workers.next()
        worker.kill()
        workers.let_go()
        assert grid_in_background.status() == 0
    assert worker.folder == killed and sum(note(killed)["attempts"].values()) == 2
    assert "killed by SIGKILL" in capsys.readouterr().out
    assert "resuming" in (killed / "log.txt").read_text()
    alone(file, tmp_path / "whole")
    assert identical(prompt(killed), prompt(tmp_path / "whole"))


@pytest.mark.slow
def test_a_job_that_kills_its_workers_is_named_in_the_end(tmp_path, capsys, monkeypatch):
    file = grid_file(tmp_path, methods=["SoftCPT"], set={"TRAIN.PRINT_FREQ": 1})
    with conducted(monkeypatch) as workers:
        grid_in_background = Background(file, "--workers", 1, "--attempts", 1)
        workers.watch(grid_in_background.status)
        workers.next().kill()
        assert grid_in_background.status() == 1
    told = capsys.readouterr().out
    assert "failed: SoftCPT plants 1 shot seed 1: tried 1 time; its log ends: epoch [" in told
    assert grid(file, "--list") == 0
    assert "failed" in capsys.readouterr().out


@pytest.mark.slow
def test_two_grids_on_one_output_do_no_work_twice(tmp_path, capsys, monkeypatch):
    file = grid_file(tmp_path, seeds=[1, 2, 3])
    with conducted(monkeypatch) as workers:
        both = [Background(file, "--workers", 1) for _ in range(2)]
        for one in both:
            workers.watch(one.status)
        first, second = workers.next(), workers.next()
        for worker in (first, second):
            worker.go_on()
        workers.let_go()
        assert [one.status() for one in both] == [0, 0]
    jobs = [
        folder_of(tmp_path, method, seed=seed)
        for method in ("CoOp", "SoftCPT")
        for seed in (1, 2, 3)
    ]
    notes = [note(job) for job in jobs]
    assert [sum(record["attempts"].values()) for record in notes] == [1] * 6
    assert {record["pid"] for record in notes} == {first.pid, second.pid}
    assert not any(list(job.glob("log.txt-*")) for job in jobs)
    assert grid(file) == 0 and "6 of 6 jobs are done" in capsys.readouterr().out


# Ctrl-C reaches the grid also where the tests run in the background of a script, and ignore it.
GRID = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from softcpt.cli.grid import main
main(sys.argv[1:])
"""


def grid_process(file: Path) -> subprocess.Popen:
    """``softcpt grid`` as on a terminal of its own."""
    command = [sys.executable, "-c", GRID, str(file), "--workers", "1"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_ctrl_c_ends_workers_and_the_next_command_continues(tmp_path, monkeypatch):
    file = grid_file(tmp_path, methods=["SoftCPT"])
    with conducted(monkeypatch) as workers:
        process = grid_process(file)
        workers.watch(process.wait)
        worker = workers.next()
        process.send_signal(signal.SIGINT)
        assert "the same command continues from here" in process.communicate()[1]
    stopped = folder_of(tmp_path, "SoftCPT")
    assert process.returncode == 130 and not alive(worker.pid)
    assert note(stopped)["state"] == "stopped"
    assert not list(stopped.glob(".*.part"))


@pytest.mark.slow
def test_workers_end_with_a_grid_that_is_killed(tmp_path, monkeypatch):
    file = grid_file(tmp_path, methods=["SoftCPT"])
    with conducted(monkeypatch) as workers:
        process = grid_process(file)
        workers.watch(process.wait)
        worker = workers.next()
        process.kill()
        worker.wait_for_end()
    assert note(folder_of(tmp_path, "SoftCPT"))["state"] == "stopped"


def test_other_settings_in_the_same_folders_are_refused(tmp_path, capsys):
    file = grid_file(tmp_path, methods=["ZeroshotCLIP"])
    folder = folder_of(tmp_path, "ZeroshotCLIP")
    alone(file)
    before = (folder / "results.json").read_bytes()
    assert grid(file, "OPTIM.MAX_EPOCH", "7") == 2
    assert "other settings (OPTIM.MAX_EPOCH: 7, not 5)" in capsys.readouterr().err
    assert (folder / "results.json").read_bytes() == before


def test_results_under_other_conditions_are_no_comparison(tmp_path, capsys):
    file = grid_file(tmp_path, methods=["ZeroshotCLIP", "CoOp"])
    alone(file)
    assert grid(file) == 0
    path = folder_of(tmp_path, "CoOp") / "results.json"
    result = json.loads(path.read_text())
    result["shared"]["device"] = "another device"
    path.write_text(json.dumps(result))
    assert grid(file) == 1
    assert "not the same in all runs of a comparison: device" in capsys.readouterr().err


def test_a_list_runs_nothing_and_tells_all(tmp_path, capsys):
    assert grid(grid_file(tmp_path, shots=[1, 2]), "--list") == 0
    told = capsys.readouterr().out
    assert told.count("left  ") >= 4 and str(folder_of(tmp_path, "CoOp", shots=2)) in told
    assert not (tmp_path / "out").exists()


def test_a_grid_of_the_project_has_a_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = ("--methods", "CoOp", "--shots", 1, "--seeds", 2, "--list", "OPTIM.LR", "0.1")
    for name in ("emoji44", "configs/grids/emoji44.yaml"):
        assert grid(name, *few) == 0
        assert str(tmp_path / "output/emoji44/Emoji44/CoOp") in capsys.readouterr().out
    assert grid("emoj44", *few) == 2
    error = capsys.readouterr().err
    names = "emoji44, multitask-training, photo16, table2"
    assert f"did you mean 'emoji44'? There are {names}, or give a path" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("launcher, package", [("ray", "ray"), ("slurm", "submitit")])
def test_a_launcher_that_is_not_installed_is_named(
    tmp_path, capsys, monkeypatch, launcher, package
):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == package else found(name)
    )
    assert grid(grid_file(tmp_path), "--launcher", launcher) == 2
    assert f"pip install {package}" in capsys.readouterr().err

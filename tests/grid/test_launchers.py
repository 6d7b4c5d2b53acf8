"""Clusters, as far as one machine can be one: a local Ray cluster, and submitit's local executor in
SLURM's place."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from softcpt.grid.grid_file import Grid
from softcpt.grid.on_this_machine import LocalLauncher, Resources
from softcpt.utils.leftovers import HOST
from tests.helpers.conductor import conducted
from tests.helpers.small_grid import folder_of, grid, grid_file, note

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = [1, 2, 3]


def run_and_kill_a_worker(folder: Path, monkeypatch, *flags: str, **keys) -> str:
    """Run six jobs on two workers, one of which is killed in the middle of a job; returns what the
    command printed."""
    file = grid_file(folder, seeds=SEEDS, **keys)
    command = [sys.executable, "-m", "softcpt", "grid", str(file), "--workers", "2", *flags]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with conducted(monkeypatch) as workers:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        output: list[str] = []
        reader = threading.Thread(target=lambda: output.append(process.communicate()[0]))
        reader.start()
        workers.watch(reader.join)
        jobs = {worker.folder: worker for worker in (workers.next(), workers.next())}
        assert jobs.keys() == {folder_of(folder, "CoOp", seed=seed) for seed in (1, 2)}
        jobs[folder_of(folder, "CoOp", seed=2)].kill()
        jobs[folder_of(folder, "CoOp", seed=1)].go_on()
        workers.let_go()
        reader.join()
    assert process.returncode == 0, output[0]
    return output[0]


def check(folder: Path, printed: str) -> None:
    jobs = [
        folder_of(folder, method, seed=seed) for method in ("CoOp", "SoftCPT") for seed in SEEDS
    ]
    attempts = [sum(note(job)["attempts"].values()) for job in jobs]
    assert sorted(attempts) == [1, 1, 1, 1, 1, 2]
    assert attempts[1] == 2
    assert "6 of 6 jobs are done" in printed and "a worker ended: " in printed
    assert "resuming" in (jobs[1] / "log.txt").read_text()


@pytest.mark.slow
def test_ray_replaces_a_worker_that_is_killed(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    check(tmp_path, run_and_kill_a_worker(tmp_path, monkeypatch, "--launcher", "ray"))


@pytest.mark.slow
def test_submitit_replaces_a_worker_that_is_killed(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    check(
        tmp_path,
        run_and_kill_a_worker(
            tmp_path, monkeypatch, "--launcher", "slurm", slurm={"cluster": "local"}
        ),
    )


def test_slurm_without_a_cluster_is_printed(tmp_path, capsys, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grid(grid_file(tmp_path), "--launcher", "slurm") == 2
    assert "no sbatch on this machine" in capsys.readouterr().err


def test_slurm_names_a_parameter_that_it_does_not_know(tmp_path, capsys):
    pytest.importorskip("submitit")
    assert (
        grid(
            grid_file(tmp_path, slurm={"cluster": "local", "colour": "red"}), "--launcher", "slurm"
        )
        == 2
    )
    assert "colour" in capsys.readouterr().err


def test_what_a_killed_grid_left_is_removed_and_a_living_ones_stays(tmp_path):
    plans, logs = tmp_path / "plans", tmp_path / "workers"
    plans.mkdir()
    for name in ("dead", "living", "new"):
        (plans / f"{name}.json").write_text("{}")
    shares = Resources(1, 1, ())
    living = LocalLauncher(plans / "living.json", Grid(), shares)
    (logs / "dead-0.log").write_text("")
    (logs / "dead-1.log").write_text("why it died")
    (plans / f".dead.{HOST}.alive").touch()
    new = LocalLauncher(plans / "new.json", Grid(), shares)
    assert {path.name for path in plans.glob("*.json")} == {"living.json", "new.json"}
    assert {path.name for path in logs.iterdir()} == {"dead-1.log"}
    living.close()
    new.close()
    assert list(plans.glob(".*")) == []


def test_a_grid_that_is_killed_while_it_ends_leaves_no_plan_that_nobody_owns(tmp_path, monkeypatch):
    plan = tmp_path / "plans" / "this.json"
    launcher = LocalLauncher(plan, Grid(), Resources(1, 1, ()))  # before the plan is there
    plan.write_text("{}")

    def killed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher.alive, "release", killed)
    with pytest.raises(KeyboardInterrupt):
        launcher.close()
    assert not plan.exists()

"""One run in two processes: the same numbers as in one, and one process writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import softcpt
from softcpt.cli import train
from softcpt.text import sharding
from softcpt.text.packing import PackedPrompts
from softcpt.utils import parallel
from tests.helpers import parallel_runs
from tests.helpers.parallel_runs import RUNS, flags
from tests.helpers.runs import agree, close, prompt, recorded_logits, results
from tests.helpers.toy import WEIGHTS, arguments

ROOT = Path(__file__).resolve().parents[2]


def torchrun(*words: object) -> subprocess.CompletedProcess:
    """``torchrun words`` in two processes."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        *map(str, words),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Folder of all runs in two processes, and what was printed."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "commands.json").write_text(json.dumps([flags(folder, name) for name in RUNS]))
    ended = torchrun(ROOT / "tests/helpers/parallel_runs.py", folder / "commands.json")
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stdout


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_learns(tmp_path, two, name):
    with recorded_logits() as tests:
        train.main(flags(tmp_path, name))
    one, both = prompt(tmp_path / name), prompt(two[0] / name)
    assert close(one, both, atol=1e-6)
    first, second = (results(folder / name) for folder in (tmp_path, two[0]))
    assert first["overall"].keys() == second["overall"].keys()
    assert agree(tests, parallel_runs.recorded(two[0] / name))
    assert [entry["loss"] for entry in first["curve"]] == pytest.approx(
        [entry["loss"] for entry in second["curve"]], abs=1e-4
    )


def test_the_first_process_alone_writes_and_prints(two):
    folder, printed = two
    for name in RUNS:
        assert [path.name for path in (folder / name).glob("log.txt*")] == ["log.txt"]
    assert printed.count("Finish training") == len(RUNS)


STOPPED = """
import sys
from tests.helpers import parallel_runs, runs
with runs.interrupted_before(1):
    parallel_runs.main(sys.argv[1])
"""


@pytest.mark.slow
def test_a_run_of_two_processes_continues_in_one(tmp_path):
    train.main(flags(tmp_path, "SoftCPT"))
    whole = prompt(tmp_path / "SoftCPT")
    command = flags(tmp_path, "SoftCPT", out="stopped")
    (tmp_path / "commands.json").write_text(json.dumps([command]))
    (tmp_path / "stop.py").write_text(STOPPED)
    ended = torchrun(tmp_path / "stop.py", tmp_path / "commands.json")
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "stopped" / "results.json").exists()
    train.main(command)
    assert close(whole, prompt(tmp_path / "stopped"), atol=1e-6)
    assert "after epoch 1" in (tmp_path / "stopped" / "log.txt").read_text()


def names(count: int) -> list[str]:
    flowers, colours = ("rose", "tulip", "daisy", "lily"), ("red", "blue", "pale green")
    return [f"{colour} {flower}" for flower in flowers for colour in colours][:count]


@pytest.mark.parametrize("processes", [2, 3])
def test_shares_are_whole_chunks_of_about_equal_length(processes):
    clip = softcpt.load_clip(WEIGHTS)
    tasks = softcpt.TaskSet(
        [softcpt.Task(f"task {number}", names(6 + number)) for number in range(6)]
    )
    layout = softcpt.build_prompter("CoOp", clip, tasks).packed_prompts
    assert isinstance(layout, PackedPrompts)
    for chosen in (torch.arange(tasks.num_classes), torch.arange(0, tasks.num_classes, 2)):
        shares = sharding._shares(layout, chosen, processes)
        assert torch.equal(torch.cat(shares).sort().values, torch.arange(len(chosen)))
        chunks = [
            set((layout.chunks.ends[chosen[share]] // layout.chunks.size).tolist())
            for share in shares
        ]
        assert sum(map(len, chunks)) == len(set.union(*chunks))
        lengths = [int(layout.chunks.lengths[list(mine)].sum()) for mine in chunks]
        assert max(lengths) <= sum(lengths) / processes + layout.chunks.size + len(layout.prefix)


def test_without_torchrun_there_is_one_process():
    with parallel.joined_process_group():
        assert (
            parallel.process_count() == 1
            and parallel.is_main()
            and parallel.broadcast_from_main("value") == "value"
        )


def test_a_trainer_of_another_kind_is_refused_in_several_processes(tmp_path, monkeypatch, capsys):
    from dassl.engine import TRAINER_REGISTRY, TrainerX

    if "Foreign" not in TRAINER_REGISTRY.registered_names():
        TRAINER_REGISTRY.register(type("Foreign", (TrainerX,), {}))
    monkeypatch.setattr(parallel, "process_count", lambda: 2)
    monkeypatch.setattr(parallel, "is_main", lambda: True)
    with pytest.raises(SystemExit):
        train.main(arguments(tmp_path, "Foreign"))
    assert "start it without torchrun" in capsys.readouterr().err

"""One run in two processes: the same numbers as in one, and one process writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import softcpt
from softcpt.cli import train
from softcpt.text import sharding
from softcpt.text.packing import PackedPrompts
from softcpt.utils import parallel
from tests.helpers.parallel_runs import RUNS, flags
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


def prompt(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "prompt" / "epoch-3.safetensors")


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_learn_what_one_learns(tmp_path, two, name):
    train.main(flags(tmp_path, name))
    one, both = prompt(tmp_path / name), prompt(two[0] / name)
    assert one.keys() == both.keys()
    assert all(torch.allclose(one[key], both[key], rtol=0, atol=1e-6) for key in one)
    results = [
        json.loads((folder / name / "results.json").read_text()) for folder in (tmp_path, two[0])
    ]
    assert results[0]["overall"] == results[1]["overall"]
    assert [entry["loss"] for entry in results[0]["curve"]] == pytest.approx(
        [entry["loss"] for entry in results[1]["curve"]], abs=1e-4
    )


def test_the_first_process_alone_writes_and_prints(two):
    folder, printed = two
    for name in RUNS:
        assert [path.name for path in (folder / name).glob("log.txt*")] == ["log.txt"]
    assert printed.count("Finish training") == len(RUNS)


def test_a_run_of_two_processes_continues_in_one(tmp_path, two):
    train.main(flags(tmp_path, "SoftCPT"))
    whole = prompt(tmp_path / "SoftCPT")
    command = [word.replace("/SoftCPT", "/stopped") for word in flags(tmp_path, "SoftCPT")]
    script = tmp_path / "stop.py"
    script.write_text(
        "import sys; import toy; from softcpt.engine.trainer import PromptTrainer; from softcpt import train\n"
        "original = PromptTrainer.before_epoch\n"
        "def stop(self):\n"
        "    if self.epoch == 1: sys.exit(9)\n"
        "    original(self)\n"
        "PromptTrainer.before_epoch = stop\n"
        "train.main(sys.argv[1:])\n"
    )
    torchrun(script, *command)
    assert not (tmp_path / "stopped" / "results.json").exists()
    train.main(command)
    continued = prompt(tmp_path / "stopped")
    assert all(torch.allclose(whole[key], continued[key], rtol=0, atol=1e-6) for key in whole)
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
    with parallel.joined():
        assert (
            parallel.count() == 1 and parallel.is_main() and parallel.from_main("value") == "value"
        )


def test_a_trainer_of_another_kind_is_refused_in_several_processes(tmp_path, monkeypatch, capsys):
    from dassl.engine import TRAINER_REGISTRY, TrainerX

    if "Foreign" not in TRAINER_REGISTRY.registered_names():
        TRAINER_REGISTRY.register(type("Foreign", (TrainerX,), {}))
    monkeypatch.setattr(parallel, "count", lambda: 2)
    monkeypatch.setattr(parallel, "is_main", lambda: True)
    with pytest.raises(SystemExit):
        train.main(arguments(tmp_path, "Foreign"))
    assert "start it without torchrun" in capsys.readouterr().err

"""FEATURES.ON_ERROR skip leaves images out that cannot be read: none is trained on or tested as
something else."""

from __future__ import annotations

import pytest

from softcpt.cli import train
from tests.helpers.runs import results, run
from tests.helpers.toy import arguments


def broken(folder, *names):
    for name in names:
        (folder / "data" / f"{name}.png").write_bytes(b"no image")


@pytest.mark.parametrize("trainer", ["CoOp", "VPT", "ProtoNet"])
def test_the_figures_are_those_without_the_images(tmp_path, capsys, trainer):
    pairs = ["FEATURES.ON_ERROR", "skip"]
    pairs += ["TRAINER.VPT.N_CTX", "2", "OPTIM.MAX_EPOCH", "1"]
    run(tmp_path, trainer, *pairs, out="whole")
    broken(tmp_path, "train_x-0-1", "train_x-4-7", "test-2-0")
    found = run(tmp_path, trainer, *pairs)
    tasks = found["tasks"][found["method"]]
    assert [task["total"] for task in tasks] == [17, 12]
    assert found["shared"]["train_images"] != results(tmp_path / "whole")["shared"]["train_images"]
    said = capsys.readouterr()
    assert "train images: 2 of 40 cannot be read and are left out" in said.err
    assert "test images: 1 of 30 cannot be read" in said.err


def test_nothing_left_ends_the_run(tmp_path, capsys):
    run(tmp_path, "CoOp", "OPTIM.MAX_EPOCH", "1", out="whole")
    broken(tmp_path, *(f"test-{label}-{number}" for label in range(5) for number in range(6)))
    flags = arguments(tmp_path, "CoOp", "--output-dir", str(tmp_path / "out"))
    with pytest.raises(SystemExit) as end:
        train.main([*flags, "FEATURES.ON_ERROR", "skip"])
    assert end.value.code == 2
    assert "test images: none of 30 can be read" in capsys.readouterr().err

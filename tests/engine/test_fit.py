"""fit on images gives what train.py gives."""

from __future__ import annotations

import pytest

import softcpt
from tests.helpers.runs import identical, prompt, results, run
from tests.helpers.toy import WEIGHTS

# The toy configuration (tests/helpers/toy.py), as keywords.
SETTINGS = {
    "epochs": 5,
    "lr": 0.02,
    "batch_size": 8,
    "workers": 0,
    "progress": False,
}


@pytest.fixture(scope="module")
def clip():
    return softcpt.load_clip(str(WEIGHTS))


@pytest.mark.parametrize(
    "trainer, pairs, options",
    [
        ("CoOp", [], {}),
        ("SoftCPT", ["TRAINER.SOFTCPT.TASK_N_CTX", "2"], {"task_n_ctx": 2}),
        ("CoOp", ["FEATURES.VIEWS", "2"], {"views": 2}),
        ("VPT", ["TRAINER.VPT.N_CTX", "2", "OPTIM.MAX_EPOCH", "2"], {"n_ctx": 2, "epochs": 2}),
        ("TextGDAMT", [], {"method": "TextGDA-MT"}),
    ],
)
def test_the_weights_are_those_of_a_run_bit_for_bit(
    tmp_path, clip, capsys, trainer, pairs, options
):
    # The toy configuration leaves Dassl's mean and deviation; fit takes the model's.
    as_clip = [
        *("INPUT.PIXEL_MEAN", str(list(clip.image_mean))),
        *("INPUT.PIXEL_STD", str(list(clip.image_std))),
    ]
    run(tmp_path, trainer, "--seed", "3", *as_clip, *pairs)
    from dassl.data.datasets import DATASET_REGISTRY

    data = softcpt.load_data(toy_data(tmp_path, DATASET_REGISTRY.get("Toy")))
    method = options.pop("method", trainer)
    capsys.readouterr()
    fitted = softcpt.fit(method, clip, data, seed=3, **(SETTINGS | options))
    assert capsys.readouterr() == ("", "")  # without progress it prints nothing
    assert identical(fitted.method.reference_state(), prompt(tmp_path / "out"))
    found = results(tmp_path / "out")
    assert fitted.record.curve == found["curve"]
    tasks = fitted.evaluate(data.test, progress=False).tasks
    assert [(task.name, task.total) for task in tasks] == [("flower", 18), ("land use", 12)]


def toy_data(folder, kind):
    """The toy data set that the run made."""
    from softcpt.engine.config import default_config

    cfg = default_config()
    cfg.DATASET.ROOT = str(folder / "data")
    return kind(cfg)


@pytest.mark.parametrize("trainer", ["CoOp", "VPT"])
def test_the_last_batch_is_left_out_or_not_and_said(tmp_path, capsys, trainer):
    pairs = ["TRAINER.VPT.N_CTX", "2", "OPTIM.MAX_EPOCH", "1"]
    pairs += ["DATALOADER.TRAIN_X.BATCH_SIZE", "12"]  # of 40 images
    run(tmp_path, trainer, *pairs)
    said = "4 of 40 training images are left out of every epoch"
    assert said not in capsys.readouterr().out  # a tenth
    pairs[-1] = "15"
    run(tmp_path, trainer, *pairs, out="more")
    assert said.replace("4 of", "10 of") in capsys.readouterr().out
    run(tmp_path, trainer, *pairs, "DATALOADER.TRAIN_X.DROP_LAST", "False", out="all")
    assert "left out of every epoch" not in capsys.readouterr().out
    more, whole = prompt(tmp_path / "more"), prompt(tmp_path / "all")
    assert not identical(more, whole)

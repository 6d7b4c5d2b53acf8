"""Training, saving, resuming, testing."""

import re
from pathlib import Path

import pytest
import torch
from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import TRAINER_REGISTRY, TrainerBase, build_trainer
from dassl.utils import set_random_seed

from softcpt.dassl import engine
from softcpt.errors import UserError

builtin_only = pytest.mark.skipif(
    engine() != "built-in", reason="an improvement of the built-in engine over Dassl"
)


def trained(cfg, **values):
    for key, value in values.items():
        cfg.merge_from_list([key.replace("__", "."), value])
    set_random_seed(1)
    trainer = build_trainer(cfg)
    trainer.train()
    return trainer


def weights(trainer):
    return trainer.model.state_dict()["weight"]


def files(cfg):
    return sorted(path.name for path in (Path(cfg.OUTPUT_DIR) / "linear").iterdir())


def test_a_run_leaves_the_last_epochs_checkpoint_and_names_it(cfg):
    trained(cfg)
    folder = Path(cfg.OUTPUT_DIR) / "linear"
    assert files(cfg) == ["checkpoint", "model.pth.tar-4"]
    assert (folder / "checkpoint").read_text() == "model.pth.tar-4\n"


def test_a_checkpoint_is_plain_data_under_dassls_keys(cfg):
    trainer = trained(cfg)
    saved = torch.load(Path(cfg.OUTPUT_DIR) / "linear" / "model.pth.tar-4", weights_only=True)
    assert set(saved) == {"state_dict", "epoch", "optimizer", "scheduler", "val_result"}
    assert (saved["epoch"], saved["val_result"]) == (4, None)
    assert torch.equal(saved["state_dict"]["weight"], weights(trainer))


def test_checkpoint_freq_saves_on_the_way(cfg):
    trained(cfg, TRAIN__CHECKPOINT_FREQ=3)
    assert files(cfg) == ["checkpoint", "model.pth.tar-3", "model.pth.tar-4"]


def test_best_val_keeps_the_first_of_the_best_models_and_tests_it(cfg, capsys):
    trainer = trained(cfg, TEST__FINAL_MODEL="best_val")
    best = torch.load(Path(cfg.OUTPUT_DIR) / "linear" / "model-best.pth.tar", weights_only=True)
    assert best["val_result"] == trainer.best_result
    printed = capsys.readouterr().out
    block = r"\bon\b.*\bval\b.*\n=> result\n\* total.*\n\* correct.*\n\* accuracy: ([\d.]+)%"
    measured = [float(accuracy) for accuracy in re.findall(block, printed)]
    assert len(measured) == 4
    assert best["epoch"] == measured.index(max(measured)) + 1
    assert torch.equal(weights(trainer), best["state_dict"]["weight"])


class UnvalidatedColours(DATASET_REGISTRY.get("Colours")):
    """No validation images."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self._val = []


class ColoursValidatedOnTest(DATASET_REGISTRY.get("Colours")):
    """The test images for validation."""

    def __init__(self, cfg):
        super().__init__(cfg)
        self._val = list(self._test)


class LinearWithLoaders(TRAINER_REGISTRY.get("LinearX")):
    """Makes its loaders itself and keeps no data manager."""

    def build_data_loader(self):
        super().build_data_loader()
        del self.dm


for kind in (UnvalidatedColours, ColoursValidatedOnTest):
    DATASET_REGISTRY.register(kind)
TRAINER_REGISTRY.register(LinearWithLoaders)


@builtin_only
@pytest.mark.parametrize("data, trainer, why", [
    ("UnvalidatedColours", "LinearX", "there are no validation images"),
    ("UnvalidatedColours", "LinearWithLoaders", "there are no validation images"),
    ("ColoursValidatedOnTest", "LinearX", "12 of 12 validation images are test images"),
])  # fmt: skip
def test_no_epoch_is_chosen_on_test_images(cfg, capsys, data, trainer, why):
    cfg.TEST.FINAL_MODEL = "best_val"
    done = trained(cfg, DATASET__NAME=data, TRAINER__NAME=trainer)
    printed = capsys.readouterr().out
    assert printed.count(f"TEST.FINAL_MODEL best_val: {why}, so the last step counts") == 1
    assert printed.count("=> result") == 1 and files(cfg) == ["checkpoint", "model.pth.tar-4"]
    last = torch.load(Path(cfg.OUTPUT_DIR) / "linear" / "model.pth.tar-4", weights_only=True)
    assert torch.equal(weights(done), last["state_dict"]["weight"])
    assert cfg.TEST.FINAL_MODEL == "best_val", "the caller's settings stay as they are"


@builtin_only
def test_an_unknown_final_model_is_refused(cfg):
    cfg.TEST.FINAL_MODEL = "best"
    with pytest.raises(
        UserError, match=r"TEST.FINAL_MODEL is 'best': choose last_step or best_val"
    ):
        build_trainer(cfg)


def test_the_log_has_the_lines_that_parsers_read(cfg, capsys):
    trained(cfg, TRAIN__PRINT_FREQ=2)
    captured = capsys.readouterr()
    lines = re.findall(
        r"^epoch \[(\d)/4\] batch \[(\d)/4\] "
        r"time \d+\.\d{3} \(\d+\.\d{3}\) data \d+\.\d{3} \(\d+\.\d{3}\) "
        r"loss \d+\.\d{4} \(\d+\.\d{4}\) acc \d+\.\d{4} \(\d+\.\d{4}\) lr (\S+) eta \d+:\d\d:\d\d$",
        captured.out,
        flags=re.MULTILINE,
    )
    assert [line[:2] for line in lines] == [(e, b) for e in "1234" for b in "24"]
    assert [line[2] for line in lines[:3]] == ["1.0000e-05", "2.0000e-03", "2.0000e-03"]
    assert captured.out.index("Finish training") < captured.out.index("=> result")
    assert re.search(r"\b0:00:0\d$", captured.out.split("=> result")[1], flags=re.MULTILINE), (
        "the time it took"
    )


@builtin_only
def test_bars_go_to_stderr(cfg, capsys):
    trained(cfg)
    captured = capsys.readouterr()
    assert "epoch 1/4" in captured.err
    assert "%|" not in captured.out


def test_every_batch_is_printed_when_there_are_few(cfg, capsys):
    trained(cfg)
    assert len(re.findall(r"^epoch \[1/4\]", capsys.readouterr().out, flags=re.MULTILINE)) == 4


def test_the_schedule_reaches_the_optimiser(cfg):
    rates = trained(cfg).rates
    assert rates == pytest.approx(
        [r for r in (1e-5, 2e-3, 0.002 * 0.8535534, 1e-3) for _ in range(4)]
    )


def test_the_same_seed_gives_the_same_weights(cfg, tmp_path):
    one = trained(cfg, OUTPUT_DIR=str(tmp_path / "one"))
    two = trained(cfg, OUTPUT_DIR=str(tmp_path / "two"))
    assert torch.equal(weights(one), weights(two))


def stop_after(cfg, epochs):
    """A run of which only the first epochs happened."""
    set_random_seed(1)
    trainer = build_trainer(cfg)
    trainer.before_train()
    for trainer.epoch in range(epochs):
        trainer.run_epoch()
        trainer.after_epoch()
    return trainer


def resumed_run(cfg, tmp_path):
    """Weights and rates of a run stopped after epoch 2, and of what continues it, with the order of
    images fixed."""
    cfg.merge_from_list([
        "TRAIN.CHECKPOINT_FREQ", 1, "DATALOADER.TRAIN_X.SAMPLER", "SequentialSampler",
        "INPUT.TRANSFORMS", ("normalize",),
    ])  # fmt: skip
    through = trained(cfg, OUTPUT_DIR=str(tmp_path / "through"))
    cfg.OUTPUT_DIR = str(tmp_path / "stopped")
    stop_after(cfg, 2)
    return through, trained(cfg)


def test_a_resumed_run_ends_with_the_weights_of_one_that_was_not_stopped(cfg, tmp_path):
    through, resumed = resumed_run(cfg, tmp_path)
    assert resumed.start_epoch == 2
    assert resumed.rates == through.rates[8:]
    assert torch.equal(weights(resumed), weights(through))


@builtin_only
def test_a_resumed_run_remembers_the_best_validation_result(cfg):
    cfg.TEST.FINAL_MODEL = "best_val"
    best = stop_after(cfg, 2).best_result
    again = build_trainer(cfg)
    again.before_train()
    assert again.best_result == best > 0


@builtin_only
def test_models_saved_at_different_epochs_are_not_resumed_together(tmp_path):
    trainer = TrainerBase()
    trainer.register_model("a", torch.nn.Linear(1, 1))
    trainer.register_model("b", torch.nn.Linear(1, 1))
    trainer.save_model(0, str(tmp_path))
    one = TrainerBase()
    one.register_model("a", torch.nn.Linear(1, 1))
    one.save_model(1, str(tmp_path))
    with pytest.raises(Exception, match="different epochs"):
        trainer.resume_model_if_exist(str(tmp_path))


def test_resume_wants_a_folder_for_every_model(cfg, capsys):
    trainer = trained(cfg)
    trainer.register_model("other", torch.nn.Linear(1, 1))
    assert trainer.resume_model_if_exist(cfg.OUTPUT_DIR) == 0
    assert "no checkpoint" in capsys.readouterr().out.lower()


def test_a_chosen_epoch_is_loaded_although_it_has_no_validation_result(cfg):
    trainer = trained(cfg)
    fresh = build_trainer(cfg)
    assert not torch.equal(weights(fresh), weights(trainer))
    fresh.load_model(cfg.OUTPUT_DIR, epoch=4)
    assert torch.equal(weights(fresh), weights(trainer))


def test_loading_names_what_is_missing_and_ignores_an_empty_folder(cfg):
    trainer = build_trainer(cfg)
    with pytest.raises(FileNotFoundError, match=r"model.pth.tar-9"):
        trainer.load_model(cfg.OUTPUT_DIR, epoch=9)
    before = weights(trainer).clone()
    trainer.load_model("")
    assert torch.equal(weights(trainer), before)


@pytest.mark.parametrize(("count", "batches"), [("train_x", 4), ("train_u", 3), ("smaller_one", 3)])
def test_unlabelled_images_are_trained_on_beside_labelled_ones(cfg, count, batches):
    trainer = trained(cfg, TRAINER__NAME="LinearXU", TRAIN__COUNT_ITER=count, OPTIM__MAX_EPOCH=1)
    assert trainer.num_batches == batches
    assert trainer.seen == 4 * batches


def test_no_test_only_trains(cfg, capsys):
    trained(cfg, TEST__NO_TEST=True)
    assert "=> result" not in capsys.readouterr().out


def test_a_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(FloatingPointError):
        TrainerBase().model_backward(torch.tensor(float("nan"), requires_grad=True))


def test_names_are_registered_once_and_modes_switched_by_name():
    trainer = TrainerBase()
    a, b = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    trainer.register_model("a", a)
    trainer.register_model("b", b)
    with pytest.raises(AssertionError):
        trainer.register_model("a", b)
    trainer.set_model_mode("eval", "b")
    assert (a.training, b.training) == (True, False)
    with pytest.raises(KeyError):
        trainer.set_model_mode("sleep")
    assert trainer.get_model_names() == ["a", "b"]


def test_a_misspelt_trainer_gets_the_closest_name(cfg):
    cfg.TRAINER.NAME = "LinerX"
    with pytest.raises(ValueError, match=r"\[LinearX"):
        build_trainer(cfg)
    assert "LinearX" in TRAINER_REGISTRY.registered_names()

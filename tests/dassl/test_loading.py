"""Who answers to ``import dassl``: each test asks a fresh interpreter."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]

# An installed Dassl reduced to what fails on today's libraries: warm-ups that hand torch's
# schedulers the `verbose` they no longer take and that are saved as objects, checkpoints read with
# torch's defaults, `numpy.int`, and `wilds` and `pandas` imported whether used or not. And it has a
# data set whose name is one of ours, too.
WARM_UP = """
from torch.optim import lr_scheduler

class _BaseWarmupScheduler(lr_scheduler.LRScheduler):
    def __init__(self, optimizer, inner, length, *for_torch):
        vars(self).update(successor=inner, warmup_epoch=length)
        super().__init__(optimizer, *for_torch)

    def is_over(self):
        return self.last_epoch == self.warmup_epoch

    def get_lr(self):
        return self.successor.get_last_lr() if self.is_over() else [self.rate] * len(self.base_lrs)

    def step(self):
        (self.successor if self.is_over() else super()).step()

class ConstantWarmupScheduler(_BaseWarmupScheduler):
    def __init__(self, optimizer, successor, warmup_epoch, cons_lr):
        self.rate = cons_lr
        super().__init__(optimizer, successor, warmup_epoch, -1, False)
"""
AUTO_AUGMENT = """
import numpy as np

class ImageNetPolicy:
    def __init__(self):
        self.levels = (np.arange(17, 7, -1) / 2).astype(np.int)
"""
RAND_AUGMENT = """
import numpy as np

def SolarizeAdd(pixels):
    return np.asarray(pixels).astype(np.int)
"""
LOADING = """
import torch

def load_checkpoint(path):
    return torch.load(path)
"""
REGISTRY = """
from dassl.utils.torchtools import load_checkpoint

class Registry:
    def __init__(self):
        self.known = {}

    def _do_register(self, name, obj, force=False):
        if name in self.known and not force:
            raise KeyError(name)
        self.known[name] = obj

    def register(self, obj):
        self._do_register(obj.__name__, obj)

    def get(self, name):
        return self.known[name]

    def registered_names(self):
        return list(self.known)
"""
DATA_SETS = """
from dassl.utils import Registry

class CIFAR10:
    pass

DATASET_REGISTRY = Registry()
DATASET_REGISTRY.register(CIFAR10)
"""
BROKEN = {
    "__init__.py": "__version__ = '0.6.3'",
    "data/__init__.py": "import pandas, wilds; made = wilds.get_dataset",
    "data/datasets.py": DATA_SETS,
    "data/transforms/__init__.py": "",
    "data/transforms/autoaugment.py": AUTO_AUGMENT,
    "data/transforms/randaugment.py": RAND_AUGMENT,
    "engine/__init__.py": "import dassl.engine.trainer",
    "engine/trainer.py": "from dassl.utils.torchtools import load_checkpoint",
    "optim/__init__.py": "",
    "optim/lr_scheduler.py": WARM_UP,
    "utils/__init__.py": REGISTRY,
    "utils/torchtools.py": LOADING,
}

# One interpreter answers everything about the repaired package, as importing torch is what takes
# the time.
QUESTIONS = """
import copy, json, os, sys
import softcpt.dassl as d
d.activate()
import dassl, numpy as np, torch
from dassl.data.datasets import DATASET_REGISTRY
from dassl.data.transforms import autoaugment, randaugment
from dassl.optim.lr_scheduler import ConstantWarmupScheduler
from dassl.utils import load_checkpoint

def build():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.002)
    successor = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5.0)
    return optimizer, ConstantWarmupScheduler(optimizer, successor, 1, 1e-5)

def rates(optimizer, scheduler, epochs):
    used = []
    for _ in range(epochs):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used

def resumed(path, pickled):
    optimizer, scheduler = build()
    rates(optimizer, scheduler, 2)
    as_dassl_saved_it = {key: value for key, value in vars(scheduler).items() if key != "optimizer"}
    state = as_dassl_saved_it if pickled else scheduler.state_dict()
    torch.save({"optimizer": optimizer.state_dict(), "scheduler": state}, path)
    loaded = load_checkpoint(path)
    optimizer, scheduler = build()
    optimizer.load_state_dict(loaded["optimizer"])
    scheduler.load_state_dict(loaded["scheduler"])
    return rates(optimizer, scheduler, 3)

class Malice:
    def __reduce__(self):
        return os.mkdir, ("made",)

def refusal(call):
    try:
        call()
    except Exception as error:
        return [type(error).__name__, str(error)]

torch.save({"state_dict": {}, "epoch": Malice()}, "malice.pth")

def register_cifar10():
    DATASET_REGISTRY.register(type("CIFAR10", (), {"__module__": "datasets.cifar10"}))

print(json.dumps({
    "engine": d.engine(),
    "reason": d.engine_reason(),
    "file": dassl.__file__,
    "rates": rates(*build(), 5),
    "resumed": resumed("new.pth", pickled=False),
    "resumed from a pickled schedule": resumed("old.pth", pickled=True),
    "refusal": refusal(lambda: load_checkpoint("malice.pth")),
    "CIFAR10": [
        DATASET_REGISTRY.get("CIFAR10").__module__,
        refusal(register_cifar10),
        DATASET_REGISTRY.get("CIFAR10").__module__,
        refusal(register_cifar10),
    ],
    "wilds": refusal(dassl.data.made),
    "levels": autoaugment.ImageNetPolicy().levels.tolist(),
    "solarized": randaugment.SolarizeAdd([1.5, 2.0]).tolist(),
    "numpy has int": hasattr(np, "int"),
    "stand-ins": [name for name, one in sys.modules.items() if type(one).__name__ == "_StandIn"],
}))
"""


def install(folder, texts):
    """A folder with a package ``dassl``."""
    for name, text in texts.items():
        path = folder / "dassl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def ask(code, *folders, cwd=None):
    """What a fresh interpreter prints that looks for ``dassl`` in ``folders`` first."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, [*folders, ROOT])),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with an installed package ``dassl`` that has Dassl's breaks."""
    return install(tmp_path_factory.mktemp("site"), BROKEN)


@pytest.fixture(scope="module")
def repaired(site):
    """Answers of an interpreter that uses it."""
    return json.loads(ask(QUESTIONS, site, cwd=site))


def test_without_a_dassl_the_built_in_engine_answers_and_says_so():
    code = (
        "import softcpt.dassl as d; print(d.engine()); print(d.engine_reason()); "
        "import dassl; print(dassl.__file__)"
    )
    name, reason, file = ask(code).splitlines()
    assert name == "built-in"
    assert "no dassl is installed" in reason
    assert Path(file).is_relative_to(ROOT / "softcpt" / "dassl" / "builtin")


def test_activating_the_built_in_engine_costs_nothing_and_puts_it_last_on_the_path_once():
    code = "import sys, softcpt.dassl as d; before = list(sys.path); d.activate(); d.activate()"
    questions = "print('torch' in sys.modules); print(sys.path == [*before, str(d._BUILTIN)])"
    assert ask(f"{code}; {questions}") == "False\nTrue"


def test_a_folder_that_happens_to_be_called_dassl_is_no_dassl(tmp_path):
    (tmp_path / "dassl").mkdir()
    code = "import softcpt.dassl as d; print(d.engine()); import dassl; print(dassl.__version__)"
    assert ask(code, tmp_path, cwd=tmp_path) == "built-in\n0.6.3"


def test_an_installed_dassl_wins_and_is_repaired(site, repaired):
    assert repaired["engine"] == "dassl 0.6.3 (repaired)"
    assert Path(repaired["file"]).is_relative_to(site)
    for part in (str(site / "dassl"), "resuming", "checkpoint loading", "RandAugment"):
        assert part in repaired["reason"]
    # Torch 2.6 still takes `verbose`, so there is nothing to repair.
    taken = inspect.signature(torch.optim.lr_scheduler.LRScheduler.__init__).parameters
    assert ("warm-up" in repaired["reason"]) == ("verbose" not in taken)


def test_repairing_changes_nothing_on_disk(site, repaired):
    assert {name: (site / "dassl" / name).read_text() for name in BROKEN} == BROKEN


def test_repaired_warm_up_has_dassls_learning_rates(repaired):
    assert repaired["rates"] == pytest.approx([1e-5, 2e-3, 1.809e-3, 1.309e-3, 6.91e-4], abs=6e-7)


@pytest.mark.parametrize("key", ["resumed", "resumed from a pickled schedule"])
def test_a_repaired_dassl_resumes_its_schedule_from_new_and_old_checkpoints(repaired, key):
    assert repaired[key] == repaired["rates"][2:]


def test_a_repaired_dassl_writes_checkpoints_of_plain_data(site, repaired):
    saved = torch.load(site / "new.pth", weights_only=True)
    assert saved["scheduler"]["successor"]["T_max"] == 5.0


def test_a_repaired_dassl_runs_no_code_from_a_checkpoint(site, repaired):
    kind, message = repaired["refusal"]
    assert kind == "UserError"
    assert message.startswith("malice.pth: ")
    assert not (site / "made").exists()


def test_repaired_augmentations_round_to_whole_numbers_and_numpy_is_left_alone(repaired):
    assert repaired["levels"] == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4]
    assert repaired["solarized"] == [1, 2]
    assert not repaired["numpy has int"]


def test_what_only_wilds_needs_is_asked_for_when_it_is_used(repaired):
    kind, message = repaired["wilds"]
    assert kind == "UserError" and "pip install wilds" in message
    assert repaired["stand-ins"] == []


def test_a_name_of_dassls_own_gives_way_to_ours_and_no_other_does(repaired):
    before, first, after, second = repaired["CIFAR10"]
    assert (before, first, after) == ("dassl.data.datasets", None, "datasets.cifar10")
    assert second[0] == "KeyError"


def test_what_is_not_broken_is_not_repaired(tmp_path):
    cures = {
        ", -1, False)": ", -1)",
        "torch.load(path)": "torch.load(path, weights_only=True)",
        "np.int)": "int)",
        "DATASET_REGISTRY.register(CIFAR10)": "",
    }
    texts = dict(BROKEN)
    for broken, whole in cures.items():
        assert any(broken in text for text in texts.values())
        texts = {name: text.replace(broken, whole) for name, text in texts.items()}
    texts["optim/lr_scheduler.py"] += "\n_BaseWarmupScheduler.state_dict = lambda self: {}\n"
    code = "import softcpt.dassl as d; print(d.engine()); print(d.engine_reason())"
    name, reason = ask(code, install(tmp_path, texts)).splitlines()
    assert name == "dassl 0.6.3"
    assert "nothing needed repair" in reason


CATCH = """
import softcpt.dassl, softcpt.errors
try:
    softcpt.dassl.activate()
except softcpt.errors.UserError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("broken", "found", "remedy"),
    [
        (
            "import tensorbored",
            "requirement 'tensorbored' is not installed",
            "pip install tensorbored",
        ),
        ("from dassl.nowhere import x", "cannot be imported", "install it again"),
    ],
)
def test_a_dassl_that_cannot_be_imported_is_an_error_with_a_remedy(tmp_path, broken, found, remedy):
    install(tmp_path, BROKEN | {"engine/trainer.py": broken})
    message = ask(CATCH, tmp_path)
    for part in (str(tmp_path / "dassl"), found, remedy, "to use the built-in engine"):
        assert part in message
    assert len(message.splitlines()) == 1


def test_a_command_says_so_in_one_line(tmp_path):
    install(tmp_path, BROKEN | {"engine/trainer.py": "import tensorbored"})
    done = subprocess.run(
        [sys.executable, "-m", "softcpt", "data", "list"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: dassl at ") and done.stderr.count("\n") == 1

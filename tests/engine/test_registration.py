"""register_method: a class of a notebook or a dropped-in file is a method everywhere."""

from __future__ import annotations

import pytest
import torch

import softcpt
from softcpt import UserError
from softcpt.prompters.classifier import MethodOptions
from softcpt.prompters.coop import CoOp
from tests.helpers.plugin_place import place, write  # noqa: F401
from tests.helpers.runs import results, run

FILE = '''
from dataclasses import dataclass

import torch

import softcpt
from softcpt.prompters.classifier import MethodOptions, option


@dataclass
class ShiftOptions(MethodOptions):
    scale: float = option(1.0, "of the shift")


class Shift(softcpt.TaskClassifier):
    """Zero-shot with a trained shift of every logit."""

    Options = ShiftOptions

    def __init__(self, clip, tasks, options):
        super().__init__(clip, tasks, options)
        self.shift = torch.nn.Parameter(torch.zeros(tasks.num_classes))
        self.frozen = softcpt.build_method("ZeroShot", clip, tasks)

    def logits(self, features, tasks=None, classes=None):
        columns = self.tasks.chosen(tasks, classes)[1]
        logits = self.frozen.logits(features, tasks, classes)
        return logits + self.options.scale * self.shift[columns]


softcpt.register_method("Shift", Shift)
'''


def test_a_class_of_a_notebook_is_built_and_fitted(place):  # noqa: F811
    class ShortCoOp(CoOp):
        pass

    softcpt.register_method("ShortCoOp", ShortCoOp, n_ctx=2)
    softcpt.register_method("ShortCoOp", ShortCoOp, n_ctx=3)  # the cell is run again
    assert "ShortCoOp" in softcpt.list_methods() == softcpt.list_prompters()
    clip = softcpt.load_clip("tiny")
    tasks = softcpt.TaskSet([softcpt.Task("pets", ["cat", "dog"])])
    data = softcpt.FeatureData(tasks, torch.randn(4, clip.embed_dim), torch.arange(4) % 2)
    fitted = softcpt.fit("ShortCoOp", clip, data, epochs=1, progress=False)
    assert fitted.method_name == "ShortCoOp" and fitted.method.options.n_ctx == 3


def test_a_file_of_trainers_is_a_trainer_with_its_options(tmp_path, place):  # noqa: F811
    write(place / "elsewhere" / "trainers", "shift_of_mine.py", FILE)
    found = run(tmp_path, "Shift", "TRAINER.SHIFT.SCALE", "2.0")
    assert found["method"] == "Shift" and found["trainable_parameters"] == 5
    assert found["curve"][-1]["loss"] < found["curve"][0]["loss"]
    again = run(tmp_path, "Shift", "--eval-only", "--model-dir", str(tmp_path / "out"), out="test")
    assert again["overall"] == found["overall"] == results(tmp_path / "out")["overall"]


def test_names_and_classes_of_the_package_stay_its_own(place):  # noqa: F811
    class Other(CoOp):
        pass

    Other.__name__ = "SoftCPT"
    for name, kind, message in (
        ("CoOp", Other, "choose another name"),
        ("Mine", Other, "rename the class"),
        ("Mine", MethodOptions, "is no method"),
    ):
        with pytest.raises(UserError, match=message):
            softcpt.register_method(name, kind)
    with pytest.raises(UserError, match="n_ctxx"):
        softcpt.register_method("Mine", CoOp, n_ctxx=2)

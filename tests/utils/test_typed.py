"""Mappings read into dataclasses by their fields' types, and words that are near others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from softcpt.errors import UserError
from softcpt.utils.suggest import did_you_mean, near_and_all, nearest
from softcpt.utils.typed import read_by, read_mapping


@dataclass
class Options:
    shots: tuple[int, ...] = ()
    rate: float = 0.1
    name: str = ""
    deep: bool = False
    depth: int | None = None
    doubled: int = read_by(lambda value, place: 2 * value, default=0)


def test_values_get_the_types_of_their_fields():
    tree = {"shots": 4, "rate": 1, "name": 101, "deep": True, "depth": np.int64(3), "doubled": 4}
    found = read_mapping(Options, tree, "options")
    assert found == Options((4,), 1.0, "101", True, 3, 8)
    assert [type(value) for value in (found.rate, found.depth)] == [float, int]
    assert read_mapping(Options, {"shots": [1, 2], "name": None, "depth": None}, "x") == Options(
        (1, 2)
    )


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"shot": 1}, "options: unknown key 'shot'; did you mean 'shots'? There are shots, rate"),
        ({"deep": 1}, "options: deep is 1; its type is bool: give one"),
        ({"depth": True}, "options: depth is True; its type is int: give one"),
        ({"rate": "fast"}, "options: rate is 'fast'; its type is float"),
        ({"shots": [1, "many"]}, "options: shots is 'many'; its type is int"),
        ({"name": [1]}, "options: name is [1]; its type is str: give one"),
        ([1], "options: a mapping of keys is needed"),
    ],
)
def test_mistakes_name_the_place_and_the_remedy(tree, message):
    with pytest.raises(UserError) as error:
        read_mapping(Options, tree, "options")
    assert message in str(error.value)


def test_a_field_that_is_needed_and_is_not_there_is_named():
    @dataclass
    class Needed:
        name: str
        classes: tuple[str, ...]
        metric: str = "accuracy"

    with pytest.raises(UserError, match=r"^task 3: it has no name and no classes; add"):
        read_mapping(Needed, {"metric": "f1"}, "task 3")
    assert read_mapping(Needed, {"classes": "a"}, "task 3", name="x").name == "x"


def test_fields_that_are_given_are_no_keys():
    with pytest.raises(UserError, match="unknown key 'name'; "):
        read_mapping(Options, {"name": "x"}, "options", name="y")


def test_the_nearest_word_is_found_whatever_its_capitals():
    assert nearest("SOFTCTP", ["CoOp", "SoftCPT"]) == "SoftCPT"
    assert nearest("nothing alike", ["CoOp"]) is None
    assert did_you_mean("coop", ["CoOp"]) == "did you mean 'CoOp'?"
    assert did_you_mean("quite other", ["CoOp"], "see the list") == "see the list"
    assert near_and_all("xyz", ["CoOp", "PLOT"]) == "there are CoOp, PLOT"

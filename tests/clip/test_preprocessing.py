"""Pre-processing that makes no sense is refused before an image is read."""

from __future__ import annotations

import pytest

from softcpt.clip.preprocessing import Preprocessing
from softcpt.errors import UserError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("interpolation", "magic"),
        ("mean", [0.5, 0.5]),
        ("mean", 3),
        ("mean", [0.5, 0.5, float("nan")]),
        ("mean", ["a", "b", "c"]),
        ("resize_mode", "longest"),
        ("size", 0),
        ("size", 1.5),
        ("std", [0.2, 0.2, 0]),
    ],
)
def test_a_value_that_is_none_is_named(name, value):
    with pytest.raises(UserError, match=f"^pre-processing of images: {name} is "):
        Preprocessing(**{"size": 32, name: value})

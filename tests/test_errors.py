"""Messages are one line that a terminal can show, whatever is in them."""

from __future__ import annotations

import pytest

from softcpt.errors import UserError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a: b; c", "a: b; c"),
        ("a\nb\r\nc", "a b c"),
        ("a\0\x1b[2J", r"a\x00\x1b[2J"),
        ("ros\udce9 é", r"ros\udce9 é"),
    ],
)
def test_a_message_is_one_line(text, shown):
    assert str(UserError(text)) == shown


@pytest.mark.parametrize("name", ["x" * 500, f"'{'red apple ' * 60}'"])
def test_a_long_name_is_cut_wherever_it_stands(name):
    place = "/data/" + "a folder/" * 50
    text = str(
        UserError(f"file {place}: the task's name is {name}, and the images' is {name}; cut")
    )
    assert text.startswith(f"file {place}: the task's name is {name[:160]} ...")
    assert text.endswith(f" the images' is {name[:160]} ...; cut") and len(text) < 900


def test_a_long_message_keeps_its_beginning_and_what_to_do():
    text = str(UserError(f"file: {'x ' * 50_000}; fix it"))
    assert len(text) < 2100 and text.startswith("file: x") and text.endswith("x ; fix it")

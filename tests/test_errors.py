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


def test_a_long_message_keeps_its_beginning_and_what_to_do():
    text = str(UserError(f"file: {'x' * 100_000}; fix it"))
    assert len(text) < 2100 and text.startswith("file: x") and text.endswith("x; fix it")

"""Text, JSON, tables and yaml of others: right, or one line that names file and place."""

from __future__ import annotations

import pytest

from softcpt import UserError
from softcpt.utils.text_files import read_json, read_table, read_text
from softcpt.utils.yaml_file import read_yaml


@pytest.mark.parametrize(
    "content, message",
    [
        ("straße\nfüchse".encode("cp1252"), "line 1: not UTF-8 (byte 0xdf)"),
        (b"one\ntwo\n" + "三".encode("gbk"), "line 3: not UTF-8"),
        ("path,label".encode("utf-16"), "UTF-16, not UTF-8"),
    ],
)
def test_another_encoding_is_named_with_its_line(tmp_path, content, message):
    file = tmp_path / "names.txt"
    file.write_bytes(content)
    for read in (
        read_text,
        lambda path: read_json(path, "", "delete it"),
        lambda path: list(read_table(path)),
        lambda path: read_yaml(path, "config file"),
    ):
        with pytest.raises(UserError) as caught:
            read(file)
        text = str(caught.value)
        assert message in text and str(file) in text and "save it as UTF-8" in text
        assert "\n" not in text


def test_a_byte_order_mark_is_no_text(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("\ufeff path ,label\na.png, Maß\nb.png\n", encoding="utf-8")
    assert list(read_table(file)) == [
        (2, {"path": "a.png", "label": "Maß"}),
        (3, {"path": "b.png", "label": ""}),
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"a": 1,\n "b": }', "line 2: not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("", "line 1: not valid JSON"),
        ("1" * 10_000, "Exceeds the limit"),
    ],
)
def test_damaged_json_is_named(tmp_path, text, message):
    file = tmp_path / "split.json"
    file.write_text(text)
    with pytest.raises(UserError, match="delete it") as caught:
        read_json(file, "split file", "delete it")
    assert f"split file {file}: {message}" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_cell_without_an_end_is_named(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text('path,label\na.png,"rose\n' + "b.png,tulip\n" * 20_000)
    with pytest.raises(UserError, match=r"table.csv line \d+: field larger than"):
        list(read_table(file))


@pytest.mark.parametrize(
    "text, message",
    [
        # Nine lists of ten names each stand for ten to the ninth values.
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
            "more than 100,000 values",
        ),
        ("a: &a [*a]", "more than 100,000 values"),
        ("a: " + "[" * 5_000, "nested too deeply"),
        ("a: 2023-13-45", "month must be in"),
        ("a: [1,", "not valid yaml"),
        ("a: {b: 1, c: 2, b: 3}", "key 'b' stands twice"),
        ("a: !!python/object/apply:os.system [true]", "not valid yaml"),
        ("just words", "a mapping of keys is needed"),
    ],
)
def test_yaml_that_is_no_configuration_is_named(tmp_path, text, message):
    file = tmp_path / "grid.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_yaml(file, "config file")
    assert message in str(caught.value) and f"config file {file}" in str(caught.value)
    assert len(str(caught.value)) < 600

"""Pages, docstrings, comments and messages are in plain English."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the words mean here in plain words.
INSTEAD = {
    r"mend(s|ed|ing)?": "fix, repair, patch",
    r"told": "said, printed, given; or a name for the thing",
    r"in vain": "failed",
    r"not to be had": "cannot be downloaded, is not published",
    r"anew": "again",
    r"by being there": "is imported from the folder",
}
UNUSUAL = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)


def prose_of_code(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every comment and string, docstrings and the fixed parts of messages
    among them."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for number, line in enumerate(node.value.splitlines()):
                yield node.lineno + number, line


def unusual(paths: list[Path]) -> list[str]:
    """ "file:line: word" for every word that has a plainer one."""
    found = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        lines = prose_of_code(text) if path.suffix == ".py" else enumerate(text.splitlines(), 1)
        for number, line in lines:
            place = f"{path.relative_to(ROOT).as_posix()}:{number}"
            found += [f"{place}: {match.group()}" for match in UNUSUAL.finditer(line)]
    return found


def test_words_are_found_in_prose_and_not_in_names(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    code = (
        'told = 1  # what is told\n"""Mends it."""\nprint(f"{told} in vain")\nrecommend = "amend"\n'
    )
    (tmp_path / "a.py").write_text(code)
    assert sorted(unusual([tmp_path / "a.py"])) == [
        "a.py:1: told",
        "a.py:2: Mends",
        "a.py:3: in vain",
    ]


@pytest.mark.parametrize(
    "folder",
    [
        "trainers",
        "datasets",
        *sorted(
            f"softcpt/{path.name}"
            for path in (ROOT / "softcpt").iterdir()
            if (path / "__init__.py").is_file()
        ),
    ],
)
def test_code_speaks_plain_english(folder):
    assert not unusual(sorted((ROOT / folder).rglob("*.py")))


def test_modules_at_the_root_speak_plain_english():
    assert not unusual(
        [*sorted((ROOT / "softcpt").glob("*.py")), ROOT / "train.py", ROOT / "setup.py"]
    )


def test_pages_speak_plain_english():
    folders = ("docs", "softcpt")
    pages = [
        *ROOT.glob("*.md"),
        *(page for name in folders for page in ROOT.glob(f"{name}/**/*.md")),
    ]
    assert not unusual([page for page in pages if "results" not in page.relative_to(ROOT).parts])

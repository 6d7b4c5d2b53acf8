"""docs/quickstart.ipynb runs, and prints what is kept in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "quickstart.ipynb"


def printed(cells) -> list[str]:
    """What each cell prints, without numbers, which differ between machines, and the width of
    columns, which goes with them."""
    shown = []
    for cell in cells:
        for output in cell.get("outputs", ()):
            text = "".join(output.get("text") or output["data"]["text/plain"])
            shown.append(" ".join(re.sub(r"\d+(\.\d+)?|--+", "#", text).split()))
    return shown


@pytest.mark.slow
def test_it_runs_and_prints_what_it_says(tmp_path):
    from tools.run_quickstart import executed  # needs the extra "docs"

    kept = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    again = executed(NOTEBOOK, tmp_path)
    assert len(printed(kept)) >= 8
    assert printed(again.cells) == printed(kept)


def test_it_is_small_and_says_nothing_of_a_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 50_000
    assert not re.search(r"/(home|root|tmp|work)/|Traceback|\\u001b", text)

"""Runs docs/quickstart.ipynb and keeps what its cells print in it:
`python tools/run_quickstart.py`.

A test runs it, too, and compares.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook, run in ``folder``, with what its cells printed and nothing of the machine."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    # The notebook uses this checkout, whatever is installed.
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)})
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        if cell.cell_type == "code":
            shown = [output for output in cell.outputs if output.get("name") != "stderr"]
            cell.outputs = shown
    return notebook


def main() -> None:
    """Write the notebook again."""
    with TemporaryDirectory() as folder:
        notebook = executed(NOTEBOOK, Path(folder))
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()

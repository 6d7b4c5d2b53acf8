"""``help()`` of every public name is enough to use it: what it takes, gives and raises, and an
example that runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import io
import logging
import re
import textwrap
from collections.abc import Callable

import pytest
import torch

import softcpt
from tests.helpers.hub import hub_server

PUBLIC = {
    name: getattr(importlib.import_module(f"softcpt.{module}"), name)
    for name, module in softcpt._MODULE_OF.items()
}
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if name not in CLASSES}
METHODS = {
    (owner, name): getattr(method, "__func__", method)
    for owner, kind in CLASSES.items()
    for name, method in vars(kind).items()
    if not name.startswith("_")
    and (inspect.isfunction(method) or isinstance(method, (classmethod, staticmethod)))
}


def section(docstring: str, title: str) -> str:
    """The indented lines below ``title``, "" if there are none."""
    found = re.search(rf"^{title}:\n((?:    .*\n|\n)+)", docstring + "\n", re.MULTILINE)
    return textwrap.dedent(found[1]) if found else ""


def prose(docstring: str) -> str:
    """Without code and examples."""
    lines = re.sub(r"^Example:\n(?:    .*\n|\n)+", "", docstring + "\n", flags=re.MULTILINE)
    return re.sub(r"``.*?``|`.*?`", "", lines, flags=re.DOTALL)


def entries(docstring: str, *titles: str) -> set[str]:
    """Names that have an entry in one of the sections."""
    text = "\n".join(section(docstring, title) for title in titles)
    return {
        name.strip()
        for names in re.findall(r"^([\w, *]+):", text, re.MULTILINE)
        for name in names.split(",")
    }


def parameters(thing: Callable[..., object]) -> set[str]:
    """Names of its arguments; of a class, those that an instance is made from."""
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return set()
    return {
        name
        for name, parameter in inspect.signature(thing).parameters.items()
        if name not in ("self", "cls") and parameter.kind is not parameter.VAR_POSITIONAL
    }


def raises(thing: Callable[..., object]) -> bool:
    """Whether its own lines raise a UserError; of a class, those that make an instance."""
    made = [vars(thing).get(name) for name in ("__init__", "__post_init__")]
    code = [one for one in made if one] if inspect.isclass(thing) else [thing]
    return any(
        isinstance(node, ast.Raise) and "UserError" in ast.unparse(node)
        for one in code
        if inspect.getsourcefile(one) != "<string>"  # a dataclass's own
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(one))))
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root.manager, "disable", logging.INFO)  # as outside a command
    torch.manual_seed(1)
    names = {"softcpt": softcpt, "torch": torch}
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = finder.find(PUBLIC[name], name, module=False, globs=names)
    runner, said = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS), io.StringIO()
    with hub_server(monkeypatch, tmp_path / "hub"):
        for one in found:
            runner.run(one, out=said.write)
    assert any(one.name == name and one.examples for one in found), "no example"
    assert not runner.failures, said.getvalue()


@pytest.mark.parametrize("name", PUBLIC)
def test_arguments_results_and_errors_are_described(name):
    thing, docstring = PUBLIC[name], inspect.getdoc(PUBLIC[name])
    assert not parameters(thing) - entries(docstring, "Args", "Attributes")
    if name in FUNCTIONS and parameters(thing):
        nothing = inspect.signature(thing).return_annotation == "None"
        assert nothing or section(docstring, "Returns")
    assert section(docstring, "Raises") or not raises(thing)


@pytest.mark.parametrize(("owner", "name"), METHODS, ids=map(".".join, METHODS))
def test_methods_name_their_arguments_and_errors(owner, name):
    """In their docstring, or in that of the method that they override."""
    method, docstring = METHODS[owner, name], inspect.getdoc(METHODS[owner, name])
    overridden = [getattr(kind, name, None) for kind in CLASSES[owner].__mro__]
    named = {word for one in overridden for word in re.findall(r"\w+", inspect.getdoc(one) or "")}
    assert docstring and not parameters(method) - named
    assert section(docstring, "Raises") or not raises(method)


def test_a_page_of_html_can_be_made_of_them():
    """<i> would be italics from there on."""
    named = {**PUBLIC, **{".".join(names): method for names, method in METHODS.items()}}
    docstrings = {name: inspect.getdoc(thing) for name, thing in named.items()}
    assert not {name for name, text in docstrings.items() if re.search(r"<\w+>", prose(text))}


def test_every_public_name_is_checked():
    assert {*PUBLIC, "__version__"} == {*softcpt.__all__}


def test_engine_is_a_function_whatever_was_imported():
    importlib.import_module("softcpt.engine.learner")
    assert softcpt.engine() == PUBLIC["engine"]()


def test_what_is_missing_is_found():
    """The checks themselves, on a function that says too little."""

    def of(part: int, whole: int) -> float:
        """The share.

        Args:
            part: of it.
        """
        if not whole:
            raise softcpt.UserError("whole: it is 0; give another")
        return part / whole

    docstring = inspect.getdoc(of)
    assert parameters(of) - entries(docstring, "Args") == {"whole"}
    assert raises(of) and not section(docstring, "Raises") and not section(docstring, "Returns")

# make run    set up .venv and tune on the embedded benchmark: zero-shot, CoOp, SoftCPT, TextGDA-MT, a table at the end
# make test   set up .venv with the test extra and run the quick tests; says which were skipped, and why
# make test-all   with the slow ones, Ray, submitit and a browser: nothing may be skipped
# make gpu-check   does the GPU compute what the CPU computes, and how fast (without a GPU: the CPU half)
# make docs   the documentation as a site, with every public name of the library: site/index.html
# make emoji44, make tiny   build the shipped benchmark and model again
VENV   := .venv
PYTHON := $(VENV)/bin/python
HOST   ?= python3

# make check  lint and types
# make check-page  lint of the report page's script and style, by biome, which npx fetches
.PHONY: run test test-all check check-page gpu-check docs tiny emoji44 clean

run: $(VENV)/.installed
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" scripts/compare.sh

# loadfile: a file of tests runs in one process, so that what its tests share is made once.
test: $(VENV)/.test-installed
	$(PYTHON) -m pytest -q -rs -n 2 --dist loadfile -m "not slow" tests

test-all: $(VENV)/.test-all-installed
	$(PYTHON) -m tests.helpers.programs
	$(PYTHON) -m pytest -q -n 2 --dist loadfile --durations=25 --nothing-skipped tests

check: $(VENV)/.test-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

check-page:
	npx --yes @biomejs/biome@2.3.8 ci

gpu-check: $(VENV)/.installed
	$(PYTHON) benchmarks/gpu_check.py

docs: $(VENV)/.docs-installed
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

$(VENV)/.installed: pyproject.toml setup.py
	$(HOST) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --editable .
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(PYTHON) -m pip install --quiet --editable ".[test]"
	touch $@

$(VENV)/.test-all-installed: $(VENV)/.test-installed
	$(PYTHON) -m pip install --quiet --editable ".[test-all]"
	touch $@

$(VENV)/.docs-installed: $(VENV)/.installed
	$(PYTHON) -m pip install --quiet --editable ".[docs]"
	touch $@

# The shipped benchmark and model, made again from packages (the model takes about 20 minutes).
emoji44 tiny: $(VENV)/.build-installed
	$(PYTHON) tools/build_$@.py

$(VENV)/.build-installed: $(VENV)/.installed
	$(PYTHON) -m pip install --quiet --editable ".[build]"
	touch $@

clean:
	rm -rf $(VENV) build dist site *.egg-info

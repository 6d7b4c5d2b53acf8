# make run    set up .venv and tune on the embedded benchmark: zero-shot, CoOp, SoftCPT, a table at the end
# make test   set up .venv with the test extra and run all tests
VENV   := .venv
PYTHON := $(VENV)/bin/python
HOST   ?= python3

.PHONY: run test clean

run: $(VENV)/.installed
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" scripts/compare.sh

test: $(VENV)/.test-installed
	$(PYTHON) -m pytest -q -n 2 -m "not slow" tests

$(VENV)/.installed: setup.py
	$(HOST) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --editable .
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(PYTHON) -m pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info

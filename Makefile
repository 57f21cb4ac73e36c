PYTHON ?= python3
BIN := .venv/bin
RUN := work_dirs/quickstart

.PHONY: install dev quickstart test reliability lint clean

install: .venv/.installed
dev: .venv/.installed-dev

.venv/.installed: setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

quickstart: install
	$(BIN)/python tools/train.py configs/quickstart/rooms.py --work-dir $(RUN)
	$(BIN)/python tools/test.py configs/quickstart/rooms.py $(RUN) \
	    --work-dir $(RUN) --out $(RUN)/metrics.json --show-dir $(RUN)

test: dev
	$(BIN)/python -m pytest -n 2

# What takes minutes; `make test` has short versions.
reliability: dev
	@set -e; for script in $(filter-out tests/reliability/test_%, \
	    $(wildcard tests/reliability/*.py)); do \
	    echo "$$script"; $(BIN)/python "$$script"; done

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache

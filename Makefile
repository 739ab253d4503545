# The everyday verbs. `make` lists them.
PYTHON ?= python3
BIN := .venv/bin
LOCK = $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-header --python-version 3.11 --python-platform linux

.PHONY: help setup demo test histories lint format lock faults bench check docs clean
help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
setup:  ## .venv with everything for development
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
demo:  ## run a day on the embedded demo
	$(BIN)/luigi --module aivo_luigi RunAll --date 2025-01-15
test:  ## all tests
	$(BIN)/python -m pytest -n 2
histories:  ## the property tests at length: 200 histories of 20 steps
	AIVO_TEST_EXAMPLES=200 AIVO_TEST_STEPS=20 $(BIN)/python -m pytest -n 2 tests/test_properties.py
lint:  ## ruff, mypy and sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 sql benchmarks
	$(BIN)/hadolint k8s/Dockerfile
format:  ## format Python and SQL
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --processes 2 sql benchmarks
docs:  ## write docs/data-dictionary.md anew from the migrations
	$(BIN)/python docs/data_dictionary.py > docs/data-dictionary.new
	mv docs/data-dictionary.new docs/data-dictionary.md
lock:  ## pin the image's dependencies anew (Python 3.11 on Linux)
	$(LOCK) --extra luigid --output-file k8s/requirements.lock setup.py
	echo 'setuptools>=70.1' | $(LOCK) --output-file k8s/requirements-build.lock -
faults:  ## break runs on purpose, in every way that production knows
	$(BIN)/python -m tests.faults --faults 100
bench:  ## a day against the floor, on an embedded PostgreSQL
	$(BIN)/python -m benchmarks run
check: lint test  ## the linters and the tests
clean:  ## remove what was made here
	rm -rf .venv build dist *.egg-info

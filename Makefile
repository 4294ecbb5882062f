# Every target sets up what it needs. `make help` lists them.
PROFILE ?= demo
PYTHON  ?= python3
BIN     := .venv/bin
export MPLBACKEND := agg

.DEFAULT_GOAL := help
.PHONY: help env reproduce test test-coverage test-cluster test-extras test-kill book test-book lint figures pages compare runs bench bench-traffic clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

env: .venv/ready ## set up .venv with the pinned packages

# The stamp comes last: an environment that was cut off half-way is made again.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.11")'
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

reproduce: env ## train a profile, execute every page, print the results [PROFILE=demo]
	$(BIN)/python -m tdlib reproduce --profile $(PROFILE)

runs: env ## train what a profile lacks into results/, resumable [PROFILE=demo]
	$(BIN)/python -m tdlib runs --profile $(PROFILE) --store results

figures: env ## draw every figure and table again: trains no row, but page 10 measures this machine
	$(BIN)/python -m tdlib figures

pages: env ## execute the committed pages again from the committed rows
	$(BIN)/python -m tdlib pages

compare: env ## set a fresh reproduction against the committed rows [PROFILE=demo]
	$(BIN)/python -m tdlib compare --profile $(PROFILE)

lint: env ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint ## style and tests; those of clusters, extras, kills and the book have targets of their own
	$(BIN)/pytest -n 2 --dist loadscope

test-coverage: env ## the same tests, slower, and which lines none of them reaches
	$(BIN)/pytest -n 2 --dist loadscope --cov --cov-report=term-missing:skip-covered --cov-fail-under=90

test-cluster: env ## sweeps over a real Dask cluster and a real Slurm on this machine (Debian, root)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-cluster.lock
	$(BIN)/pytest -rs tests/cluster

# An environment of its own, on top of .venv: what these packages need is no part of the study.
test-extras: env ## Excel, Parquet, sktime, Fracast and Chronos with their packages, in build/extras, minutes
	$(BIN)/python -m venv build/extras
	$(BIN)/python -c 'import site; print(*site.getsitepackages())' > $$(echo build/extras/lib/python*/site-packages)/study.pth
	build/extras/bin/pip install --quiet --disable-pip-version-check -r requirements-extras.lock
	NO_SKIP=1 build/extras/bin/python -m pytest -q tests/models/test_fracast.py tests/models/test_chronos.py \
		tests/service/test_sktime.py tests/csvfile/test_cells.py

test-kill: env ## runs killed 100 times at random moments end with the same rows, 10 minutes
	$(BIN)/pytest -q tests/kill

book: env ## the pages as an HTML book in build/book, from what is committed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-book.lock
	$(BIN)/python docs/book/build.py

test-book: book ## the book in a browser without a window (Debian's chromium)
	$(BIN)/pytest -rs tests/book

bench: env ## measure the ratios and slopes that docs/speed.md quotes, half an hour
	$(BIN)/python benchmarks/epoch.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/moderntcn.py
	$(BIN)/python benchmarks/precision.py

bench-traffic: env ## measure memory and time of an epoch on 862 channels, an hour or more
	$(BIN)/python benchmarks/traffic.py

clean: ## remove the environment and everything that was built
	rm -rf .venv build results/cache .pytest_cache .ruff_cache .coverage*

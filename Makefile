# make demo | test | check | bench: each does all the set-up it needs. Python 3.11+ and git are enough.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo test check bench format generated clean

help:
	@echo "make setup   create .venv from requirements.lock"
	@echo "make demo    from phantoms to results/multiresunet-demo/report.html, in minutes"
	@echo "make test    all tests"
	@echo "make check   format, lint, types, workflow lint, import layers"
	@echo "make bench   speed, each as a ratio to a reference in the same run; slow tests"
	@echo "make format  format everything;  make generated  rewrite the generated files"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11."; echo "Run: make setup PYTHON=python3.11"; exit 2; }
	@echo "Setting up .venv: about two minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	# Plain pip: it takes the CPU build where the machine offers one (docs/decisions/0001-setup.md).
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	touch $@

demo: setup
	snakemake --cores all
	@echo "Open results/multiresunet-demo/report.html in a browser."

test: setup
	pytest -n 2 --dist loadgroup -m 'not slow'

check: setup
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
	pytest -q tests/contract/test_layers.py tests/contract/test_generated.py

bench: setup
	python -m benchmarks
	pytest -m slow

format: setup
	ruff format .
	ruff check --fix .
	snakefmt Snakefile workflow

generated: setup
	python -m segrepro.protocol.schema
	python -m segrepro.models._page
	python -m segrepro.datasets._page docs/guide/datasets

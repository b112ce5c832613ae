# The verbs of Darkroom; `make` alone lists them. Only Python 3.11 or 3.12, make and git are needed beforehand.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
LOCK := requirements/laptop.txt
READY := $(VENV)/.ready
export PATH := $(abspath $(VENV))/bin:$(PATH)
# DVC and OpenVINO would send usage statistics.
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help run test proof bench lint serve ui images lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## the whole pipeline on the built-in demo data
	@dvc repro --quiet digits
	@darkroom run

test: $(READY) ## all tests, under 10 minutes; the long proofs are sampled
	@python -m pytest -m "not proof"

proof: $(READY) ## all tests and all long proofs
	@python -m pytest

bench: $(READY) ## speed and memory, as ratios against named baselines
	@python -m benchmarks

lint: $(READY) ## format, lint, types, generated files
	@ruff format --check .
	@ruff check .
	@mypy components/contract pipelines components/*/component.py

serve: $(READY) ## serve the newest model on port 3000
	@darkroom serve

ui: $(READY) ## the MLflow UI on port 5000
	@darkroom ui

lock: ## resolve the dependencies anew and write the lock
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --all-extras --upgrade -o $(LOCK)

# The environment is made once, and again when the lock changes. uv comes from the lock as well, by its hash.
$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 12) else \
		f"Python 3.11 or 3.12 is needed; {sys.executable} is {v[0]}.{v[1]}. Name another: make PYTHON=/path/to/python3.11")'
	@echo "Installing into $(VENV) (once; some 3 GB)…"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "python3-venv is needed: apt-get install python3-venv"; exit 2; }
	@sed -n '/^uv==/,/^[a-z].*==/p' $(LOCK) | sed '$$d' > $(VENV)/uv.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --require-hashes --compile-bytecode -r $(LOCK)
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

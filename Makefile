# The verbs of Darkroom; `make` alone lists them. Only Python 3.11 or 3.12, make and git are needed beforehand.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
LOCK := requirements/laptop.txt
READY := $(VENV)/.ready
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
export PATH := $(abspath $(VENV))/bin:$(PATH)
# DVC and OpenVINO would send usage statistics.
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-onednn test-docker proof bench lint serve ui images lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## the whole pipeline on the built-in demo data
	@dvc repro --quiet digits
	@darkroom run

test: $(READY) ## all tests, under 10 minutes; the long proofs are sampled
	@python -m pytest -m "not proof" -n auto --maxprocesses 4 --dist loadfile

# TensorFlow turns oneDNN on by itself on some processors only; both kinds of machine are tested on one.
TRAINING_TESTS := $(addprefix tests/unit/train/test_,$(addsuffix .py,export features fit lr_find pointwise resume))

test-onednn: $(READY) ## the training tests with oneDNN off on one thread, and on with two
	@for setting in "0 1" "1 2"; do set -- $$setting; echo "oneDNN $$1, threads $$2:"; \
		TF_ENABLE_ONEDNN_OPTS=$$1 OMP_NUM_THREADS=$$2 TF_NUM_INTRAOP_THREADS=$$2 \
		python -m pytest -q -m "not proof" $(TRAINING_TESTS) || exit; done

test-docker: $(READY) ## the pipeline in containers, compared with subprocesses; needs an engine and `make images`
	@python -m pytest -m docker -o faulthandler_timeout=2400 -o faulthandler_exit_on_timeout=true

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

images: $(READY) ## build the container images and print their sizes; BASE_IMAGE=… NETWORK=host
	@darkroom images build $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) $(if $(NETWORK),--network $(NETWORK))

lock: ## resolve the dependencies anew and write the lock
	$(COMPILE) pyproject.toml --all-extras --upgrade -o $(LOCK)
	for step in train evaluate; do \
		$(COMPILE) pyproject.toml --extra $$step -c $(LOCK) -o requirements/$$step.txt || exit; done
	for step in preprocess deploy serve; do \
		$(COMPILE) pyproject.toml --extra $$step --extra heic -c $(LOCK) -o requirements/$$step.txt || exit; done
	$(COMPILE) pyproject.toml requirements/train-gpu.in --extra train -c $(LOCK) -o requirements/train-gpu.txt
	$(COMPILE) requirements/kfp.in --no-deps -c $(LOCK) -o requirements/kfp.txt
	$(COMPILE) requirements/uv.in -c $(LOCK) -o requirements/uv.txt
	$(COMPILE) requirements/mlflow.in -c $(LOCK) -o requirements/mlflow.txt

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

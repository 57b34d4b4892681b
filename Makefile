# make test   everything, in an environment of its own (.venv); as root it installs SYSTEM first
# make lint   ruff alone
# make faults   training killed 25 times and interrupted 5 times, then compared to the bit
# make fuzz     10,000 damaged pictures for all that reads pictures, 3,000 tensors for the server
# make load     the SavedModel asked by 16 threads at once, 2,400 times
# make docs   the documentation as a website, in site/
# make lock   requirements.lock anew from requirements.txt

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Debian's names: the Vulkan loader, a browser that brings SwiftShader, a GPU in software, and
# npm, unless one from elsewhere is there, with which Debian's would conflict.
SYSTEM = libvulkan1 chromium $(if $(shell command -v npm),,npm)

.PHONY: test system lint faults fuzz load docs lock clean

test: system $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -n 2 --dist loadfile -m "slow or not slow" --durations=15
	KERAS_BACKEND=jax $(BIN)/pytest tests/network/test_layers.py tests/network/test_model.py

system:
	@if command -v chromium >/dev/null && command -v npm >/dev/null && \
		/sbin/ldconfig -p | grep -q libvulkan.so.1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq --no-install-recommends $(SYSTEM); \
	else \
		echo "The tests on a GPU and in a browser need: sudo apt-get install $(SYSTEM)"; \
	fi

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

faults: $(VENV)/installed
	$(BIN)/python tests/faults/kill_training.py

fuzz: $(VENV)/installed
	$(BIN)/python tests/fuzz_pictures.py
	$(BIN)/python tests/fuzz_signatures.py

load: $(VENV)/installed
	$(BIN)/python tests/serve_load.py

$(VENV)/installed: requirements.txt tests/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -r requirements.txt -r tests/requirements.txt
	touch $@

docs: $(VENV)/installed
	$(BIN)/mkdocs build --strict

lock: $(VENV)/installed
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-package awsrn-keras \
	  --no-annotate --custom-compile-command "make lock" requirements.txt -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis dist build site

# make test   everything, in an environment of its own (.venv)
# make lint   ruff alone
# make docs   the documentation as a website, in site/
# make lock   requirements.lock anew from requirements.txt

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: test lint docs lock clean

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -m "slow or not slow" --durations=15
	KERAS_BACKEND=jax $(BIN)/pytest tests/test_layers.py tests/test_model.py

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

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

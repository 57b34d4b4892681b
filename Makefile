# make test   everything, in an environment of its own (.venv)
# make lint   ruff alone

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: test lint clean

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

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis dist build

# Two commands: `make demo` and `make test`. Both make .venv when it is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test clean
.DEFAULT_GOAL := demo

# A stamp per extra: pip runs again only when pyproject.toml has changed.
.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[plot]"
	@touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/pip install --quiet --editable ".[test]"
	@touch $@

demo: .venv/.installed
	@TEXTGEN_COMMAND=$(BIN)/textgen $(BIN)/textgen demo

# Once on JAX for everything that touches Keras, then everything on TensorFlow; in two
# processes, as most tests keep one core busy at most.
test: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy textgen
	KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=2 \
		$(BIN)/pytest -q -n 2 tests/training textgen/training
	KERAS_BACKEND=tensorflow $(BIN)/pytest -q -n 2

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

# The commands for work on textgen; `make` alone lists them. The first one that needs the
# environment creates it in .venv.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
SHELL := bash
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

# Some containers set it, and every process would then compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# The networks of tests are compiled for longer than they run. What XLA makes of them then is
# not ours to test.
XLA := --xla_backend_optimization_level=0
TENSORFLOW := KERAS_BACKEND=tensorflow XLA_FLAGS=$(XLA)
# More threads than cores would only wait for each other.
TORCH := KERAS_BACKEND=torch OMP_NUM_THREADS=1
# Two devices, so that the tests cover training on more than one.
JAX := KERAS_BACKEND=jax XLA_FLAGS="--xla_force_host_platform_device_count=2 $(XLA)"
# One process per core of a small machine: most tests keep one core busy at most.
# Skipped tests are counted by reason at the end.
# A file stays in one process, so that what its tests share is made once. In their order the
# shortest come last, and both processes end at about the same time.
PYTEST := $(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -rs

.PHONY: help demo lint format check test test-page test-wheel docs examples base clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "%-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The stamp files make pip run again only after pyproject.toml has changed.
.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[plot,report]"
	@touch $@

# Python compiles what is imported when it is imported; pip would compile all of it.
.venv/.installed-test: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[test]"
	@touch $@ .venv/.installed .venv/.installed-docs .venv/.installed-examples

.venv/.installed-docs: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	@touch $@

.venv/.installed-examples: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[examples,torch]"
	@touch $@

demo: .venv/.installed  ## train on the bundled fables for a minute and write a page
	@TEXTGEN_COMMAND=$(BIN)/textgen $(BIN)/textgen demo

lint: .venv/.installed-test  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy textgen

format: .venv/.installed-test  ## let ruff format the code and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint  ## lint, then the quick tests, with fewer Hypothesis examples
	$(TORCH) $(PYTEST) -m "not slow" --hypothesis-profile=quick

# PyTorch has all of them, because it does not compile. It comes last, so that the output
# ends with the largest number of tests.
test: lint  ## lint, then every test on PyTorch and those that the others could change there
	$(JAX) $(PYTEST) -m "not one_backend" tests/training
	$(TENSORFLOW) $(PYTEST) -m "not one_backend" tests/training
	$(TORCH) $(PYTEST)

test-page:  ## test the page for the browser; needs Chromium and its driver
	@{ command -v chromium || command -v google-chrome; } > /dev/null \
		&& command -v chromedriver > /dev/null || { \
		echo "Install Chromium and its driver; on Debian: apt install chromium chromium-driver" >&2; \
		exit 1; }
	@$(BIN)/python -c "import selenium" 2> /dev/null || { \
		echo 'Install what tests need: $(BIN)/pip install -e ".[test]"' >&2; exit 1; }
	$(TORCH) $(BIN)/pytest -q -rs tests/page tests/exporting/test_html.py tests/reporting

test-wheel: .venv/.installed-test  ## build the wheel, install it with its dependencies and run it
	TEXTGEN_WHEEL_DEPENDENCIES=1 $(BIN)/pytest -q tests/test_wheel.py

# The variable silences a notice about another program.
docs: .venv/.installed-docs  ## build the documentation site in site/, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The minutes that they took go into their pages, so the machine should be idle.
EXAMPLES := classify digits series recall dialogue music names molecules

examples: .venv/.installed-examples  ## run the examples in full; rewrites their figures
	@for name in $(EXAMPLES); do \
		$(TORCH) $(BIN)/python examples/$$name.py --minutes || exit 1; \
	done

# Goes on with a run that was stopped. The wheel takes what it writes to textgen/bases/.
BOOKS ?= ../shared/books
BASE_MINUTES ?= 120

base: .venv/.installed-examples  ## train the base model on the books in BOOKS, for two hours
	KERAS_BACKEND=torch $(BIN)/python benchmarks/base.py --books $(BOOKS) --minutes $(BASE_MINUTES)

clean:  ## remove everything that these commands created
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

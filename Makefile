# Two commands matter: `make demo` and `make test`. Both start from a bare clone.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := pyproject.toml

.PHONY: demo test lint types unit light bench clean

# What an earlier demo made goes: the command itself never overwrites runs.
demo: .venv/.train
	rm -rf demo
	$(BIN)/steelyard demo --out demo

test: lint types unit light

.venv/.created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"steelyard needs Python 3.11 or newer; {sys.executable} is {v.major}.{v.minor}; name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/.train: .venv/.created $(SOURCES)
	$(BIN)/python -m pip install -q -e '.[train]'
	touch $@

.venv/.dev: .venv/.created $(SOURCES)
	$(BIN)/python -m pip install -q -e '.[dev]'
	touch $@ .venv/.train

# The light half must work, and pass its tests, where torch was never installed.
.venv-light/.ready: $(SOURCES)
	$(PYTHON) -m venv .venv-light
	.venv-light/bin/python -m pip install -q -e '.[test]'
	touch $@

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.dev
	$(BIN)/mypy

unit: .venv/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

light: .venv-light/.ready
	OMP_NUM_THREADS=1 .venv-light/bin/python -m pytest -n 2 --dist worksteal -m "not torch and not browser"

bench: .venv/.dev
	$(BIN)/python -m benchmarks $(ONLY)

clean:
	rm -rf .venv .venv-light demo

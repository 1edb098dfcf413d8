# Everything a contributor types. Each target but `lock` needs only Python 3.11+ and make; `setup` is implied.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Test files at a time. They mostly wait for real processes, so more than there are cores.
TEST_WORKERS ?= 4

# Where the environment forbids bytecode files, each of the processes that tests, demo and bench start would compile the project anew: 0.6 s.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test verify crds bench sweep lock clean

help: ## what there is to type
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## the virtual environment, from the locks

$(STAMP): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "goldenami needs Python 3.11 to 3.13, and $(PYTHON) is %s: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@# One that was interrupted while it was made has a Python and no pip.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing the locked dependencies into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## a real operator on a real Kubernetes API server against a local AWS
	@$(BIN)/goldenami demo

test: $(STAMP) ## all tests
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

verify: $(STAMP) ## style, types, layers, locks, generated files
	$(BIN)/ruff check operator tests bench requirements
	$(BIN)/ruff format --check operator tests bench requirements
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python requirements/check.py
	$(BIN)/goldenami crds --output crds --defaults docs/defaults.md --check

crds: $(STAMP) ## regenerate crds/ and docs/defaults.md from goldenami.api
	$(BIN)/goldenami crds --output crds --defaults docs/defaults.md

bench: $(STAMP) ## measurements of docs/performance.md
	$(BIN)/python -m bench $(PARTS)

sweep: $(STAMP) ## the crash sweep at every point
	$(BIN)/python -m pytest tests/e2e/test_crash_sweep.py --sweep=all

lock: $(STAMP) ## regenerate the locks, naming no index
	cd requirements && ./lock

clean: ## remove what the other targets made (not the caches under XDG_CACHE_HOME)
	find operator tests bench requirements -name __pycache__ -prune -exec rm -rf {} +
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist operator/*.egg-info .work

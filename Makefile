# Everything a newcomer needs: Python 3.11+ and make. The virtual environment is made from the lock file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: demo test lint serve dev bench coverage formats fuzz clean

$(VENV)/.made: uv.lock pyproject.toml
	@command -v uv >/dev/null 2>&1 || [ -x .uv/bin/uv ] || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv; }
	@PATH="$(CURDIR)/.uv/bin:$$PATH" uv sync --frozen --quiet --python "$$(command -v $(PYTHON))"
	@touch $@

demo: $(VENV)/.made  ## a made-up hospital from files to pages, truth beside estimate
	@$(BIN)/mend demo $(DEMO)

test: lint  ## every check: style, types, imports, tests
	@$(BIN)/pytest

lint: $(VENV)/.made  ## style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

serve: $(VENV)/.made  ## the demo's pages on this machine
	@$(BIN)/mend serve $(DEMO)

dev: $(VENV)/.made  ## Dagster's own pages, with sensor and schedule at work
	@[ -d $(DEMO)/dagster ] || $(BIN)/mend init $(DEMO)
	@DAGSTER_HOME="$(abspath $(DEMO))/dagster" MEND_WORKSPACE="$(abspath $(DEMO))" DAGSTER_DISABLE_TELEMETRY=1 \
		$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1

bench: $(VENV)/.made  ## time and memory of a run on a million responses against bare DuckDB
	@$(BIN)/python -m tests.bench.whole_run
	@$(BIN)/python -m tests.bench.readers

coverage: $(VENV)/.made  ## truth against estimates on demo seeds 1-5
	@$(BIN)/python -m tests.bench.coverage

formats: $(VENV)/.made  ## every real file of ../shared/data/formats through mend feed add and mend check
	@$(BIN)/python -m tests.bench.formats

fuzz: $(VENV)/.made  ## ten thousand spoilt files of every format: taken in with all their rows, or refused
	@$(BIN)/python -m tests.bench.mutated_files

clean:  ## remove what these commands made
	rm -rf $(VENV) .uv demo .mypy_cache .pytest_cache .ruff_cache

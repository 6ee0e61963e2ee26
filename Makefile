# Everything a newcomer needs: Python 3.11+ and make. The virtual environment is made from the lock file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: demo test lint serve dev bench bench-group-time bench-interrupted-series bench-false-alarms cases coverage \
	truth formats fuzz kill pages clean

$(VENV)/.made: uv.lock pyproject.toml
	@command -v uv >/dev/null 2>&1 || [ -x .uv/bin/uv ] || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv; }
	@PATH="$(CURDIR)/.uv/bin:$$PATH" uv sync --frozen --quiet --compile-bytecode --python "$$(command -v $(PYTHON))"
	@touch $@

demo: $(VENV)/.made  ## a made-up hospital from files to pages, truth beside estimate
	@$(BIN)/mend demo $(DEMO)

test: export OPENBLAS_NUM_THREADS = 1  # a test per core already
test: lint  ## every check: style, types, imports, tests
	@$(BIN)/pytest -n auto --dist worksteal

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

$(VENV)/.bench: $(VENV)/.made  # the peers, which nothing else needs
	@PATH="$(CURDIR)/.uv/bin:$$PATH" uv sync --frozen --quiet --compile-bytecode --group bench
	@touch $@

bench: $(VENV)/.bench  ## every measurement beside its peer; last a run on a million responses against bare DuckDB
	@$(BIN)/python -m tests.bench.control_charts
	@$(BIN)/python -m tests.bench.instrument_health
	@$(BIN)/python -m tests.bench.interrupted_series
	@$(BIN)/python -m tests.bench.readers
	@$(BIN)/python -m tests.bench.group_time
	@$(BIN)/python -m tests.bench.whole_run

bench-group-time: $(VENV)/.bench  ## group-time effects beside two peers: same numbers, time, memory
	@$(BIN)/python -m tests.bench.group_time

bench-false-alarms: $(VENV)/.made  ## stable clinics that a chart accuses, by kind of chart
	@$(BIN)/python -m tests.bench.false_alarms

bench-interrupted-series: $(VENV)/.made  ## six strategies in 200 clinics by three error models, beside statsmodels
	@$(BIN)/python -m tests.bench.interrupted_series

cases: $(VENV)/.made  ## published results beside ours: case, values compared, largest difference
	@$(BIN)/python -m tests.reference.report

coverage: $(VENV)/.made  ## truth against estimates on demo seeds 1-5
	@$(BIN)/python -m tests.bench.coverage

kill: $(VENV)/.made  ## a run killed at twenty random moments, and a withdrawal, against ones never killed
	@$(BIN)/pytest tests/pipeline/test_killed.py tests/pipeline/test_withdraw_command.py --kills 20 --timeout 900

pages: demo  ## every page of the demo in headless Chromium, wide and narrow
	@$(BIN)/python -m tests.bench.pages $(DEMO)/current/site

truth: $(VENV)/.made  ## error rates on made-up hospitals whose truth is known; writes docs/explanation/error-rates.md
	@$(BIN)/python -m tests.bench.truth

formats: $(VENV)/.made  ## every real file of ../shared/data/formats through mend feed add and mend check
	@$(BIN)/python -m tests.bench.formats

fuzz: $(VENV)/.made  ## ten thousand spoilt files of every format: taken in with all their rows, or refused
	@$(BIN)/python -m tests.bench.mutated_files

clean:  ## remove what these commands made
	rm -rf $(VENV) .uv .truth demo .mypy_cache .pytest_cache .ruff_cache

# make demo    from nothing to a finished image; PROMPT="..." and SEED=... choose which
# make models  train the built-in models again, for as long as it is left running (training/README.md)
# make quality what they are worth: a table of figures, in a quarter of an hour
# make families every family of models against diffusers, some of which are in make test
# make studio  the studio in a browser: built, served and opened; needs Node 20.19 or newer
# make wheel   dist/*.whl, with the studio in it
# make test    the same set-up, then everything that must hold: lint, types, layers, tests

PROMPT ?= a white lighthouse on the right by the sea at sunset
SEED ?= 7
PRESET ?= full
# Processes that the tests run in, each with a thread for models: one more than two cores, as many
# tests wait for other processes.
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := tests/server/clients
STUDIO := src/ninefold/studio/index.html

# Handed over by the environment, so that quotes in a prompt stay what they are.
export PROMPT SEED PRESET

.PHONY: chaos demo families reproduce test lint format types layers docs bench fuzz models quality
.PHONY: studio studio-test wheel clean

demo: $(VENV)/.installed
	@$(BIN)/ninefold run "$$PROMPT" --preset "$$PRESET" --seed "$$SEED"

# What comes before the tests can be done side by side: `make --jobs=2 test`.
test: lint types layers studio-test $(CLIENTS)/.venv/.installed
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

studio: $(VENV)/.installed $(STUDIO)
	@$(BIN)/ninefold serve --open

wheel: $(VENV)/.installed-dev $(STUDIO)
	@NINEFOLD_STUDIO=required $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

families: $(VENV)/.installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "families or not families" tests/families

reproduce: $(VENV)/.installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m bench.reproduce

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)/.installed-dev
	@$(BIN)/mypy

layers: $(VENV)/.installed-dev
	@$(BIN)/python tools/layers.py

docs: $(VENV)/.installed
	@$(BIN)/python -m tools.reference
	@$(BIN)/python -m tools.metrics
	@$(BIN)/python -m tools.models
	@$(BIN)/python -m tools.openapi

bench: $(VENV)/.installed
	@$(BIN)/python -m bench.overhead
	@$(BIN)/python bench/cli.py
	@$(BIN)/python bench/jobs.py

# TRAIN_WITH=python3 names an interpreter that has all it takes, as on a machine without network.
models: $(if $(TRAIN_WITH),,$(VENV)/.installed-training)
	@$(or $(TRAIN_WITH),$(BIN)/python) -m training.build

quality: $(VENV)/.installed
	@$(BIN)/python bench/quality.py

chaos: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.jobs.chaos

fuzz: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.server.fuzz.run --examples 500
	@$(BIN)/python -W ignore -m tests.readers.fuzz --files 2500
	@$(BIN)/python -m tests.provenance.fuzz --files 2500 --flips

studio-test: $(STUDIO)
	@cd studio && npm run --silent lint && npm run --silent test

studio/node_modules/.installed: studio/package.json studio/package-lock.json
	@command -v npm >/dev/null || { echo "npm is not installed: install Node 20.19 or newer." >&2; exit 2; }
	@cd studio && npm ci --silent && touch node_modules/.installed

$(STUDIO): studio/node_modules/.installed studio/openapi.json $(shell find studio/src studio/public -type f)
	@cd studio && npm run --silent build

clean:
	rm -rf studio/node_modules src/ninefold/studio
	rm -rf $(CLIENTS)/.venv $(CLIENTS)/node_modules
	rm -rf $(VENV) ninefold-out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: pyproject.toml tools/install.sh
	@tools/install.sh $(VENV)

$(VENV)/.installed-dev: pyproject.toml tools/install.sh
	@tools/install.sh $(VENV) dev

$(VENV)/.installed-training: pyproject.toml tools/install.sh
	@tools/install.sh $(VENV) training

$(CLIENTS)/.venv/.installed: $(VENV)/.installed-dev $(addprefix $(CLIENTS)/,install.sh requirements.txt constraints.txt package-lock.json)
	@$(CLIENTS)/install.sh "$(CURDIR)/$(BIN)/python"

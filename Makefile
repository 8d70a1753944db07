# Two names matter to a newcomer: `make serve` and `make test`. Both do all the set-up they need, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help serve mutants test check format bench screenshots docs dist clean

help: ## list what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# Of what is installed in place, pip compiles no byte code: so that the first start is as fast as the second, it is done here.
# What the build backend has to say to packagers is no news to whoever runs this.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("upsim needs Python 3.11 or newer; this is %d.%d. Try: make PYTHON=python3.12 serve" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(BIN)/python -m compileall -q upsim contract fixtures
	@touch $@

# --group needs a newer pip than some Pythons bring.
$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

serve: $(VENV)/.installed ## run the simulator with the demo world (ARGS="--port 9000 …" for more)
	@exec $(BIN)/upsim serve $(ARGS)

test: $(VENV)/.installed-dev ## run the whole test suite
	$(BIN)/python -m pytest -n auto $(ARGS)
	@$(BIN)/python -m tests.browser.chromium > /dev/null || true

check: $(VENV)/.installed-dev ## format, lint, types, layers, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.docs --check

format: $(VENV)/.installed-dev ## put code and generated docs in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m tools.docs

bench: $(VENV)/.installed-dev ## measure, as ratios to a bare Flask app in the same run
	$(BIN)/python -m bench $(ARGS)

screenshots: $(VENV)/.installed-dev ## look at every page of the dashboard: writes docs/img/dashboard, needs a Chromium
	$(BIN)/python -m tools.screenshots

mutants: $(VENV)/.installed-dev ## show that the contract suite finds each small deviation
	$(BIN)/python -m tests.contract.mutants

dist: $(VENV)/.installed-dev ## build the wheel and the single file upsim.pyz into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -m tools.onefile dist/upsim.pyz

clean: ## forget everything that was installed or built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache

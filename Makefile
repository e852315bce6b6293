# `make` alone lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.lingraft-setup

.PHONY: help setup protos lint-protos lint test check demo bench
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:  ## this list
	@awk -F ':.*## +' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

setup: $(STAMP)  ## .venv with the tested versions; needs Python 3.11+, pip and make

# The server's own operators are compiled by the install.
$(STAMP): pyproject.toml constraints.txt $(wildcard server/native/*)
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "lingraft needs Python 3.11 or newer; name one with: make setup PYTHON=python3.11")'
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt --build-constraint constraints.txt -e '.[server,training]' --group dev
	touch $(STAMP)

GEN ?= protos/gen
protos: $(STAMP)  ## regenerate protos/gen (GEN=elsewhere writes elsewhere)
	$(BIN)/python scripts/protos.py generate $(GEN)

# Apart from `check`, since it needs npm. buf reads google/rpc from the installed Python package.
lint-protos: $(STAMP)  ## buf: STANDARD and COMMENTS, with the exceptions of buf.yaml
	$(BIN)/python scripts/protos.py google build/google-protos
	npx --yes @bufbuild/buf@1.75.0 lint protos

lint: $(STAMP)  ## format, lint, walls, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy tests

test: $(STAMP)  ## every test
	$(BIN)/pytest -q

check: lint test  ## what CI runs

demo: $(STAMP)  ## the whole way on a phrasebook, in minutes; writes build/demo/summary.json
	$(BIN)/python -m examples.demo

# Apart from `check`: it takes long, wants the machine for itself, and installs the peers.
BENCH := build/bench
bench: $(STAMP)  ## against CTranslate2, Transformers and plain ONNX Runtime; writes build/bench/*.json
	$(BIN)/python -m pip install --quiet -c constraints.txt --group bench
	$(BIN)/python -m benchmarks.engine --json $(BENCH)/engine.json
	$(BIN)/python -m benchmarks.engine --precision fp32 --json $(BENCH)/engine-fp32.json
	$(BIN)/python -m benchmarks.service --json $(BENCH)/service.json
	$(BIN)/python -m benchmarks.classify --json $(BENCH)/classify.json
	$(BIN)/python -m benchmarks.training --json $(BENCH)/training.json

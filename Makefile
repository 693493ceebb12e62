# `make` alone lists the targets. Each one sets up what it needs in .venv, with nothing but Python 3.11+ there.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# A file stays on one worker, with what its tests share; conftest.py puts the longest files first.
TWO_WORKERS := -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup league status test test-long test-all test-browser test-slow test-gpu test-library tune board app bench gpu-day clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/ready: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed (Transformers 5.23 asks for it); say which with make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -q -r requirements.txt
	touch $@

$(VENV)/ready-to-show: requirements-app.txt $(VENV)/ready
	$(RUN) -m pip install -q -r requirements-app.txt
	touch $@

$(VENV)/ready-to-test: requirements-test.txt requirements-app.txt requirements-cluster.txt $(VENV)/ready
	$(RUN) -m pip install -q -r requirements-test.txt
	touch $@

setup: $(VENV)/ready  ## make .venv and install the pinned requirements

league: $(VENV)/ready  ## play the demo league: three scripts, built-in data, no network; prints FINAL_TEST_BLEU
	$(RUN) train_pretrain.py --league demo
	$(RUN) train_finetune.py --league demo
	$(RUN) evaluate_bleu.py --league demo

status: $(VENV)/ready  ## show all entries, or with ENTRY=mine one of them: stages, clock, score
	$(RUN) -m tools.status $(ENTRY)

test: $(VENV)/ready-to-test  ## run the tests
	$(RUN) -m ruff check .
	$(RUN) -m pytest $(TWO_WORKERS)

test-long: $(VENV)/ready-to-test  ## run the tests that take ten seconds and more each
	$(RUN) -m pytest $(TWO_WORKERS) -m "long and not slow and not browser"

test-all: test-long test-slow test-library  ## run all other tests that need no GPU: long and slow ones, those in a browser, the library's

test-browser: $(VENV)/ready-to-test  ## run the tests in a browser alone; they are part of test-slow, too
	$(RUN) -m pytest $(TWO_WORKERS) -m "browser and not gpu"

test-slow: $(VENV)/ready-to-test  ## run the tests that take minutes, and those in a browser, where there is Chromium
	$(RUN) -m pytest $(TWO_WORKERS) -m "(slow or browser) and not gpu" --ignore tests/games --ignore tests/hub/test_notebook.py
	$(RUN) -m pytest -m "slow and not gpu" tests/games tests/hub/test_notebook.py  # whole games, on all cores, one by one

test-gpu: $(VENV)/ready-to-test  ## run the tests that need a CUDA device
	$(RUN) -m pytest -m gpu tests/games/test_gpu.py

test-library: $(VENV)/ready-to-test  ## run Transformers' own shared model tests on the model (fetches the library's source)
	$(RUN) -m tests.library.run

tune: $(VENV)/ready  ## search for better settings and play them, on the demo league, or with ARGS="--entry tuned"
	$(RUN) -m tools.tune $(or $(ARGS),--league demo)

board: $(VENV)/ready  ## rank the entries in runs/, or with ARGS="FOLDER --out DIR" those that were handed in
	$(RUN) -m tools.board $(ARGS)

app: $(VENV)/ready-to-show  ## board, translator, reports and live progress in the browser
	$(RUN) -m tools.app $(ARGS)

bench: $(VENV)/ready  ## measure the speed beside the library's own, or with ARGS="training --rounds 8" a part of it
	$(RUN) -m benchmarks $(ARGS)

gpu-day: $(VENV)/ready-to-test  ## find out in twelve minutes what a GPU does: tests, a game, benchmarks, a search
	$(RUN) -m benchmarks.gpu_day $(ARGS)

clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .cache

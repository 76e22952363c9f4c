# Everything runs in .venv, which is made on first use. Nothing but Python 3.11-3.13 and make is needed.

PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= configs/arithmetic.yaml

.PHONY: train test check bench policy instruments clean

train: .venv/installed  ## VinePPO on the embedded default; again: continues, or tells that it is done
	$(BIN)/vineppo train $(CONFIG) --resume

test: .venv/installed  ## all tests
	$(BIN)/python -m pytest

check: .venv/installed  ## lint, format, types, layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_house.py

bench: .venv/installed  ## speed of rollouts from shared prefixes, side by side with transformers.generate
	$(BIN)/python benchmarks/rollouts.py

policy: .venv/installed  ## rebuild the bundled starting policy (about 8 minutes on 2 cores)
	rm -rf build/policy
	$(BIN)/vineppo sft configs/sft_arithmetic_facts.yaml output=build/policy/facts
	$(BIN)/vineppo sft configs/sft_arithmetic_habits.yaml policy.path=build/policy/facts output=build/policy/habits

RUN := build/instruments/ppo
CAREFUL := analysis.questions=128 analysis.draws=64

instruments: .venv/installed  ## the report card of docs/instruments.md and its figures (about 15 minutes on 2 cores)
	$(BIN)/vineppo train configs/arithmetic.yaml credit=ppo checkpoint.keep_every=10 run.dir=$(RUN) --resume
	$(BIN)/vineppo analyze $(RUN) --checkpoint 10 $(CAREFUL)
	cp $(RUN)/analysis/000010/figures/*.svg docs/figures

clean:
	rm -rf .venv build runs

# torch first and by exact version: a range would make pip fetch the newest build instead.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

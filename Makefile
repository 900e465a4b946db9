# Works from any path, one with spaces too: every path below is relative to this folder.
PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
PY := $(VENV)/bin/python
SEGMENT := demo/segment
ATTEND := demo/attend
# Tests share the cores as processes, so each process computes in one thread.
WORKERS ?= auto

.PHONY: help demo test test-lowest check lint types format docs

help:
	@echo 'make demo         install, then masks and attention maps of a few photographs into demo/'
	@echo 'make test         install with the dev extra, then run the tests and the notebooks'
	@echo 'make test-lowest  run the tests with the lowest versions that pyproject.toml allows'
	@echo 'make check        format, lint, types, tests'
	@echo 'make docs         install with the docs extra, then build the pages of docs/ into build/site'
	@echo 'make format       format the code and fix what the linter can fix'

demo: $(VENV)/.installed
	$(PY) -m dinoseg samples demo/photos
	$(PY) -m dinoseg segment demo/photos -o $(SEGMENT) --overwrite
	$(PY) -m dinoseg attend demo/photos -o $(ATTEND) --overwrite
	@echo
	@echo 'photographs     demo/photos/'
	@echo 'masks           $(SEGMENT)/masks/'
	@echo 'overlays        $(SEGMENT)/overlays/'
	@echo 'attention heads $(ATTEND)/heads/'
	@echo 'contact sheet   $(SEGMENT)/contact_sheet.png  (look at this first)'

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile

test-lowest: $(LOWEST)/.installed
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile tests

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict
	@echo 'open build/site/index.html'

check: lint types test

lint: $(VENV)/.installed-dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .

types: $(VENV)/.installed-dev
	$(PY) -m mypy

format: $(VENV)/.installed-dev
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

# $(call install,WHAT). pip chooses torch and torchvision together (torchvision is built for one exact torch): neither
# is pinned here.
define install
@echo 'Installing dinoseg into $(VENV). With torch this is about 6 GB on Linux and takes minutes; pip shows its steps.'
$(PY) -m pip install --disable-pip-version-check -e '$(1)'
endef

$(VENV)/.installed: pyproject.toml | $(PY)
	$(call install,.)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(PY)
	$(call install,.[dev])
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(PY)
	$(call install,.[docs])
	@touch $@

# Of what pyproject.toml names the lowest versions, of what these need the newest. The extra detections is left out: it
# brings another OpenCV that takes the place of ours.
$(LOWEST)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip install --python $(LOWEST)/bin/python --resolution lowest-direct -e '.[dev]'
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "dinoseg needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
		echo 'Name another one: make PYTHON=python3.12 demo'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo 'Python lacks its venv module. On Debian and Ubuntu: sudo apt-get install python3-venv'; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

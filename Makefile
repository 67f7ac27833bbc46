# Everything a checkout needs, from a Python 3.11+ and the package index alone. Environments are made under .venvs/.
#
#   make demo     push, list, inspect and pull real content against an embedded registry
#   make test     lint and type checks once, the tests on each version of CPython >= 3.11 that is found
#   make windows  the tests on CPython for Windows, under Wine (with Debian's wine64 and maven)
#   make peers    other clients and registries, which some tests and the benchmarks need (with Go)
#   make pythons  CPython 3.14, which all targets use then (with Maven), and the tests on 3.15 (with debootstrap, as root)
#
# PYTHON=python3.12 (a name or a path) makes any of them use that interpreter alone; ARGS='-k digest' goes to pytest.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PRECIOUS: .venvs/pip-%/ready .venvs/demo-%/ready .venvs/bench-%/ready .venvs/test-%/ready .venvs/lint-%/ready
.PHONY: demo test tests windows lint format coverage soak bench bench-check peers pythons python-3.14 python-3.15 pyodide \
	changelog clean help

# One VERSION=PATH for each usable interpreter, oldest first.
PYTHONS := $(shell sh scripts/pythons.sh $(PYTHON))
ifeq ($(PYTHONS),)
$(error no usable Python found: lading needs CPython 3.11 or newer with venv and pip (on Debian and Ubuntu: apt install python3 python3-venv))
endif
VERSIONS := $(foreach python,$(PYTHONS),$(firstword $(subst =, ,$(python))))
OLDEST := $(firstword $(VERSIONS))
NEWEST := $(lastword $(VERSIONS))
SOURCES := $(shell find src -name '*.py')

# Nothing of the caller's environment may reach into ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# What `make peers` has built comes before what the machine has.
export PATH := $(CURDIR)/.venvs/peers:$(PATH)

LINT := .venvs/lint-$(NEWEST)/bin
PYTEST := python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal
# What other programs make of lading, what a killed process leaves, what pages of docs say and what hundreds of cases of one
# flow come to does not depend on the Python: the newest one tries it.
ONCE := $(addprefix --ignore=tests/,registries conformance crashes browser docs scripts platforms/test_exchange.py \
	cli/test_demo.py cli/test_interruptions.py images/test_peers.py stores/test_skopeo.py \
	cli/test_local_contents.py cli/test_many.py cli/test_output_paths.py cli/test_platforms.py cli/test_second_references.py \
	exchange/test_budget.py images/test_entries_with_one_digest.py property/test_copies_model.py property/test_tokens.py \
	repository/test_wrong_successes.py targets/test_damaged_layouts.py targets/test_linked_layouts.py \
	transfer/test_one_recovery.py verbs/test_platforms.py)

# The oldest and the newest version run the rest. What fails on one between them, and on neither of them, comes from what the
# language and the standard library changed and changed again: texts and types, JSON, time, sockets, TLS, threads, loops,
# archives, files, and what a command imports. The flows stand on these, and are the same on all.
BETWEEN := $(addprefix tests/,artifacts auth documents exchange faces io repository server stores tar transfer transports \
	typing values wire cli/test_ending.py cli/test_mistakes.py cli/test_start.py cli/test_streams.py)

demo: .venvs/demo-$(NEWEST)/ready
	@.venvs/demo-$(NEWEST)/bin/lading demo

test: lint tests

tests: $(VERSIONS:%=test-%)

# The types are those of the installed package: --verifytypes finds it with the first python on PATH.
lint: .venvs/lint-$(NEWEST)/ready .venvs/demo-$(NEWEST)/ready
	@echo '== lint'
	$(LINT)/ruff format --check --quiet
	$(LINT)/ruff check --quiet
	$(LINT)/mypy
	$(LINT)/mypy --platform win32 --cache-dir .mypy_cache/win32 src
	$(LINT)/mypy --platform darwin --cache-dir .mypy_cache/darwin src
	$(LINT)/basedpyright --pythonpath $(LINT)/python
	$(LINT)/basedpyright --pythonpath $(LINT)/python --project tests/typing
	@echo $(LINT)/basedpyright --verifytypes lading --ignoreexternal
	@report=$$(PATH="$(CURDIR)/.venvs/demo-$(NEWEST)/bin:$$PATH" $(LINT)/basedpyright --verifytypes lading --ignoreexternal) || \
		{ printf '%s\n' "$$report" | grep -A1 -e ' error: ' -e '^error: ' -e ' score: '; exit 1; }
	$(LINT)/lint-imports --no-logo
	$(LINT)/python scripts/faces.py --check
	$(LINT)/python scripts/specification.py --check
	$(LINT)/python scripts/public_suffixes.py --check
	$(LINT)/towncrier build --draft --version unreleased >/dev/null

test-%: .venvs/test-%/ready
	@echo '== tests on Python $*'
	.venvs/test-$*/bin/$(PYTEST) \
		$(if $(filter $*,$(NEWEST)),,$(ONCE) $(if $(filter $*,$(OLDEST))$(ARGS),,$(BETWEEN))) $(ARGS)

# Wine 8 lacks the socket call that trio needs. Two workers, since one process of Wine's serves all of them.
WINDOWS := $(addprefix tests/,values wire documents artifacts auth cli copying exchange faces graph images io platforms \
	repository rootfs stores tar targets transfer transports verbs)
windows: .venvs/windows/ready
	@echo '== tests on Windows (wine64)'
	@if [ -e $< ]; then \
		.venvs/windows/python -m pytest --numprocesses 2 --dist worksteal --without-trio \
			$(if $(findstring tests/,$(ARGS)),,$(WINDOWS) --ignore=tests/cli/test_demo.py) $(ARGS) && \
		$(if $(ARGS),:,.venvs/windows/python -m lading demo --quiet); \
	else \
		echo "left out: $$(cat .venvs/peers/windows.missing)"; [ -n "$$CI" ]; \
	fi

format: .venvs/lint-$(NEWEST)/ready
	$(LINT)/ruff format
	$(LINT)/ruff check --fix
	$(LINT)/python scripts/faces.py
	$(LINT)/python scripts/specification.py
	$(LINT)/python scripts/public_suffixes.py

coverage: .venvs/test-$(NEWEST)/ready
	.venvs/test-$(NEWEST)/bin/python -m coverage erase
	.venvs/test-$(NEWEST)/bin/python -m coverage run -m pytest $(ARGS)
	.venvs/test-$(NEWEST)/bin/python -m coverage combine --quiet
	.venvs/test-$(NEWEST)/bin/python -m coverage report

# Hostile input, for SECONDS each: layers, archives and artifacts (scripts/soak.py).
SECONDS ?= 300
soak: soak-layers soak-archives soak-artifacts

soak-%: .venvs/test-$(NEWEST)/ready
	.venvs/test-$(NEWEST)/bin/python -m scripts.soak $* --seconds $(SECONDS) $(ARGS)

bench: .venvs/bench-$(NEWEST)/ready
	.venvs/bench-$(NEWEST)/bin/python -m benchmarks.suite $(ARGS)

bench-check: .venvs/bench-$(NEWEST)/ready
	.venvs/bench-$(NEWEST)/bin/python -m benchmarks.check $(ARGS)

# Other clients and registries, which some tests and the benchmarks need: built with Go, once for the machine's cache.
peers: .venvs/pip-$(NEWEST)/ready
	sh scripts/peers.sh .venvs/pip-$(NEWEST)/bin/python

# Newer versions than most machines have: 3.14 for all targets, and 3.15 to know early what will fail there.
pythons: python-3.14 python-3.15

python-3.14:
	sh scripts/python-3.14.sh $(call interpreter,$(NEWEST))

python-3.15:
	@echo '== tests on Python 3.15'
	-sh scripts/python-3.15.sh $(ARGS)

# What tests/browser needs beside node and chromium.
pyodide: .venvs/pip-$(NEWEST)/ready
	sh scripts/pyodide.sh .venvs/pip-$(NEWEST)/bin/python

changelog: .venvs/lint-$(NEWEST)/ready
	$(LINT)/towncrier build --version $$(sed -n 's/^__version__ = "\(.*\)"$$/\1/p' src/lading/_version.py)

clean:
	rm -rf .venvs .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* dist

help:
	@sed -n '/^$$/q;s/^# \{0,1\}//p' Makefile

# The interpreter of a version; an empty environment made from it; pip, new enough for dependency groups, at work on it.
interpreter = $(lastword $(subst =, ,$(filter $(1)=%,$(PYTHONS))))
environment = $(call interpreter,$(1)) -m venv --clear --without-pip $(@D)
install = .venvs/pip-$(NEWEST)/bin/python -m pip --python $(@D)/bin/python install --quiet

.venvs/pip-%/ready:
	@echo '== environment $(@D)'
	@$(call interpreter,$*) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

# A real installation, as a user has it; the others see changes of the source at once.
.venvs/demo-%/ready: pyproject.toml README.md LICENSE $(SOURCES) | .venvs/pip-$(NEWEST)/ready
	@echo '== environment $(@D)'
	@$(call environment,$*)
	@$(install) '.[cli]'
	@touch $@

# Likewise, beside the clients in Python that it is compared with.
.venvs/bench-%/ready: pyproject.toml README.md LICENSE $(SOURCES) | .venvs/pip-$(NEWEST)/ready
	@echo '== environment $(@D)'
	@$(call environment,$*)
	@$(install) '.[cli]' --group bench
	@touch $@

# Without a file `ready` if a tool is missing: .venvs/peers/windows.missing says which.
.venvs/windows/ready: pyproject.toml scripts/windows.sh | .venvs/pip-$(NEWEST)/ready
	@echo '== environment $(@D)'
	@sh scripts/windows.sh .venvs/pip-$(NEWEST)/bin/python

.venvs/test-%/ready: pyproject.toml | .venvs/pip-$(NEWEST)/ready
	@echo '== environment $(@D)'
	@$(call environment,$*)
	@$(install) --editable '.[cli]' --group test
	@touch $@

.venvs/lint-%/ready: pyproject.toml | .venvs/pip-$(NEWEST)/ready
	@echo '== environment $(@D)'
	@$(call environment,$*)
	@$(install) --editable '.[cli]' --group dev
	@touch $@

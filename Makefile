# Every target does the set-up it needs by itself; `make help` lists them.
#   PRESET, DEVICE, SEED, SETTINGS  what `make demo` runs      PROFILE  where `make install` goes
#   SUITES  what `make test-matrix` runs on: here, trixie, forky
#   PYTHON  the Python (3.10 or newer) that the engine's environment is built from
PRESET   ?= quick
DEVICE   ?= cpu
SEED     ?= 1
SETTINGS ?=
PROFILE  ?= default
#   PLATFORM (linux, windows, macos; this one), DEVICE, KIND (full, light)  for `make wheelhouse`
PLATFORM ?=
KIND     ?= full
WHEELS   ?= wheelhouse

ENGINE := .env-engine/bin/python
TESTER := .env-qgis/bin/python
PYTEST_OPTIONS ?=
#   JOBS  tests at once; each computes with one thread
JOBS     ?= $(shell nproc)
PARALLEL := -n $(JOBS) --dist worksteal
BENCH_OPTIONS ?=

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build install package check test test-core test-kill test-plugin test-desktop lint demo bench \
        bench-accuracy clean clean-all python3 qgis desktop \
        test-qt6 test-matrix translations lrelease lock wheelhouse test-setup tutorial

export MTMSD_PYTHON := $(CURDIR)/$(ENGINE)
export PYTHONDONTWRITEBYTECODE := 1

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: qgis desktop .env-engine/.ready .env-qgis/.ready ## QGIS, the engine's environment and the tests' one

build: python3 lrelease ## Assemble the plugin's folder in build/mtmsd_qgis
	@python3 tools/plugin_package.py build

package: python3 lrelease ## The plugin's zip in dist/, as the plugin site takes it
	@python3 tools/plugin_package.py zip

install: .env-engine/.ready build ## Put the plugin into your QGIS profile (PROFILE=default)
	@python3 tools/plugin_package.py install --profile "$(PROFILE)" --engine "$(MTMSD_PYTHON)"

check: lint .env-light/.ready ## Lint and the quick tests of the engine
	$(ENGINE) -m pytest tests/core -m "not slow" $(PARALLEL) -q $(PYTEST_OPTIONS)

test: test-core test-plugin test-qt6 test-desktop ## All tests: engine, plugin, Qt 6, desktop

test-core: .env-engine/.ready .env-light/.ready .env-gpu/.ready ## The engine's tests
	$(ENGINE) -m pytest tests/core $(PARALLEL) $(PYTEST_OPTIONS)

test-kill: .env-engine/.ready ## Kill the engine a hundred times at random moments; half an hour
	MTMSD_KILLS=34 $(ENGINE) -m pytest tests/core/test_kills.py -s $(PYTEST_OPTIONS)

test-plugin: qgis desktop .env-engine/.ready .env-qgis/.ready build ## The plugin's tests, in QGIS's Python without a screen
	QT_QPA_PLATFORM=offscreen $(TESTER) -m pytest tests/plugin $(PARALLEL) $(PYTEST_OPTIONS)

test-desktop: qgis desktop .env-engine/.ready .env-qgis/.ready build ## The real QGIS on a virtual screen
	$(TESTER) -m pytest tests/desktop $(PARALLEL) $(PYTEST_OPTIONS)

tutorial: qgis desktop .env-engine/.ready .env-qgis/.ready build ## The tutorial's pictures, and its page in QGIS from docs/tutorial.md
	MTMSD_TUTORIAL_PICTURES="$(CURDIR)/docs/images/tutorial" $(TESTER) -m pytest tests/desktop/test_newcomer.py $(PYTEST_OPTIONS)
	$(TESTER) tools/help_pages.py

test-qt6: .env-qt6/.ready ## Modules, enums and drawing of the plugin on Qt 6
	.env-qt6/bin/python -m pytest tests/qt6 $(PYTEST_OPTIONS)

test-setup: qgis desktop .env-qgis/.ready build wheelhouse ## Set Up Engine… in QGIS with the whole engine, with and without a network
	MTMSD_WHEELHOUSE="$(abspath $(WHEELS))" $(TESTER) -m pytest tests/desktop/test_setup.py -m whole $(PYTEST_OPTIONS)

test-matrix: setup build ## Plugin's and desktop's tests on QGIS 3.22, 3.40 and 3.44 (SUITES="trixie")
	PYTEST_OPTIONS="$(PYTEST_OPTIONS)" tools/matrix.sh $(SUITES)

translations: .env-qt6/.ready ## Bring resources/i18n up to date with the strings in the plugin
	.env-qt6/bin/python tools/translations.py update

lock: .env-engine/.ready ## Pin and measure what Set Up Engine… installs, in resources/engine
	$(ENGINE) tools/lock.py

wheelhouse: .env-engine/.ready ## The locked wheels in WHEELS=wheelhouse, for a machine without a network
	$(ENGINE) tools/wheels.py $(addprefix --platform ,$(PLATFORM)) --device "$(DEVICE)" --kind "$(KIND)" "$(WHEELS)"

lint: .env-engine/.ready ## ruff, mypy, and what Qt 6 refuses
	$(ENGINE) -m ruff check .
	$(ENGINE) -m ruff format --check .
	$(ENGINE) -m mypy
	$(ENGINE) -m mypy --follow-imports=silent mtmsd_qgis/common mtmsd_qgis/engine mtmsd_qgis/processing mtmsd_qgis/setup tools
	$(ENGINE) tools/lint_qt.py
	PYTHONPATH=core:. $(dir $(ENGINE))lint-imports --no-cache

demo: qgis .env-engine/.ready build ## From the sample scene and its polygons to a class map, in demo/
	@python3 tools/demo.py --preset "$(PRESET)" --device "$(DEVICE)" --seed "$(SEED)" --settings "$(SETTINGS)"

bench: .env-engine/.ready ## Speed and memory, in bench/results.json
	$(ENGINE) bench/speed.py $(BENCH_OPTIONS)

bench-accuracy: .env-engine/.ready ## Accuracy from few polygons, beside simple tools, on the scenes at hand; resumes
	PYTHONPATH=bench $(ENGINE) -m accuracy $(BENCH_OPTIONS)

clean: ## Remove what was built and what the demo left
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find core mtmsd_qgis tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean ## Remove the environments too
	rm -rf .env-engine .env-light .env-gpu .env-qgis .env-qt6 core/*.egg-info

python3:
	@command -v python3 >/dev/null || tools/system.sh python

qgis:
	@tools/system.sh qgis

desktop:
	@tools/system.sh desktop

lrelease:
	@tools/system.sh translations

.env-engine/.ready: core/pyproject.toml constraints.txt tools/environment.sh
	@tools/environment.sh engine

.env-light/.ready: core/light-requirements.in constraints.txt tools/environment.sh
	@tools/environment.sh light

.env-gpu/.ready: core/light-requirements.in constraints.txt tools/environment.sh
	@tools/environment.sh gpu

.env-qt6/.ready: constraints.txt tools/environment.sh
	@tools/environment.sh qt6

.env-qgis/.ready: constraints.txt tools/environment.sh
	@tools/environment.sh qgis

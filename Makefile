# The front door. Every target works as the first command on a fresh clone.
.DEFAULT_GOAL := help
SHELL := /bin/bash
JOBS ?= $(shell nproc)
export JOBS
MILLRACE_DEPS ?= $(HOME)/.cache/millrace/deps
export MILLRACE_DEPS
PYTHON = $(MILLRACE_DEPS)/venv-$(shell sha256sum < tests/requirements.txt | cut -c1-12)/bin/python
FUZZ_SECONDS ?= 20
step := @tools/step.sh

.PHONY: help setup build install demo test check fuzz soak bench clean

help: ## this list
	@echo "Millrace: make TARGET [JOBS=$(JOBS)]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-7s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing (as root: system packages too), skip what is there
	@tools/setup.sh

# build/NAME/build.ninja: a configured tree of the preset NAME. Ninja itself configures again when a
# CMakeLists.txt changes.
build/%/build.ninja: CMakePresets.json | setup
	$(step) 'configure $*' cmake --preset $* -DMILLRACE_DEPS=$(MILLRACE_DEPS)
	@touch $@

trees := tree-dev tree-release tree-asan tree-tsan tree-coverage
.PHONY: $(trees)
$(trees): tree-%: setup build/%/build.ninja
	$(step) 'build $*' cmake --build --preset $* --parallel $(JOBS)

build: setup build/release/build.ninja ## the release binary, build/release/bin/millrace
	$(step) 'build release' cmake --build --preset release --parallel $(JOBS) --target millrace

PREFIX ?= /usr/local
install: build ## into PREFIX (/usr/local): bin/millrace, and lib/millrace with Arrow and DuckDB
	@cmake --install build/release --prefix $(PREFIX)

demo: build ## real input from socket to SQL, 10 s once built; KEEP=1 leaves its server up
	@$(PYTHON) tools/demo.py --data $(MILLRACE_DEPS)/flights

test: tree-dev ## unit, tool and end-to-end tests on the dev tree
	$(step) 'unit tests' ctest --preset dev --parallel $(JOBS)
	$(step) 'tool and end-to-end tests' env MILLRACE_BIN=$(CURDIR)/build/dev/bin/millrace \
	  $(PYTHON) -m pytest -q $(wildcard tests/tools tests/e2e)

# Where sanitizers find llvm-symbolizer, which Debian installs under this name only.
check: export PATH := $(PATH):/usr/lib/llvm-19/bin

check: ## format, layers, documents, clang-tidy, then the sanitizer trees and a short fuzz
	@$(MAKE) --no-print-directory setup
	$(step) 'format' tools/check_format.sh
	$(step) 'layers' $(PYTHON) tools/check_layers.py
	$(step) 'documents' $(PYTHON) tools/check_docs.py
	@$(MAKE) --no-print-directory tree-dev
	$(step) 'tidy' tools/tidy.sh
	@$(MAKE) --no-print-directory tree-asan
	$(step) 'tests and fuzz corpora under ASan and UBSan' ctest --preset asan --parallel $(JOBS)
	$(step) 'fuzz $(FUZZ_SECONDS) s each' tools/fuzz.sh $(FUZZ_SECONDS)
	@$(MAKE) --no-print-directory tree-tsan
	$(step) 'tests under TSan' ctest --preset tsan --parallel $(JOBS)

fuzz: tree-asan ## each fuzz target for FUZZ_SECONDS, then the lines it reaches of its decoder
	$(step) 'fuzz $(FUZZ_SECONDS) s each' tools/fuzz.sh $(FUZZ_SECONDS)
	@$(MAKE) --no-print-directory tree-coverage
	@$(PYTHON) tools/fuzz_coverage.py

soak: setup ## the long forms of the tests; writes build/soak/report.json
	@$(PYTHON) tools/soak.py $(SOAK)

# Those that millrace_bench() declares.
benches := append_bench decode_bench query_bench
bench: setup build/release/build.ninja ## the micro benchmarks, as JSON into build/bench
	$(step) 'build release' cmake --build --preset release --parallel $(JOBS) --target benches
	@mkdir -p build/bench
	@for name in $(benches); do \
	  tools/step.sh "$$name" build/release/bin/$$name --benchmark_repetitions=5 \
	    --benchmark_report_aggregates_only=true --benchmark_out=build/bench/$$name.json || exit 1; \
	done

clean: ## remove build/ (the shared dependencies stay)
	rm -rf build

# Targets of this repository in addition to a project's. Included by the Makefile before its own rules.

# The longest of the slow tests first, to balance the workers. The CLI's tests need no trained workspace:
# meanwhile the other worker trains the one that both copy.
QUICK += tests/framework/unit tests/framework/problem/unit laptop/tests/unit scaffold/tests/unit
SLOW := tests/framework/cli $(SLOW) scaffold/tests/render conformance/tests/planted \
    tests/framework/local tests/framework/problem/local laptop/tests/local laptop/tests/cli \
    update/tests conformance/tests/cli
TYPED += laptop/src laptop/tests benchmarks conformance/planted conformance/tests scaffold update

# Where mypy finds the laptop, which is an installed package in projects.
lint: export MYPYPATH := laptop/src

CLI_MODULE := conformance/go.mod conformance/go.sum
CLI_VERSION = $(shell sed -n 's|.*databricks/cli v||p' conformance/go.mod)
CLI_STAMP = -X github.com/databricks/cli/internal/build.buildVersion=$(CLI_VERSION)
BUILD_GO = cd conformance && go build -buildvcs=false -o ../$@

.PHONY: bench nightly databricks-cli actionlint template fresh-template snapshots render-size parity

bench: setup databricks-cli ## Run the benchmarks, all variants in one run on this machine.
	@$(RUN) python benchmarks/forked_tasks.py
	@$(RUN) python benchmarks/serving.py
	@PYTHONPATH=laptop/src/laptop/runtime $(RUN) --with 'duckdb==2.0.0' python benchmarks/point_in_time_join.py
	@$(RUN) python -m benchmarks.new_project
	@$(RUN) python -m benchmarks.freshness
	@$(RUN) python -m benchmarks.gate
	@$(RUN) python -m benchmarks.slices
	@$(RUN) python -m benchmarks.monitoring
	@$(RUN) python benchmarks/profiling.py
	@$(RUN) python -m benchmarks.streams

nightly: setup databricks-cli ## Run the nightly tests; writes into benchmarks/results/.
	@$(RUN) python -m benchmarks.nightly $(QUICK) $(SLOW)

template: setup ## Compile the templates; CHECK=1 only checks whether they are stale.
	@$(RUN) python -m scaffold compile $(if $(CHECK),--check)

snapshots: setup ## Rewrite the diffs of each choice, for review.
	@$(RUN) python -m scaffold.tests.snapshots

render-size: setup ## Files and lines of a new project, by folder.
	@$(RUN) python -m scaffold.tests.sizes

parity: setup ## Rewrite the parity table in the laptop's README.
	@$(RUN) python laptop/tests/parity.py

# Not a dependency of the project, because every render has those.
test test-slow nightly: $(TOOLS)/bin/cookiecutter
test-slow nightly: $(TOOLS)/loadtest/bin/locust
$(TOOLS)/bin/cookiecutter: $(UV)
	@UV_TOOL_DIR=$(TOOLS)/tools UV_TOOL_BIN_DIR=$(TOOLS)/bin $(UV) tool install --quiet 'cookiecutter==2.7.1'

databricks-cli: $(if $(shell command -v databricks),,$(TOOLS)/bin/databricks)
databricks-cli: $(TOOLS)/bin/fake-workspace ## Build the Databricks CLI, if none is installed, and its fake workspace.

$(TOOLS)/bin/databricks: $(CLI_MODULE)
	$(BUILD_GO) -ldflags "$(CLI_STAMP)" github.com/databricks/cli

$(TOOLS)/bin/fake-workspace: $(CLI_MODULE) $(wildcard conformance/fake-workspace/*.go)
	$(BUILD_GO) ./fake-workspace

# Built with Go; without Go it is skipped with a message, and fails in CI.
lint: actionlint fresh-template
fresh-template: setup
	@$(RUN) python -m scaffold compile --check

actionlint:
	@if [ -x $(TOOLS)/bin/actionlint ] || command -v go > /dev/null; then \
	    $(MAKE) --silent $(TOOLS)/bin/actionlint && $(TOOLS)/bin/actionlint; \
	else \
	    echo "Skipped: actionlint needs Go, which is not installed."; \
	    test "$$REQUIRE_DATABRICKS_CLI" != 1; \
	fi

$(TOOLS)/bin/actionlint: conformance/actionlint/go.mod conformance/actionlint/go.sum
	cd conformance/actionlint && go build -buildvcs=false -o ../../$@ github.com/rhysd/actionlint/cmd/actionlint

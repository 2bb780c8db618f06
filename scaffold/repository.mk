# What this repository has beside a project's commands. Read by the Makefile before its own rules.

# Of the slow the longest go first, so that no worker is left alone with them.
QUICK += tests/framework/unit tests/framework/problem/unit laptop/tests/unit scaffold/tests/unit
SLOW := tests/framework/cli scaffold/tests/render $(SLOW) conformance/tests/planted \
    tests/framework/local tests/framework/problem/local laptop/tests/local laptop/tests/cli \
    update/tests conformance/tests/cli
TYPED += laptop/src laptop/tests benchmarks conformance/planted conformance/tests scaffold update

# Where mypy finds the laptop, which projects have installed.
lint: export MYPYPATH := laptop/src

CLI_MODULE := conformance/go.mod conformance/go.sum
CLI_VERSION = $(shell sed -n 's|.*databricks/cli v||p' conformance/go.mod)
CLI_STAMP = -X github.com/databricks/cli/internal/build.buildVersion=$(CLI_VERSION)
BUILD_GO = cd conformance && go build -buildvcs=false -o ../$@

.PHONY: bench nightly databricks-cli actionlint template fresh-template snapshots render-size parity

bench: setup databricks-cli ## Figures, both sides in one run on this machine.
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

nightly: setup databricks-cli ## What no change waits for; writes into benchmarks/results/.
	@$(RUN) python -m benchmarks.nightly $(QUICK) $(SLOW)

template: setup ## Compile the templates from what stands here; CHECK=1 only says whether they are stale.
	@$(RUN) python -m scaffold compile $(if $(CHECK),--check)

snapshots: setup ## Write anew what each choice makes of a project, for a review of the change.
	@$(RUN) python -m scaffold.tests.snapshots

render-size: setup ## Files and lines of a new project, by folder.
	@$(RUN) python -m scaffold.tests.sizes

parity: setup ## Write anew the table of what the laptop has, in its README.
	@$(RUN) python laptop/tests/parity.py

# Not among the project's own dependencies, which every render has.
test test-slow nightly: $(TOOLS)/bin/cookiecutter
test-slow nightly: $(TOOLS)/loadtest/bin/locust
$(TOOLS)/bin/cookiecutter: $(UV)
	@UV_TOOL_DIR=$(TOOLS)/tools UV_TOOL_BIN_DIR=$(TOOLS)/bin $(UV) tool install --quiet 'cookiecutter==2.7.1'

databricks-cli: $(if $(shell command -v databricks),,$(TOOLS)/bin/databricks)
databricks-cli: $(TOOLS)/bin/fake-workspace ## The Databricks CLI, where none is installed, and its fake workspace.

$(TOOLS)/bin/databricks: $(CLI_MODULE)
	$(BUILD_GO) -ldflags "$(CLI_STAMP)" github.com/databricks/cli

$(TOOLS)/bin/fake-workspace: $(CLI_MODULE) $(wildcard conformance/fake-workspace/*.go)
	$(BUILD_GO) ./fake-workspace

# Built with Go; a machine without it says what it leaves out, CI fails.
lint: actionlint fresh-template
fresh-template: setup
	@$(RUN) python -m scaffold compile --check

actionlint:
	@if [ -x $(TOOLS)/bin/actionlint ] || command -v go > /dev/null; then \
	    $(MAKE) --silent $(TOOLS)/bin/actionlint && $(TOOLS)/bin/actionlint; \
	else \
	    echo "Left out: actionlint, which is built with Go, and Go is not here."; \
	    test "$$REQUIRE_DATABRICKS_CLI" != 1; \
	fi

$(TOOLS)/bin/actionlint: conformance/actionlint/go.mod conformance/actionlint/go.sum
	cd conformance/actionlint && go build -buildvcs=false -o ../../$@ github.com/rhysd/actionlint/cmd/actionlint

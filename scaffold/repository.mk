# Targets of this repository alone, whose `make test` runs all tests; SLOW= leaves out the slow ones.

TESTS += laptop/tests conformance/tests scaffold/tests update/tests
SLOW ?= 1
TYPED += laptop/tests benchmarks conformance/tests scaffold update

CLI_MODULE := conformance/go.mod conformance/go.sum
CLI_VERSION = $(shell sed -n 's|.*databricks/cli v||p' conformance/go.mod)
CLI_STAMP = -X github.com/databricks/cli/internal/build.buildVersion=$(CLI_VERSION)
BUILD_GO = cd conformance && go build -buildvcs=false -o ../$@

.PHONY: bench soak databricks-cli actionlint template fresh-template goldens

bench: setup databricks-cli ## Figures, both sides in one run on this machine.
	@$(RUN) python benchmarks/forked_tasks.py
	@$(RUN) python benchmarks/serving.py
	@$(RUN) python -m benchmarks.new_project

soak: setup databricks-cli ## All tests and the demo of three projects; writes into benchmarks/results/.
	@$(RUN) python -m benchmarks.soaked_projects

template: setup ## Compile the templates from what stands here; CHECK=1 only says whether they are stale.
	@$(RUN) python -m scaffold compile $(if $(CHECK),--check)

goldens: setup ## Write anew what each choice makes of a project, for a review of the change.
	@$(RUN) python -m scaffold.tests.goldens

# Not among the project's own dependencies, which every render has.
test: $(TOOLS)/bin/cookiecutter
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

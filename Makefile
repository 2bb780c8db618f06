# Needs Python 3.11 or 3.12, git and make; installs uv if it is missing.

TOOLS := .tools
UV := $(shell command -v uv || echo $(TOOLS)/bin/uv)
RUN := $(UV) run --no-sync

# Folders of quick tests, of tests that start processes, and of type-checked code.
QUICK := tests/unit tests/problem/unit
SLOW := tests/local
TYPED := src delivery tests
# [option: serving]
TYPED += examples loadtest
# [end]

# [root]
-include scaffold/repository.mk

# [end]
# Subprocesses find the installed tools, too.
export PATH := $(PATH):$(CURDIR)/$(TOOLS)/bin

# Compile at installation: imports then take a third of the time.
export UV_COMPILE_BYTECODE := 1

# Waiting OpenMP threads of scikit-learn would busy-wait and starve other processes.
export GOMP_SPINCOUNT := 1000

.DEFAULT_GOAL := help
.PHONY: help setup demo year rollout-demo rollback-demo notebook kernel test test-slow lint format wheel integration loadtest plan release retrain adopt compare clean

help: ## Show all targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(UV) ## Install everything into .venv.
	@[ -d .venv ] || echo "Installing packages into .venv; the first time this takes a minute."
	@$(UV) sync --locked --quiet

$(TOOLS)/bin/uv:
	@echo "Installing uv into $(TOOLS)."
	@python3 -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet 'uv>=0.9,<1'

demo: setup ## Two months of the whole lifecycle on the full data.
	@sh demo.sh "$(UV)"

year: setup ## A year of scoring, monitoring and retraining, with concept drift.
	@sh year.sh "$(UV)"

# [option: serving]
rollout-demo: setup ## A gradual roll-out on the full data.
	@sh rollout.sh "$(UV)"

rollback-demo: setup ## A gradual roll-out of a faulty version, with automatic rollback.
	@sh rollout.sh "$(UV)" "null_share: 0.3"

# [end]
# [option: serving]
# Locust has a separate environment, because it patches its whole process.
LOCUST := $(TOOLS)/loadtest/bin/locust
integration: $(LOCUST)
loadtest: setup $(LOCUST) ## Load-test the endpoint; TARGET=, ENDPOINT=, CLIENTS="1 8", RPS=.
	@$(RUN) $(if $(TARGET),,laptop exec --) python -m loadtest $(strip \
	    $(if $(TARGET),--target=$(TARGET)) $(if $(ENDPOINT),--endpoint=$(ENDPOINT)) \
	    $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(SECONDS),--seconds=$(SECONDS)) $(if $(RPS),--rps=$(RPS)))

$(LOCUST): uv.lock | $(UV)
	@UV_PROJECT_ENVIRONMENT=$(TOOLS)/loadtest $(UV) sync --locked --quiet --only-group loadtest
	@touch $(LOCUST)

# [end]
notebook: kernel ## Explore the tables in JupyterLab, on the laptop's workspace.
	@JUPYTER_PATH="$(CURDIR)/$(KERNELS)" $(RUN) --with jupyterlab laptop exec -- \
	    jupyter lab notebooks/exploration.ipynb

# In .venv, where JupyterLab and VS Code look, so that each copy of the project has its own kernel. The
# kernel starts the workspace if needed.
KERNELS := .venv/share/jupyter
KERNEL = {"display_name": "flight_delays on the laptop", "language": "python", \
    "interrupt_mode": "message", "argv": ["$(PYTHON)", "-m", "laptop", "-C", "$(CURDIR)", "exec", \
    "--", "$(PYTHON)", "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
PYTHON = $(CURDIR)/.venv/bin/python
kernel: export KERNEL_JSON = $(KERNEL)
kernel: setup ## Register the kernel that runs notebooks on the workspace, for VS Code.
	@mkdir -p $(KERNELS)/kernels/flight_delays
	@printenv KERNEL_JSON > $(KERNELS)/kernels/flight_delays/kernel.json

# Test files run in parallel; the tests of a file run in one process.
PYTEST = $(RUN) pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --timeout=1200 \
    --durations=20
WORKERS ?= 2

test: setup ## The quick tests.
	@$(PYTEST) -m "not nightly" $(wildcard $(QUICK))

test-slow: setup ## The slow tests of a pull request, on laptop workspaces.
	@$(PYTEST) -m "not nightly" $(wildcard $(SLOW))

lint: setup ## Check format, style and types.
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy $(TYPED)
	@$(RUN) lint-imports --no-cache --no-logo
# [option: ci_platform = github, all]
	@$(RUN) zizmor --offline --quiet --persona pedantic .github
	@$(RUN) check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
# [option: monorepo = no]
	@$(RUN) check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
# [end]
# [end]
# [option: ci_platform = azure, all]
	@$(RUN) check-jsonschema --quiet --builtin-schema vendor.azure-pipelines --regex-variant nonunicode azure-pipelines.yml
# [end]
# [option: ci_platform = gitlab, all]
	@$(RUN) check-jsonschema --quiet --builtin-schema vendor.gitlab-ci .gitlab-ci.yml
# [end]

format: setup ## Format the code and fix lint.
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
	@$(RUN) nbstripout --keep-id notebooks/*.ipynb

# The version has the commit, so that wheels are traceable and caches never return an old one. An existing
# wheel is kept, so that the planned one is deployed.
COMMIT = $(shell git rev-parse --short=12 HEAD)
wheel: $(UV) ## Build the wheel of the commit into dist/.
	@test -n "$(COMMIT)" || { echo "make wheel builds what is committed, and nothing is: commit first." >&2; exit 1; }
	@test -n "$$(find dist -name '*+g$(COMMIT)-*.whl' 2>/dev/null)" || ( \
	    set -e; rm -rf dist .wheel; mkdir .wheel; trap 'rm -rf "$(CURDIR)/.wheel"' EXIT; \
	    git archive HEAD pyproject.toml README.md src | tar -x -C .wheel; \
	    uv="$$(command -v $(UV))"; uv="$$(realpath "$$uv")"; cd .wheel; \
	    "$$uv" version --frozen --quiet "$$("$$uv" version --short)+g$(COMMIT)"; \
	    "$$uv" build --wheel --quiet --out-dir ../dist )

# MINUTES=40 stops waiting after 40 minutes; RESUME=1 waits for the same run, and starts the rest.
integration: setup ## Run the deployed jobs of TARGET and check their results.
	@$(RUN) pytest -s --tb=short tests/integration --target=$(call required,TARGET) \
	    $(if $(MINUTES),--minutes=$(MINUTES)) $(if $(RESUME),--resume) --junit-xml=reports/junit.xml

plan: setup ## Show the changes of a release to TARGET, and write the plan to plan/.
	@$(RUN) python -m delivery plan $(call required,TARGET)

release: setup ## Deploy the plan to TARGET.
	@$(RUN) python -m delivery release $(call required,TARGET)

retrain: setup ## Start model_training of TARGET if its code has changed since it last ran.
	@$(RUN) python -m delivery retrain $(call required,TARGET)

adopt: ## Write the best hyperparameters of the newest tune=true into conf/model.yml.
	@found="$$(ls -td .laptop/artifacts/*/*/artifacts/tuning 2>/dev/null | head -n 1)"; \
	test -n "$$found" || { echo "No tuning is there: laptop run model_training --params tune=true" >&2; exit 1; }; \
	test -e "$$found/model.diff" || { echo "The newest tuning found nothing better than conf/model.yml." >&2; exit 1; }; \
	git apply -p1 "$$found/model.diff" || \
	    { echo "conf/model.yml has changed since then: tune again, or edit it by $$found/model.yml." >&2; exit 1; }; \
	cat "$$found/model.diff" && echo "Run model_training without tune, and open a pull request."

compare: setup ## Compare the model of dev with the Champion of prod, on the laptop; PARAMS=key=value.
	@$(RUN) laptop run model_comparison --var source_catalog=prod,source_schema=flight_delays \
	    $(if $(PARAMS),--params $(PARAMS))

required = $(or $($(1)),$(error Say which target of databricks.yml: make $@ $(1)=test))

clean: ## Delete caches and builds; the workspace in .laptop stays.
	@rm -rf dist plan reports .pytest_cache .mypy_cache .ruff_cache

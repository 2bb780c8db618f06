# Needs Python 3.11 or 3.12, git and make; brings uv where it is missing.

TOOLS := .tools
UV := $(shell command -v uv || echo $(TOOLS)/bin/uv)
RUN := $(UV) run --no-sync

# Compiled once at installation, imports take a third of the time.
export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format clean

help: ## Show what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(UV) ## Install everything into .venv.
	@$(UV) sync --locked --quiet

$(TOOLS)/bin/uv:
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet 'uv>=0.9,<1'

demo: setup ## Two months of the whole lifecycle on the full data.
	@sh demo.sh "$(UV)"

test: setup ## All tests.
	@$(RUN) pytest

lint: setup ## Format, lint and type checks; changes nothing.
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy

format: setup ## Bring the code into shape.
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .

clean: ## Delete caches and builds; the workspace in .laptop stays.
	@rm -rf dist .pytest_cache .mypy_cache .ruff_cache

-include scaffold/repository.mk

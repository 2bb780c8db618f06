# Targets of this repository alone.

.PHONY: bench

bench: setup ## Figures, both sides in one run on this machine.
	@$(RUN) python benchmarks/forked_tasks.py

"""One module a job task; each reads from top to bottom like the task it is."""

"""Jobs: the declared graph, its references, and the processes that run its tasks."""

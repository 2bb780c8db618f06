"""Jobs: the declared graph, its references and the processes that run its tasks.

Jobs that cannot run as declared raise JobError.
"""

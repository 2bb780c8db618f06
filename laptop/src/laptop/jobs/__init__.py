"""Jobs: the declared graph, its references, and the processes that run its tasks.

A job that cannot run as declared raises JobError.
"""

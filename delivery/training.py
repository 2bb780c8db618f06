"""Whether a release calls for a model of the new code."""

from databricks.sdk import WorkspaceClient

from .databricks import DeliveryError, open_workspace, read_bundle, run_bundle
from .repository import has_changed

JOB = "model_training"
# What decides which model comes out, beside the data.
SOURCES = ("src", "pyproject.toml", "databricks.yml", f"resources/{JOB}.job.yml")


def retrain(target: str) -> str:
    """Start the training job if its code changed since it last ran, and say what was done.

    Raises:
        DeliveryError: The job is not deployed, or does not start.
    """
    summary = read_bundle("summary", target=target)
    job = summary.get("resources", {}).get("jobs", {}).get(JOB, {}).get("id")
    if not job:
        raise DeliveryError(f"{JOB} is not deployed to {target}: deploy first.")
    commit = find_last_commit(open_workspace(summary), int(job))
    if commit is not None and not has_changed(commit, SOURCES):
        return f"Nothing that {JOB} rests on has changed since {commit[:12]}: not started."
    run_bundle("run", JOB, "--no-wait", target=target)
    since = f"its code changed since {commit[:12]}" if commit else "it has not run yet"
    return f"{JOB} is started: {since}."


def find_last_commit(workspace: WorkspaceClient, job: int) -> str | None:
    """Return the commit of the latest run's train task; None where it has not run."""
    for run in workspace.jobs.list_runs(job_id=job, expand_tasks=True):
        for task in run.tasks or []:
            wheel = task.python_wheel_task
            if commit := (wheel.named_parameters or {}).get("git_commit") if wheel else None:
                return commit
    return None

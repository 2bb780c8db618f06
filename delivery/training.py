"""Whether a release calls for a model of the new code."""

from databricks.sdk.service.jobs import BaseRun

from .commands import DeliveryError, has_changed, open_workspace, read_bundle, run_bundle

JOB = "model_training"
TOLD_COMMIT = "--git_commit="
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
    runs = open_workspace(summary).jobs.list_runs(job_id=int(job), expand_tasks=True)
    last = next(iter(runs), None)
    if last is None:
        return (
            f"{JOB} has never run in {target}, and there may be no features yet: not started. "
            f"Next: databricks bundle run feature_refresh -t {target}, then {JOB}."
        )
    commit = find_commit(last)
    if commit and not has_changed(commit, SOURCES):
        return f"Nothing that {JOB} rests on has changed since {commit[:12]}: not started."
    run_bundle("run", JOB, "--no-wait", target=target)
    since = f"its code changed since {commit[:12]}" if commit else "its last run names no commit"
    return f"{JOB} is started: {since}."


def find_commit(run: BaseRun) -> str | None:
    """Return the commit that a run was deployed from, as its train task was told."""
    told = (
        parameter.removeprefix(TOLD_COMMIT)
        for task in run.tasks or []
        if task.python_wheel_task
        for parameter in task.python_wheel_task.parameters or []
        if parameter.startswith(TOLD_COMMIT)
    )
    return next(filter(None, told), None)

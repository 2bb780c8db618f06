"""`python -m delivery plan|release|retrain TARGET`, as the Makefile calls it."""

import argparse
import sys

from databricks.sdk.service.jobs import BaseRun

from .commands import (
    DeliveryError,
    has_changed,
    open_workspace,
    read_bundle,
    require_branch,
    require_clean,
    run_bundle,
)
from .plan import draw_plan, find_differences, load_plan, save_plan

JOB = "model_training"
COMMIT_PARAMETER = "--git_commit="
# Paths that determine the model, in addition to the data.
SOURCES = ("src", "pyproject.toml", "databricks.yml", f"resources/{JOB}.job.yml")


def plan(target: str) -> None:
    """Print the changes that a deploy would make, and save them for the release."""
    run_bundle("plan", target=target)
    drawn = draw_plan(target)
    file = save_plan(drawn)
    print(f"Wheel: {drawn['wheel']}\nKept in plan/{file.name}.")
    print(f"Next: make release TARGET={target}, which deploys this and nothing else.")


def release(target: str) -> None:
    """Deploy the saved plan, if a new plan is the same.

    Raises:
        DeliveryError: There is no saved plan, or the new plan differs.
    """
    planned = load_plan(target)
    require_clean()
    require_branch(read_bundle("validate", target=target)["bundle"]["git"].get("branch"))
    if differences := find_differences(planned, draw_plan(target)):
        listed = "\n  ".join(differences)
        raise DeliveryError(
            f"What would be deployed is not what was planned:\n  {listed}\n"
            f"Nothing was deployed. Plan again (make plan TARGET={target}), and have that approved."
        )
    print("The plan is unchanged.", flush=True)
    run_bundle("deploy", target=target)
    print(f"Next: make retrain TARGET={target}, which trains if its code has changed.")


def retrain(target: str) -> str:
    """Start the training job if its code changed since its last run, and return a message.

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
        return f"The code of {JOB} has not changed since {commit[:12]}: not started."
    run_bundle("run", JOB, "--no-wait", target=target)
    since = f"its code changed since {commit[:12]}" if commit else "its last run names no commit"
    return f"{JOB} is started: {since}."


def find_commit(run: BaseRun) -> str | None:
    """Return the commit that a run was deployed from, a parameter of its train task."""
    commits = (
        parameter.removeprefix(COMMIT_PARAMETER)
        for task in run.tasks or []
        if task.python_wheel_task
        for parameter in task.python_wheel_task.parameters or []
        if parameter.startswith(COMMIT_PARAMETER)
    )
    return next(filter(None, commits), None)


def main() -> None:
    """Run one command; an error is one message and exit code 1."""
    parser = argparse.ArgumentParser(prog="delivery", description=__doc__)
    parser.add_argument("verb", choices=["plan", "release", "retrain"])
    parser.add_argument("target", help="a target of databricks.yml")
    arguments = parser.parse_args()
    try:
        match arguments.verb:
            case "plan":
                plan(arguments.target)
            case "release":
                release(arguments.target)
            case _:
                print(retrain(arguments.target))
    except DeliveryError as error:
        sys.exit(f"delivery: {error}")


if __name__ == "__main__":
    main()

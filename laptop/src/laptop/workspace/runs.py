"""Jobs API 2.2: job runs, executed by the runner."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from ..errors import LaptopError
from ..identity import USER_NAME
from ..jobs.outcomes import SUCCESS, TERMINATION
from ..jobs.records import (
    ATTEMPT,
    ATTEMPTS,
    ENDED,
    RUN,
    attempt_name,
    has_ended,
    read_attempts,
)
from ..jobs.repairs import HISTORY, Repair, history
from ..jobs.runner import Runner
from ..jobs.settings import as_text, asks_queue
from .errors import ApiError, missing
from .jobs import job_of
from .requests import JsonBody, identifier, page
from .state import Document, State

FIELDS = frozenset({"job_id", "job_parameters", "only", "queue", "idempotency_token"})
REPAIR_FIELDS = frozenset(
    {
        "run_id",
        "latest_repair_id",
        "rerun_tasks",
        "rerun_all_failed_tasks",
        "rerun_dependent_tasks",
        "job_parameters",
    }
)
LONGEST_TOKEN = 64
TRACEBACK = "Traceback (most recent call last):"
LONGEST_LOG = 5_000_000
STATUS = {"WAITING_FOR_RETRY": "WAITING", "TERMINATING": "TERMINATING", "QUEUED": "QUEUED"}


def router(state: State, runner: Runner, address: str) -> APIRouter:
    """Return the routes of runs below `/api/2.2/jobs`; `address` is that of the workspace."""
    api = APIRouter(prefix="/api/2.2/jobs")

    def run_of(run_id: int) -> Document:
        run = state.get(RUN, f"{run_id:09d}")
        if run is None:
            raise missing("INVALID_PARAMETER_VALUE", "Run", str(run_id))
        return run

    @api.post("/run-now")
    def run_now(body: JsonBody) -> Any:
        job_id = identifier(body, "job_id")
        settings = job_of(state, job_id)["settings"]
        for field in sorted(set(body) - FIELDS):
            raise ApiError(
                501, "NOT_IMPLEMENTED", f"run-now's '{field}' is not supported on the laptop."
            )
        token = body.get("idempotency_token") or ""
        if len(token) > LONGEST_TOKEN:
            text = f"An idempotency_token has up to {LONGEST_TOKEN} characters; got {len(token)}."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        parameters = {k: as_text(v) for k, v in (body.get("job_parameters") or {}).items()}
        queue = asks_queue(body) if body.get("queue") else None
        only = body.get("only") or ()
        try:
            run_id = runner.submit(job_id, settings, parameters, only, queue=queue, token=token)
        except LaptopError as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", str(error)) from error
        return {"run_id": run_id, "number_in_job": run_id}

    @api.get("/runs/get")
    def get(run_id: int, include_history: bool = False) -> Any:
        attempt = state.get(ATTEMPT, attempt_name(run_id))
        if attempt is None:
            run, attempts = run_of(run_id), read_attempts(state, run_id)
            items = history(run, attempts) if include_history else []
            shown = [item | {"status": status(item["state"])} for item in items]
            return show(run, attempts, address) | ({HISTORY: shown} if shown else {})
        run = run_of(run_id // ATTEMPTS)
        return show_attempt(run, attempt, read_attempts(state, run["run_id"]), address)

    @api.get("/runs/list")
    def list_runs(
        job_id: int | None = None,
        active_only: bool = False,
        completed_only: bool = False,
        expand_tasks: bool = False,
        start_time_from: int = 0,
        start_time_to: int | None = None,
        limit: int = 20,
        page_token: str = "",
    ) -> Any:
        if active_only and completed_only:
            text = "active_only and completed_only exclude each other: give one."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        found = [
            run
            for run in reversed(state.all(RUN))
            if job_id in (None, run["job_id"])
            and not (active_only and has_ended(run))
            and not (completed_only and not has_ended(run))
            and run["start_time"] >= start_time_from
            and (start_time_to is None or run["start_time"] <= start_time_to)
        ]
        runs, after = page(found, limit, page_token)
        shown = [
            show(run, read_attempts(state, run["run_id"]) if expand_tasks else [], address)
            for run in runs
        ]
        for run in [] if expand_tasks else shown:
            del run["tasks"]
        return {"runs": shown, **after}

    @api.get("/runs/get-output")
    def get_output(run_id: int) -> Any:
        attempt = state.get(ATTEMPT, attempt_name(run_id))
        if attempt is None:
            run_of(run_id)
            text = (
                "Retrieving the output of runs with multiple tasks is not supported. Please "
                "retrieve the output of each individual task run instead."
            )
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        run = run_of(run_id // ATTEMPTS)
        shown = show_attempt(run, attempt, read_attempts(state, run["run_id"]), address)
        return output(shown["tasks"][0])

    @api.post("/runs/cancel")
    def cancel(body: JsonBody) -> Any:
        run_id = identifier(body, "run_id")
        attempt = state.get(ATTEMPT, attempt_name(run_id))
        if attempt is None:
            runner.cancel(run_of(run_id)["run_id"])
        elif not has_ended(attempt) and not runner.cancel_attempt(run_id // ATTEMPTS, run_id):
            text = "A task that has not started cannot be canceled here: cancel its run."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        return {}

    @api.post("/runs/repair")
    def repair(body: JsonBody) -> Any:
        run = run_of(identifier(body, "run_id"))
        settings = job_of(state, run["job_id"])["settings"]
        for field in sorted(set(body) - REPAIR_FIELDS):
            raise ApiError(
                501, "NOT_IMPLEMENTED", f"repair's '{field}' is not supported on the laptop."
            )
        if not has_ended(run):
            text = f"Run {run['run_id']} is in progress: wait for its end, or cancel it."
            raise ApiError(400, "INVALID_STATE", text)
        parameters = {k: as_text(v) for k, v in (body.get("job_parameters") or {}).items()}
        asked = Repair(
            tasks=body.get("rerun_tasks") or (),
            all_failed=bool(body.get("rerun_all_failed_tasks")),
            dependents=bool(body.get("rerun_dependent_tasks")),
            latest=identifier(body, "latest_repair_id") if "latest_repair_id" in body else None,
            parameters=parameters,
        )
        try:
            return {"repair_id": runner.repair(run["run_id"], settings, asked)}
        except LaptopError as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", str(error)) from error

    return api


def show(run: Document, attempts: Sequence[Document], address: str) -> Document:
    """Return a run with its tasks and derived fields such as `status`."""
    url = f"{address}/jobs/{run['job_id']}/runs/{run['run_id']}"
    loops: dict[int, list[Document]] = {}
    for each in attempts:
        if "for_each_run_id" in each:
            own = each | {"status": status(each["state"]), "run_page_url": url}
            loops.setdefault(each["for_each_run_id"], []).append(own)
    tasks = []
    for each in attempts:
        if "for_each_run_id" in each:
            continue
        task = each | {"status": status(each["state"]), "run_page_url": url}
        if "for_each_task" in each:
            iterations = loops.get(each["run_id"], [])
            task["for_each_task"] = each["for_each_task"] | {"stats": count(iterations)}
            task["iterations"] = iterations
        tasks.append(task)
    kept = {k: v for k, v in run.items() if k != HISTORY}
    return kept | {
        "creator_user_name": USER_NAME,
        "job_run_id": run["run_id"],
        "number_in_job": run["run_id"],
        "run_page_url": url,
        "status": status(run["state"]),
        "tasks": tasks,
    }


def show_attempt(
    run: Document, attempt: Document, attempts: Sequence[Document], address: str
) -> Document:
    """Return a task attempt as a run; that of a for-each task has its iterations."""
    whole = show(run, attempts, address)
    there = [*whole["tasks"], *(i for t in whole["tasks"] for i in t.get("iterations", ()))]
    (task,) = (each for each in there if each["run_id"] == attempt["run_id"])
    times = {k: task[k] for k in ("start_time", "end_time") if k in task}
    own = {k: task[k] for k in ("run_id", "state", "status", "attempt_number")}
    iterations = {"iterations": task["iterations"]} if "iterations" in task else {}
    kept = {k: v for k, v in whole.items() if k not in ("start_time", "end_time")}
    return kept | own | times | iterations | {"run_name": task["task_key"], "tasks": [task]}


def count(iterations: Sequence[Document]) -> Document:
    """Return the statistics of a for-each task; of each iteration, only the last attempt counts."""
    last = {each["iteration"]: each for each in iterations}.values()
    ended = [each["state"]["result_state"] for each in last if has_ended(each)]
    good = ended.count(SUCCESS)
    return {
        "task_run_stats": {
            "total_iterations": len(last),
            "scheduled_iterations": sum("start_time" in each for each in last),
            "active_iterations": sum(not has_ended(e) and "start_time" in e for e in last),
            "completed_iterations": len(ended),
            "succeeded_iterations": good,
            "failed_iterations": len(ended) - good,
        }
    }


def status(state: Document) -> Document:
    """Return a legacy run state as the API's newer `status`."""
    life = state["life_cycle_state"]
    if life not in ENDED:
        return {"state": STATUS.get(life, life)}
    code, kind = TERMINATION.get(
        state.get("result_state", ""), ("INTERNAL_ERROR", "INTERNAL_ERROR")
    )
    details = {"code": code, "type": kind, "message": state.get("state_message", "")}
    return {"state": "TERMINATED", "termination_details": details}


def output(task: Document) -> Document:
    """Return a task's logs, the run it started and, if it failed, its error."""
    log = Path(task["log"])
    text = log.read_text(errors="replace") if log.exists() else ""
    shown = {
        "metadata": task,
        "logs": text[-LONGEST_LOG:],
        "logs_truncated": len(text) > LONGEST_LOG,
    }
    if "child_run_id" in task:
        shown["run_job_output"] = {"run_id": task["child_run_id"]}
    if task["state"].get("result_state") not in ("FAILED", "TIMEDOUT"):
        return shown
    _, found, trace = text.rpartition(TRACEBACK)
    lines = trace.rstrip().splitlines() or [task["state"].get("state_message", "")]
    return shown | {"error": lines[-1], "error_trace": f"{found}{trace}" if found else ""}

"""Runs of jobs, over the runner: started, watched and canceled, in the shape of Jobs 2.2."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter

from ..errors import LaptopError
from ..identity import USER_NAME
from ..jobs.graph import as_text
from ..jobs.records import ENDED, RUN
from ..jobs.runner import Runner
from .errors import ApiError, missing
from .jobs import job_of
from .requests import JsonBody, identifier, page
from .state import Document, State

FIELDS = frozenset({"job_id", "job_parameters", "only"})
TRACEBACK = "Traceback (most recent call last):"
LONGEST_LOG = 5_000_000
STATUS = {"WAITING_FOR_RETRY": "WAITING", "TERMINATING": "TERMINATING", "QUEUED": "QUEUED"}
TERMINATION = {
    "SUCCESS": ("SUCCESS", "SUCCESS"),
    "CANCELED": ("USER_CANCELED", "CLIENT_ERROR"),
    "UPSTREAM_FAILED": ("SKIPPED", "CLIENT_ERROR"),
}


def router(state: State, runner: Runner, address: str) -> APIRouter:
    """Return the routes of runs below `/api/2.2/jobs`; `address` is the workspace's own."""
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
            raise ApiError(501, "NOT_IMPLEMENTED", f"run-now's '{field}' is not built here.")
        parameters = {k: as_text(v) for k, v in (body.get("job_parameters") or {}).items()}
        try:
            run_id = runner.submit(job_id, settings, parameters, body.get("only") or ())
        except LaptopError as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", str(error)) from error
        return {"run_id": run_id, "number_in_job": run_id}

    @api.get("/runs/get")
    def get(run_id: int) -> Any:
        return show(run_of(run_id), address)

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
        shown = [show(run, address) for run in runs]
        for run in [] if expand_tasks else shown:
            del run["tasks"]
        return {"runs": shown, **after}

    @api.get("/runs/get-output")
    def get_output(run_id: int) -> Any:
        run = state.get(RUN, f"{run_id // 1000:09d}") or {"tasks": []}
        for task in run["tasks"]:
            if task["run_id"] == run_id:
                return output(show(run, address), task)
        raise missing("INVALID_PARAMETER_VALUE", "Run", str(run_id))

    @api.post("/runs/cancel")
    def cancel(body: JsonBody) -> Any:
        runner.cancel(run_of(identifier(body, "run_id"))["run_id"])
        return {}

    return api


def has_ended(run: Document) -> bool:
    """Tell whether a run or a task is over."""
    return run["state"]["life_cycle_state"] in ENDED


def show(run: Document, address: str) -> Document:
    """Return a run with what follows from where it stands."""
    url = f"{address}/jobs/{run['job_id']}/runs/{run['run_id']}"
    tasks = [task | {"status": status(task["state"]), "run_page_url": url} for task in run["tasks"]]
    return run | {
        "creator_user_name": USER_NAME,
        "run_page_url": url,
        "status": status(run["state"]),
        "tasks": tasks,
    }


def status(state: Document) -> Document:
    """Return a state in the form that has taken its place in the API."""
    life = state["life_cycle_state"]
    if life not in ENDED:
        return {"state": STATUS.get(life, life)}
    code, kind = TERMINATION.get(
        state.get("result_state", ""), ("RUN_EXECUTION_ERROR", "CLIENT_ERROR")
    )
    details = {"code": code, "type": kind, "message": state.get("state_message", "")}
    return {"state": "TERMINATED", "termination_details": details}


def output(run: Document, task: Document) -> Document:
    """Return what a task printed and, of one that failed, its error."""
    log = Path(task["log"])
    text = log.read_text(errors="replace") if log.exists() else ""
    (metadata,) = (each for each in run["tasks"] if each["run_id"] == task["run_id"])
    shown = {
        "metadata": metadata,
        "logs": text[-LONGEST_LOG:],
        "logs_truncated": len(text) > LONGEST_LOG,
    }
    if task["state"].get("result_state") not in ("FAILED", "TIMEDOUT"):
        return shown
    # Of several attempts the last is what the task failed with.
    _, found, trace = text.rpartition(TRACEBACK)
    lines = trace.rstrip().splitlines() or [task["state"].get("state_message", "")]
    return shown | {"error": lines[-1], "error_trace": f"{found}{trace}" if found else ""}

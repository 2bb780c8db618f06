"""Jobs 2.2: create, run, watch and cancel, over the runner."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter

from ..errors import LaptopError
from ..jobs.graph import as_text
from ..jobs.records import ENDED, RUN
from ..jobs.runner import Runner
from .errors import ApiError, missing
from .requests import JsonBody
from .state import Document, State

JOB = "job"
RUN_FIELDS = frozenset({"job_id", "job_parameters", "only"})


def router(state: State, runner: Runner) -> APIRouter:
    """Return the routes below `/api/2.2/jobs`."""
    api = APIRouter(prefix="/api/2.2/jobs")

    def job_of(job_id: int) -> Document:
        job = state.get(JOB, f"{job_id:09d}")
        if job is None:
            raise missing("INVALID_PARAMETER_VALUE", "Job", str(job_id))
        return job

    def run_of(run_id: int) -> Document:
        run = state.get(RUN, f"{run_id:09d}")
        if run is None:
            raise missing("INVALID_PARAMETER_VALUE", "Run", str(run_id))
        return run

    @api.post("/create")
    def create(body: JsonBody) -> Any:
        job_id = state.count("job")
        state.put(JOB, f"{job_id:09d}", {"job_id": job_id, "settings": body})
        return {"job_id": job_id}

    @api.post("/reset")
    def reset(body: JsonBody) -> Any:
        job = job_of(identifier(body, "job_id"))
        state.put(JOB, f"{job['job_id']:09d}", job | {"settings": body["new_settings"]})
        return {}

    @api.get("/get")
    def get(job_id: int) -> Any:
        return job_of(job_id)

    @api.get("/list")
    def list_jobs(name: str | None = None) -> Any:
        jobs = state.all(JOB)
        return {"jobs": [j for j in jobs if name in (None, j["settings"].get("name"))]}

    @api.post("/run-now")
    def run_now(body: JsonBody) -> Any:
        job_id = identifier(body, "job_id")
        settings = job_of(job_id)["settings"]
        for field in sorted(set(body) - RUN_FIELDS):
            raise ApiError(501, "NOT_IMPLEMENTED", f"run-now's '{field}' is not built here.")
        parameters = {k: as_text(v) for k, v in (body.get("job_parameters") or {}).items()}
        try:
            run_id = runner.submit(job_id, settings, parameters, body.get("only") or ())
        except LaptopError as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", str(error)) from error
        return {"run_id": run_id, "number_in_job": run_id}

    @api.get("/runs/get")
    def get_run(run_id: int) -> Any:
        return run_of(run_id)

    @api.get("/runs/list")
    def list_runs(job_id: int | None = None, active_only: bool = False) -> Any:
        runs = [
            run
            for run in state.all(RUN)
            if job_id in (None, run["job_id"])
            and not (active_only and run["state"]["life_cycle_state"] in ENDED)
        ]
        return {"runs": runs[::-1]}

    @api.get("/runs/get-output")
    def get_output(run_id: int) -> Any:
        for run in state.all(RUN):
            for task in run["tasks"]:
                if task["run_id"] == run_id:
                    log = Path(task["log"])
                    text = log.read_text(errors="replace") if log.exists() else ""
                    return {"metadata": task, "logs": text, "logs_truncated": False}
        raise missing("INVALID_PARAMETER_VALUE", "Task run", str(run_id))

    @api.post("/runs/cancel")
    def cancel(body: JsonBody) -> Any:
        runner.cancel(run_of(identifier(body, "run_id"))["run_id"])
        return {}

    return api


def identifier(body: Document, key: str) -> int:
    """Return a number that a request must have.

    Raises:
        ApiError: 400, where it is absent or no number.
    """
    try:
        return int(body[key])
    except (KeyError, TypeError, ValueError):
        text = f"Field '{key}' must be a number."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text) from None

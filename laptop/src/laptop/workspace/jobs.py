"""Jobs 2.2: create, run, watch and cancel, over the runner."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter

from ..errors import LaptopError
from ..jobs.records import RUN
from ..jobs.runner import Runner
from .errors import ApiError, missing
from .requests import JsonBody
from .state import Document, State

JOB = "job"


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
        job_id = int(body["job_id"])
        state.put(JOB, f"{job_id:09d}", job_of(job_id) | {"settings": body["new_settings"]})
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
        job_id = int(body["job_id"])
        parameters = {k: str(v) for k, v in (body.get("job_parameters") or {}).items()}
        settings = job_of(job_id)["settings"]
        try:
            run_id = runner.submit(job_id, settings, parameters, body.get("only") or ())
        except LaptopError as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", str(error)) from error
        return {"run_id": run_id, "number_in_job": run_id}

    @api.get("/runs/get")
    def get_run(run_id: int) -> Any:
        return run_of(run_id)

    @api.get("/runs/list")
    def list_runs(job_id: int | None = None) -> Any:
        runs = [r for r in state.all(RUN) if job_id in (None, r["job_id"])]
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
        runner.cancel(int(run_of(int(body["run_id"]))["run_id"]))
        return {}

    return api

"""Jobs API 2.2: jobs, as bundles and `laptop run` create them."""

import time
from typing import Any

from fastapi import APIRouter

from ..identity import USER_NAME
from ..jobs.records import JOB
from .errors import missing
from .requests import JsonBody, identifier, page
from .state import Document, State

DETAILS = frozenset({"tasks", "job_clusters", "environments", "parameters"})


def job_of(state: State, job_id: int) -> Document:
    """Return a job.

    Raises:
        ApiError: 400, as on Databricks, if it does not exist.
    """
    job = state.get(JOB, f"{job_id:09d}")
    if job is None:
        raise missing("INVALID_PARAMETER_VALUE", "Job", str(job_id))
    return job


def find_settings(state: State, job_id: int) -> Document | None:
    """Return a job's settings, or None if it does not exist."""
    job = state.get(JOB, f"{job_id:09d}")
    return job and dict(job["settings"])


def router(state: State) -> APIRouter:
    """Return the routes below `/api/2.2/jobs`, except for runs."""
    api = APIRouter(prefix="/api/2.2/jobs")

    def save(job: Document) -> None:
        state.put(JOB, f"{job['job_id']:09d}", job)

    @api.post("/create")
    def create(body: JsonBody) -> Any:
        job_id = state.count("job")
        created = {"created_time": int(time.time() * 1000), "creator_user_name": USER_NAME}
        save({"job_id": job_id, **created, "run_as_user_name": USER_NAME, "settings": body})
        return {"job_id": job_id}

    @api.post("/reset")
    def reset(body: JsonBody) -> Any:
        save(job_of(state, identifier(body, "job_id")) | {"settings": body["new_settings"]})
        return {}

    @api.post("/update")
    def update(body: JsonBody) -> Any:
        job = job_of(state, identifier(body, "job_id"))
        gone = set(body.get("fields_to_remove") or [])
        kept = {k: v for k, v in job["settings"].items() if k not in gone}
        save(job | {"settings": kept | (body.get("new_settings") or {})})
        return {}

    @api.post("/delete")
    def delete(body: JsonBody) -> Any:
        job = job_of(state, identifier(body, "job_id"))
        state.delete(JOB, f"{job['job_id']:09d}")
        return {}

    @api.get("/get")
    def get(job_id: int) -> Any:
        return job_of(state, job_id)

    @api.get("/list")
    def list_jobs(
        name: str | None = None, expand_tasks: bool = False, limit: int = 20, page_token: str = ""
    ) -> Any:
        wanted = name and name.lower()
        names = ((job, str(job["settings"].get("name", ""))) for job in state.all(JOB))
        found = [job for job, own in names if not wanted or own.lower() == wanted]
        jobs, after = page(found, limit, page_token)
        return {"jobs": jobs if expand_tasks else [outline(job) for job in jobs], **after}

    return api


def outline(job: Document) -> Document:
    """Return a job without the settings that only `expand_tasks` shows."""
    return job | {"settings": {k: v for k, v in job["settings"].items() if k not in DETAILS}}

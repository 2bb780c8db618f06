"""A task that ends right after one of its writes, as by `kill -9`: nothing is undone or closed."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from time import monotonic
from typing import Any

import mlflow
from databricks.sdk.service.jobs import JobsAPI
from databricks.sdk.service.serving import ServingEndpointsAPI
from pyspark.sql.connect.session import SparkSession

# What changes registry, endpoint and jobs, and which argument says what is changed.
WRITES: Mapping[type, Mapping[str, int | None]] = {
    mlflow.MlflowClient: {
        "set_model_version_tag": 2,
        "delete_model_version_tag": 2,
        "set_registered_model_alias": 1,
        "delete_registered_model_alias": 1,
        "update_registered_model": 0,
        "log_text": 2,
    },
    ServingEndpointsAPI: {
        "create": None,
        "update_config": None,
        "put_ai_gateway": None,
        "delete": None,
    },
    JobsAPI: {"run_now": None},
}
TABLES = ("CREATE", "INSERT", "MERGE")


def cut_off(after: int | str) -> None:
    """Have this process end after a write.

    Args:
        after: Its number, from 1, or its name, such as `set_registered_model_alias Champion`, where
            the first of that name is meant.
    """
    count, began = 0, monotonic()

    def note(name: str) -> None:
        nonlocal count
        count += 1
        print(f"write {count}: {name} ({monotonic() - began:.1f} s)")
        if after in (count, name):
            print(f"CUT after {name}")
            sys.stdout.flush()
            os._exit(0)

    for kind, methods in WRITES.items():
        for method, named_by in methods.items():
            setattr(kind, method, watch(getattr(kind, method), method, named_by, note))
    sql = SparkSession.sql

    def watched(self: SparkSession, query: str, *arguments: Any, **named: Any) -> Any:
        answer = sql(self, query, *arguments, **named)
        if query.startswith(TABLES):
            note(query.split()[0])
        return answer

    SparkSession.sql = watched  # type: ignore[method-assign]


def watch(
    real: Callable[..., Any], method: str, named_by: int | None, note: Callable[[str], None]
) -> Callable[..., Any]:
    """Return a method that is noted once it has returned."""

    @wraps(real)
    def run(self: object, *arguments: Any, **named: Any) -> Any:
        answer = real(self, *arguments, **named)
        note(method if named_by is None else f"{method} {arguments[named_by]}")
        return answer

    return run

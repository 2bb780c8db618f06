"""Kill a task right after one of its writes, as by `kill -9`, without any cleanup."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from itertools import count
from time import monotonic
from typing import Any

import mlflow
from databricks.sdk.service.dataquality import DataQualityAPI
from databricks.sdk.service.jobs import JobsAPI
from databricks.sdk.service.serving import ServingEndpointsAPI
from pyspark.sql.connect.session import SparkSession

from tests.declared import ROOT

# Writing methods of registry, endpoint, jobs and monitors; index of the identifying argument.
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
    DataQualityAPI: {"create_monitor": None, "update_monitor": None, "create_refresh": None},
}
TABLES = ("CREATE", "INSERT", "MERGE")

IMPORT = f"""
import sys
sys.path.append({str(ROOT)!r})
from tests.framework.local.cut_off import cut_off
"""


def cut_each(act: Callable[[str], str], after: str, least: int) -> Iterator[str]:
    """Kill a task after one write, or after each in turn.

    Args:
        act: Prepares and runs the task, preceded by the given code, which kills it.
        after: The write; blank for each write in turn.
        least: Minimum number of writes.

    Yields:
        The output of each killed run.
    """
    for number in count(1):
        printed = act(f"{IMPORT}cut_off({after or number!r})\n")
        if "CUT after" not in printed:
            assert not after, f"There is no write {after}."
            assert number > least
            return
        yield printed
        if after:
            return


def cut_off(after: int | str) -> None:
    """Kill this process after a write.

    Args:
        after: Number of the write, from 1, or name of the first such write, such as
            `set_registered_model_alias Champion`.
    """
    written, began = 0, monotonic()

    def note(name: str) -> None:
        nonlocal written
        written += 1
        print(f"write {written}: {name} ({monotonic() - began:.1f} s)")
        if after in (written, name):
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

    SparkSession.sql = watched  # type: ignore[method-assign, assignment]


def watch(
    real: Callable[..., Any], method: str, named_by: int | None, note: Callable[[str], None]
) -> Callable[..., Any]:
    """Wrap a method so that its name is recorded after it returns."""

    @wraps(real)
    def run(self: object, *arguments: Any, **named: Any) -> Any:
        answer = real(self, *arguments, **named)
        note(method if named_by is None else f"{method} {arguments[named_by]}")
        return answer

    return run

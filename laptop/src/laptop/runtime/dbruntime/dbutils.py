"""The supported parts of `dbutils`; others raise an error."""

import json
import os
from pathlib import Path
from typing import Any

MOST_BYTES = 48 * 1024


class TaskValues:
    """`dbutils.jobs.taskValues`."""

    def set(self, key: str, value: Any) -> None:
        """Set a value for downstream tasks.

        Args:
            key: Name of the value.
            value: Any JSON-serializable value, 48 KiB at most.

        Raises:
            ValueError: The key is empty, or the value too long or not serializable.
        """
        if not key or not isinstance(key, str):
            raise ValueError(f"A task value needs a name, got {key!r}.")
        try:
            size = len(json.dumps(value, allow_nan=False).encode())
        except (TypeError, ValueError) as error:
            raise ValueError(f"Task value '{key}' is not JSON: {error}") from error
        if size > MOST_BYTES:
            raise ValueError(f"Task value '{key}' has {size} bytes; {MOST_BYTES} fit.")
        file = Path(os.environ["LAPTOP_TASK_VALUES"])
        values = json.loads(file.read_text()) if file.exists() else {}
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps({**values, key: value}))
        draft.replace(file)

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:  # noqa: N803, ARG002
        """Return a value set by an upstream task of this run.

        Raises:
            ValueError: The value does not exist and there is no default.
        """
        file = Path(os.environ["LAPTOP_TASK_VALUES"]).with_name(f"{taskKey}.values.json")
        values = json.loads(file.read_text()) if file.exists() else {}
        if key in values:
            return values[key]
        if default is None:
            raise ValueError(f"Task '{taskKey}' set no value '{key}'; it set: {sorted(values)}.")
        return default


class Jobs:
    """`dbutils.jobs`."""

    taskValues = TaskValues()  # noqa: N815


class DbUtils:
    """`dbutils`."""

    jobs = Jobs()

    def __getattr__(self, name: str) -> Any:
        """Raise an error for unsupported names."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"dbutils.{name} is not supported on the laptop.")

"""Errors of jobs that cannot run as declared."""

from collections.abc import Iterable

from ..errors import LaptopError


class JobError(LaptopError):
    """A job cannot run; raised before any task starts."""


class NotBuilt(JobError):
    """A feature of Databricks jobs that the laptop does not support."""

    def __init__(self, task: str, what: str, others: Iterable[str] = ()) -> None:
        self.task, self.what = task, what
        text = f"Task '{task}': {what} is not supported on the laptop."
        alone = ",".join(others)
        super().__init__(f"{text} Run only the others: --only {alone}" if alone else text)


class UnknownName(JobError):
    """A reference to an unknown name."""

    def __init__(self, what: str, name: str, allowed: Iterable[str], where: str = "") -> None:
        there = ", ".join(sorted(allowed)) or "none"
        place = f"{where}: " if where else ""
        super().__init__(f"{place}no {what} '{name}'. There are: {there}.")

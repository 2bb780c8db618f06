"""What makes a job impossible to run as declared."""

from collections.abc import Iterable

from ..errors import LaptopError


class JobError(LaptopError):
    """A job that cannot run; found before any of its tasks starts."""


class NotBuilt(JobError):
    """A part of Databricks' jobs that the laptop does not have."""

    def __init__(self, task: str, what: str, others: Iterable[str] = ()) -> None:
        self.task, self.what = task, what
        text = f"Task '{task}': {what} is not built on the laptop."
        alone = ",".join(others)
        super().__init__(f"{text} Run the others alone: --only {alone}" if alone else text)


class UnknownName(JobError):
    """A name that nothing in the job bears."""

    def __init__(self, what: str, name: str, allowed: Iterable[str], where: str = "") -> None:
        there = ", ".join(sorted(allowed)) or "none"
        place = f"{where}: " if where else ""
        super().__init__(f"{place}no {what} '{name}'. There are: {there}.")

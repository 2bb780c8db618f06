"""The refresh schedule of features, and their age at look-up."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from ..errors import DeclarationError

# Instead of a schedule, if runs are continuous or triggered by the sources. Monitoring then checks
# the age of features.
CONTINUOUS = "continuous"
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
CRON = re.compile(r"0 (\S+) (\S+) (?:\*|1/1|\?) \* (?:\?|\*)(?: \*)?")
PART = re.compile(r"(?:(\*)|(\d+)(?:-(\d+))?)(?:/(\d+))?")


@dataclass(frozen=True, kw_only=True)
class Refresh:
    """The interval and the publishing delay of the feature refresh.

    A request at an instant finds features as of floor(instant - delay, every). Training,
    validation, comparison and batch inference look features up as of that instant, to avoid
    training-serving skew.

    Attributes:
        every: Interval between runs of feature_refresh; runs start at its multiples from midnight
            UTC.
        delay: Time from such a multiple until the run's features can be looked up.
    """

    every: timedelta
    delay: timedelta

    def __post_init__(self) -> None:
        """Validate both values.

        Raises:
            DeclarationError: `every` does not divide a day, or a value is not in whole minutes.
        """
        if self.every < MINUTE or DAY % self.every or self.every % MINUTE:
            raise DeclarationError(
                "Refresh.every",
                got=str(self.every),
                allowed="whole minutes that divide a day: 15 minutes, 1 hour, 1 day",
                remedy="Look-up times are rounded down to its multiples, from midnight UTC.",
            )
        if self.delay < MINUTE or self.delay % MINUTE:
            raise DeclarationError(
                "Refresh.delay",
                got=str(self.delay),
                allowed="whole minutes, 1 or more",
                remedy="Give the time that feature_refresh takes until its tables are online.",
            )

    @property
    def greatest_age(self) -> timedelta:
        """Maximum age of features at look-up."""
        return self.every + self.delay

    def write_instant(self, decision_at: str) -> str:
        """Return the SQL of the instant as of which a request finds features."""
        every, delay = (round(each.total_seconds()) for each in (self.every, self.delay))
        latest = f"unix_timestamp({decision_at}) - {delay}"
        # DIV rounds instants before 1970 up.
        return f"timestamp_seconds({latest} - pmod({latest}, {every}))"

    def write_instants(self, decision_at: str) -> list[str]:
        """Return the SQL of all instants as of which a request may find features, oldest first.

        Instants after the first require a delay shorter than `delay`; some are after the decision.
        """
        first, every = self.write_instant(decision_at), round(self.every.total_seconds())
        return [
            f"timestamp_seconds(unix_timestamp({first}) + {number * every})"
            for number in range(-(-self.delay // self.every) + 1)
        ]

    def require_schedule(self, cron: str) -> None:
        """Check that a schedule starts every run within `delay`.

        `cron` is the Quartz expression of feature_refresh's schedule, in UTC, or `CONTINUOUS`.

        Raises:
            DeclarationError: The expression is not supported, or a run starts too late.
        """
        if cron == CONTINUOUS:
            return
        starts, day = list_starts(cron), DAY // MINUTE
        for multiple in range(0, day, self.every // MINUTE):
            before = multiple + self.delay // MINUTE
            if not any((start - multiple) % day < before - multiple for start in starts):
                raise DeclarationError(
                    "The schedule of feature_refresh",
                    got=f"{cron!r}, which begins no run from {write_time(multiple)} on and before "
                    f"{write_time(before)} UTC",
                    allowed=f"a run within {self.delay} of each multiple of {self.every}",
                    remedy="Change refresh_schedule in databricks.yml, or Refresh in problem/.",
                )


def list_starts(cron: str) -> Collection[int]:
    """Return the minutes of the day, UTC, at which a schedule starts runs.

    It is a daily Quartz expression: `0 MINUTES HOURS * * ?`.

    Raises:
        DeclarationError: The expression has another form.
    """
    found = CRON.fullmatch(cron.strip())
    if found is None:
        raise refuse(cron)
    minutes, hours = (
        read_field(cron, text, size) for text, size in zip(found.groups(), (60, 24), strict=True)
    )
    return {60 * hour + minute for hour in hours for minute in minutes}


def read_field(cron: str, text: str, size: int) -> set[int]:
    """Return the values below `size` that match a field of a Quartz expression."""
    values: set[int] = set()
    for each in text.split(","):
        part = PART.fullmatch(each)
        if part is None:
            raise refuse(cron)
        every, first, last, step = part.groups()
        begin = 0 if every else int(first)
        end = size - 1 if every or (step and not last) else int(last or first)
        if end >= size or begin > end or step == "0":
            raise refuse(cron)
        values.update(range(begin, end + 1, int(step or 1)))
    return values


def refuse(cron: str) -> DeclarationError:
    """Return the error of a schedule that is not supported."""
    return DeclarationError(
        "The schedule of feature_refresh",
        got=repr(cron),
        allowed="a Quartz expression that is the same each day, as '0 0 * * * ?'",
        remedy="Change refresh_schedule in databricks.yml.",
    )


def write_time(minutes: int) -> str:
    """Return minutes since midnight as a time of day."""
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"

"""The local day of an instant: rows of one day share its circumstances."""

from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd


def local_days(decided: pd.Series, time_zone: str) -> npt.NDArray[np.datetime64]:
    """Return the day of each instant where the problem is, without a zone.

    Args:
        decided: The instants, UTC where they have no zone.
        time_zone: IANA name of the zone, as America/New_York.
    """
    instants = decided if decided.dt.tz is not None else decided.dt.tz_localize("UTC")
    local = instants.dt.tz_convert(ZoneInfo(time_zone)).dt.tz_localize(None)
    days: npt.NDArray[np.datetime64] = local.to_numpy(dtype="datetime64[D]")
    return days

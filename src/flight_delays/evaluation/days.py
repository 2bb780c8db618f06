"""Local days, the blocks within which errors are correlated."""

from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd


def local_days(decided: pd.Series, time_zone: str) -> npt.NDArray[np.datetime64]:
    """Return the local day of each instant.

    Args:
        decided: The instants; those without a zone are UTC.
        time_zone: IANA name, such as America/New_York.
    """
    instants = decided if decided.dt.tz is not None else decided.dt.tz_localize("UTC")
    local = instants.dt.tz_convert(ZoneInfo(time_zone)).dt.tz_localize(None)
    days: npt.NDArray[np.datetime64] = local.to_numpy(dtype="datetime64[D]")
    return days

"""Plot of the power of a roll-out's guardrail in docs/rollout.md."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_plots import INK, LINES, begin, save


def draw_power(
    shares: NDArray[np.float64],
    power: Mapping[float, Mapping[str, Sequence[float]]],
    limit: float,
    name: str,
) -> None:
    """Plot the share of streams with detected harm by the Challenger's failure rate."""
    figure, axes = begin()
    for (split, each), colour in zip(power.items(), LINES, strict=False):
        for way, style in (("at every request", "-"), ("once, at the end", "--")):
            label = f"{split:.0%} of the traffic, {way}"
            axes.plot(100 * shares, 100 * np.asarray(each[way]), style, color=colour, label=label)
    axes.axvline(100 * limit, color=INK, linewidth=0.8, linestyle=":")
    axes.set(xlabel="failed requests of the Challenger, %", ylabel="harm is shown, %")
    axes.set(xlim=(0, 12), ylim=(0, 102))
    save(figure, axes, name)

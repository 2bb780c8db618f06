"""How figures are written for people."""

from collections.abc import Mapping

from .model_types import ModelType


def format_figure(figure: float | None, unit: str = "") -> str:
    """Return a figure with its unit.

    Counts and large figures are whole numbers, all others have four significant digits; None is
    "not measured".
    """
    if figure is None:
        return "not measured"
    if isinstance(figure, int):
        written = f"{figure:,}"
    else:
        written = f"{figure:,.0f}" if 1000 <= abs(figure) < 1e12 else f"{figure:.4g}"
    return f"{written} {unit}".rstrip()


def format_metrics(metrics: Mapping[str, float], model_type: ModelType) -> str:
    """Return metrics with their units in one line."""
    return ", ".join(
        f"{name} {format_figure(value, model_type.metrics[name].unit)}"
        for name, value in metrics.items()
    )

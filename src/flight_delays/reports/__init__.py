"""Report pages and model cards: jinja2 templates, rendered here, with matplotlib plots."""

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ..evaluation.model_types import format_estimate, format_figure

TableRows = Sequence[Sequence[str]]


def render(template: str, **values: object) -> str:
    """Render a template of templates/; values are escaped in HTML."""
    return _make_environment().get_template(template).render(**values)


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "estimate": format_estimate,
        "figure": format_figure,
        "grid": _format_grid,
        "instant": lambda instant: f"{instant:%Y-%m-%d %H:%M} UTC",
        "percent": lambda share: f"{100 * share:g} %",
    }
    return environment


def _format_grid(table: tuple[Sequence[str], TableRows]) -> str:
    """Return headers and rows as aligned text; all columns after the first are right-aligned."""
    heads, rows = table
    first, *others = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return "\n".join(
        "  ".join([f"{cells[0]:<{first}}", *map(str.rjust, cells[1:], others)]).rstrip()
        for cells in (heads, *rows)
    )

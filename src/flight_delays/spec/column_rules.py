"""Column rules of a source, and the SQL that validates its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

WHOLE = ("tinyint", "smallint", "int", "integer", "bigint", "long")
FRACTIONS = ("float", "real", "double")


@dataclass(frozen=True, kw_only=True)
class ColumnRule:
    """The rule of one column; a missing value violates only `required`.

    Attributes:
        required: Whether values may not be missing; always true for primary keys.
        min: The smallest allowed number.
        max: The largest allowed number.
        allowed: The allowed texts; empty allows any.
    """

    required: bool = False
    min: float | None = None
    max: float | None = None
    allowed: tuple[str, ...] = ()


def write_value(column: str, wanted: str, given: str) -> str:
    """Return the SQL that casts a column from the given to the wanted type, null if that fails."""
    return column if wanted.lower() == given else f"try_cast({column} AS {wanted})"


def write_reasons(
    columns: Mapping[str, str],
    given: Mapping[str, str],
    keys: Sequence[str],
    rules: Mapping[str, ColumnRule],
) -> str:
    """Return the SQL of a text with all violations of a row; empty if it is valid.

    `columns` and `given` have the declared and the actual Spark SQL type by column.
    """
    faults = []
    for column, kind in columns.items():
        rule = rules.get(column, ColumnRule())
        required = rule.required or column in keys
        cases = " ".join(
            f"WHEN {condition} THEN {quote(f'{column} {fault}')}"
            for condition, fault in list_faults(column, kind, given[column], rule, required)
        )
        faults += [f"CASE {cases} END"] if cases else []
    return f"concat_ws('; ', {', '.join(faults)})"


def list_faults(
    column: str, wanted: str, given: str, rule: ColumnRule, required: bool
) -> Iterator[tuple[str, str]]:
    """Yield a condition and its message for each violation; the first true one applies."""
    value = write_value(column, wanted, given)
    if required:
        yield f"{column} IS NULL", "is missing"
    if value != column:
        yield f"{column} IS NOT NULL AND {value} IS NULL", f"is no {wanted}"
        if wanted.lower() in WHOLE and given in FRACTIONS:
            yield f"{column} <> floor({column})", f"is no {wanted}"
    if wanted.lower() in FRACTIONS:
        yield f"isnan({value})", "is not a number"
    if rule.min is not None:
        yield f"{value} < {rule.min}", f"is below {rule.min:g}"
    if rule.max is not None:
        yield f"{value} > {rule.max}", f"is above {rule.max:g}"
    if rule.allowed:
        texts = ", ".join(quote(text) for text in rule.allowed)
        yield f"{value} NOT IN ({texts})", f"is none of {', '.join(rule.allowed)}"


def quote(text: str) -> str:
    """Return a text as a SQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

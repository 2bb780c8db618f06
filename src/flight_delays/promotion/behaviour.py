"""Checks of a version's behaviour that do not depend on metrics."""

from collections.abc import Iterable, Iterator

import numpy as np

from ..evaluation.metrics import largest_difference
from ..evaluation.model_types import ModelType
from ..evaluation.observations import FloatArray
from .answers import Answer, Answers
from .checks import Check, at_most

# Predictions closer than this are equal; allows for JSON and casts.
TOLERANCE = 1e-6

# The questions. All but the last five use the same few rows.
TOGETHER, ALONE, AT_ONCE = "together", "alone", "at_once"
REVERSED, AGAIN = "reversed", "again"
MISSING, MISSING_SERVED, UNSEEN = "missing", "missing_served", "unseen"
IN_BATCH, ALL, SHUFFLED, MIXED = "in_batch", "all", "shuffled", "mixed"
FRESH, SERVED = "fresh", "served"
QUESTIONS = {
    TOGETHER: "a few rows",
    ALL: "the held-out rows",
    SHUFFLED: "the held-out rows in parts, in another order",
    ALONE: "each of a few rows alone",
    AT_ONCE: "each of a few rows alone, several at the same time",
    REVERSED: "a few rows in reverse",
    IN_BATCH: "a few rows among all others",
    MIXED: "a few rows beside ones without look-ups and of unseen categories",
    MISSING: "rows whose look-ups are all null",
    MISSING_SERVED: "a request whose look-ups are all null",
    UNSEEN: "rows of categories it has never seen",
    SERVED: "rows in a request",
    FRESH: "rows with fresh features",
    AGAIN: "the first rows again",
}
# Prefix of the questions without the features of one table.
MISSING_FROM = f"{MISSING}-"
# Prefix of the questions with unseen categories in one column.
UNSEEN_IN = f"{UNSEEN}-"
# Questions that must have the same answer as TOGETHER (SHUFFLED: as ALL), and the reason. The same
# as AGAIN is enough: those after a reload are not to blame if the model then answers differently.
SAME = {
    ALONE: "a prediction may depend on its own row alone",
    AT_ONCE: "calls at the same time may not change each other's predictions: keep no rows in self",
    REVERSED: "a prediction may not depend on the order of rows",
    IN_BATCH: "a prediction may not depend on the rows beside it",
    SHUFFLED: "a prediction may not depend on the rows beside it",
    MIXED: "a prediction may not depend on missing or unseen values in the rows beside it",
    AGAIN: "loaded again, it answers differently: the same rows need the same answer each time",
}
# Questions about many rows at once, which have a time limit per row.
TIMED = (TOGETHER, ALL, FRESH, AGAIN)


def missing_from(table: str) -> str:
    """Return the name of the question without the features of one table."""
    return f"{MISSING_FROM}{table}"


def unseen_in(column: str) -> str:
    """Return the name of the question about rows with unseen categories in one column alone."""
    return f"{UNSEEN_IN}{column}"


def describe(name: str) -> str:
    """Return a question's description."""
    if name.startswith(MISSING_FROM):
        return f"rows whose look-ups of {name.removeprefix(MISSING_FROM)} are null"
    if name.startswith(UNSEEN_IN):
        return f"rows of a {name.removeprefix(UNSEEN_IN)} it has never seen"
    return QUESTIONS[name]


def check_behaviour(
    answers: Answers, model_type: ModelType, *, seconds_per_row: float, allow_untried: bool
) -> tuple[Check, ...]:
    """Return the checks that do not depend on metrics, most important first.

    With `allow_untried`, a version passes if the environment of its requirements could not be
    built.
    """
    checks = [
        Check(
            name="environment",
            ok=not answers.untried or allow_untried,
            detail=f"asked in {answers.environment}"
            + (f"; environment not tried: {answers.untried}" if answers.untried else ""),
        )
    ]
    checks += _check_answered(answers)
    if answers.given:
        checks += _check_rows(answers, model_type)
        taken = {
            name: each.seconds / each.values.size
            for name, each in answers.given.items()
            if name in TIMED and each.values is not None
        }
        if taken:
            slowest = max(taken, key=taken.__getitem__)
            why = describe(slowest)
            checks.append(
                at_most("seconds_per_row", taken[slowest], seconds_per_row, unit="s", why=why)
            )
    return tuple(checks)


def _check_answered(answers: Answers) -> Iterator[Check]:
    """Yield the check that every question was answered with one double per row."""
    if answers.failure:
        yield Check(name="asked", ok=False, detail=f"the model: {answers.failure}")
        return
    flaws = [
        f"{describe(name)}: {flaw}"
        for name, answer in answers.given.items()
        if (flaw := _find_flaw(answer))
    ]
    if flaws:
        yield Check(name="answer_form", ok=False, detail=flaws[0])
        return
    form = next((answer.form for answer in answers.given.values()), "nothing")
    yield Check(name="answer_form", ok=bool(answers.given), detail=f"one double a row: {form}")


def _find_flaw(answer: Answer) -> str:
    if answer.error:
        return f"it fails with {answer.error}"
    if answer.values is None:
        expected = f"{answer.expected} of doubles" if answer.expected else "doubles"
        return f"it answers {answer.form}, expected {expected}, one a row"
    return ""


def _check_rows(answers: Answers, model_type: ModelType) -> Iterator[Check]:
    """Yield the checks of independence between rows and of valid answers for difficult rows."""
    given = {name: each.values for name, each in answers.given.items() if each.values is not None}
    for name, why in SAME.items():
        bases = {SHUFFLED: [ALL], AGAIN: [TOGETHER]}.get(name, [TOGETHER, AGAIN])
        checks = [
            _compare(name, given[base], given[name], why)
            for base in bases
            if {base, name} <= given.keys()
        ]
        yield from sorted(checks, key=lambda check: not check.ok)[:1]
    both = [given[name] for name in (MISSING, MISSING_SERVED) if name in given]
    if len(both) == 2 and not any(_count_impossible(each, model_type) for each in both):
        why = "a request's nulls need the same answer as a batch's"
        yield _compare(MISSING_SERVED, both[0], both[1], why)
    tables = [name for name in given if name.startswith(MISSING_FROM)]
    columns = [name for name in given if name.startswith(UNSEEN_IN)]
    # If rows have no possible answer as they are, that is the fault, and the gate counts them.
    impossible = _count_impossible(given.get(ALL, ()), model_type)
    for name in (MISSING, *tables, MISSING_SERVED, UNSEEN, *columns):
        if name in given and not impossible:
            wrong = _count_impossible(given[name], model_type)
            what = f"{describe(name)} need a possible answer, too"
            yield at_most(f"impossible_{name}", wrong, 0, why=what)
    altered = [describe(name) for name, each in answers.given.items() if each.altered]
    yield Check(
        name="rows_unchanged",
        ok=not altered,
        detail=f"it changes the rows it is given ({altered[0]}): predict on a copy"
        if altered
        else "it leaves the rows it is given as they were",
    )
    if ALL in given and model_type.labels == frozenset((0.0, 1.0)):
        classes = bool(np.isin(given[ALL], (0.0, 1.0)).all())
        detail = "its answers lie between 0 and 1, too"
        if classes:
            detail = "it answers 0 and 1 alone: these look like classes; return the probability"
        yield Check(name="probabilities", ok=not classes, detail=detail)


def _count_impossible(values: Iterable[float], model_type: ModelType) -> int:
    return sum(not model_type.allows(float(each)) for each in values)


def _compare(name: str, base: FloatArray, found: FloatArray, why: str) -> Check:
    """Check the largest difference, ignoring rows missing in both; the gate counts those."""
    lost = int((np.isfinite(base) & ~np.isfinite(found)).sum())
    if lost:
        detail = f"NaN or infinite for {lost} of {found.size} rows, a number otherwise ({why})"
        return Check(name=f"same_{name}", ok=False, value=lost, threshold=0, detail=detail)
    some = ~(np.isnan(base) & np.isnan(found))
    apart = largest_difference(base[some], found[some]) if some.any() else 0.0
    return at_most(f"same_{name}", apart, TOLERANCE, why=why)

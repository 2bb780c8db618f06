"""Questions for a version, which it answers in a separate process before it is judged."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..config.policy import ValidationPolicy
from ..lakehouse.model_process import ask_version
from ..problem import PROBLEM
from ..promotion.answers import Answers, Question
from ..promotion.behaviour import (
    AGAIN,
    ALL,
    ALONE,
    AT_ONCE,
    FRESH,
    IN_BATCH,
    MISSING,
    MISSING_SERVED,
    MIXED,
    REVERSED,
    SERVED,
    SHUFFLED,
    TOGETHER,
    UNSEEN,
    missing_from,
    unseen_in,
)
from ..promotion.model_version import ModelVersion

# Maximum numbers of evenly spread rows for several questions (plus as many difficult ones), and of
# rows in the format of a request.
FEW, REQUESTED = 30, 5000
# Maximum number and minimum size of the parts in which all rows are predicted again.
PARTS, FEWEST = 50, 30
NEVER_SEEN = "never seen before"
LOOKED_UP = tuple(feature for table in PROBLEM.feature_tables for feature in table.features)


def ask_about(
    version: ModelVersion, held_out: pd.DataFrame, fresh: pd.DataFrame, policy: ValidationPolicy
) -> Answers:
    """Return a version's answers to all questions of the validation.

    `fresh` are the held-out rows with features as fresh as the decision.
    """
    rows = held_out[list(PROBLEM.feature_columns)]
    positions = choose_few(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    few = rows.iloc[positions].reset_index(drop=True)
    blank = clear(few, LOOKED_UP)
    tables = PROBLEM.feature_tables if len(PROBLEM.feature_tables) > 1 else ()
    texts = PROBLEM.categorical_columns
    questions = [
        Question(name=TOGETHER, rows=few, timed=True),
        Question(name=ALL, rows=rows),
        Question(name=SHUFFLED, rows=rows, take=divide(order)),
        # Reloaded and in reverse order, to detect state that a model keeps from its first rows.
        Question(name=ALONE, rows=few, take=[[at] for at in range(len(few))][::-1], reload=True),
        Question(name=REVERSED, rows=few, take=[list(range(len(few)))[::-1]]),
        Question(name=MISSING, rows=blank),
        Question(name=MISSING_SERVED, rows=blank, as_json=True),
        *(
            Question(name=missing_from(table.name), rows=clear(few, table.features))
            for table in tables
        ),
        Question(name=UNSEEN, rows=few.assign(**dict.fromkeys(texts, NEVER_SEEN))),
        # With all columns unseen at once, a fallback for one would hide a failure of the others.
        *(
            Question(name=unseen_in(text), rows=few.assign(**{text: NEVER_SEEN}))
            for text in (texts if len(texts) > 1 else ())
        ),
        Question(name=MIXED, rows=mix(few)),
        Question(name=SERVED, rows=rows, take=[spread(len(rows), REQUESTED)], as_json=True),
        # After the others, because threads may end the process.
        Question(name=AT_ONCE, rows=few, take=[[at] for at in range(len(few))], at_once=True),
        Question(name=FRESH, rows=fresh[list(PROBLEM.feature_columns)]),
        Question(name=AGAIN, rows=few, timed=True),
    ]
    answers = ask_version(version.uri, questions, seconds_per_row=policy.max_seconds_per_row)
    given = dict(answers.given)
    # Names of the answers, in the order of what each is compared with.
    for name, asked, at in (
        (ALONE, ALONE, slice(None, None, -1)),
        (REVERSED, REVERSED, slice(None, None, -1)),
        (SHUFFLED, SHUFFLED, np.argsort(order)),
        (IN_BATCH, ALL, positions),
        (MIXED, MIXED, slice(len(few))),
    ):
        answer = given.get(asked)
        if answer is not None and answer.values is not None:
            given[name] = replace(answer, values=answer.values[at])
    return replace(answers, given=given)


def choose_few(rows: pd.DataFrame) -> list[int]:
    """Return the positions of a few rows: evenly spread ones, and difficult ones.

    The latter are a row with a missing value for each column that has some, and a row of the rarest
    value of each categorical column.
    """
    masks = [rows[name].isna() for name in rows]
    for name in PROBLEM.categorical_columns:
        counts = rows[name].value_counts()
        masks += [rows[name] == value for value in counts.index[-1:]]
    difficult = dict.fromkeys(int(mask.to_numpy().argmax()) for mask in masks if mask.any())
    return sorted({*spread(len(rows), FEW), *list(difficult)[:FEW]})


def divide(order: npt.NDArray[np.intp]) -> list[list[int]]:
    """Return positions in parts of equal size; the last may be smaller."""
    size = max(FEWEST, -(-len(order) // PARTS))
    return [order[at : at + size].tolist() for at in range(0, len(order), size)]


def spread(rows: int, most: int) -> list[int]:
    """Return at most `most` positions, evenly spread over the rows."""
    return sorted({int(at) for at in np.linspace(0, rows - 1, min(rows, most))}) if rows else []


def mix(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows, then the same without look-ups, then with unseen categories; types are kept."""
    nullable = [name for name in LOOKED_UP if rows[name].dtype.kind in "fO"]
    texts = [name for name in PROBLEM.categorical_columns if rows[name].dtype.kind == "O"]
    unseen = rows.assign(**dict.fromkeys(texts, NEVER_SEEN))
    return pd.concat([rows, clear(rows, nullable), unseen], ignore_index=True)


def clear(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return rows with missing values in some columns."""
    return rows.assign(**{name: blank_of(rows[name]) for name in columns})


def blank_of(column: pd.Series) -> float | None:
    """Return the missing value of a column's type."""
    return np.nan if pd.api.types.is_numeric_dtype(column) else None

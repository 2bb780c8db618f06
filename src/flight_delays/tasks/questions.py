"""What a version is asked in a process of its own, before it is judged."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ..config.policy import ValidationPolicy
from ..lakehouse.model_process import ask_version
from ..problem import PROBLEM
from ..promotion.answers import Answers, Question
from ..promotion.behaviour import (
    AGAIN,
    ALL,
    ALONE,
    FRESH,
    IN_BATCH,
    MISSING,
    MISSING_SERVED,
    REVERSED,
    SERVED,
    TOGETHER,
    UNSEEN,
)
from ..promotion.model_version import ModelVersion

# Rows that are asked about in several ways, and in the form of a request.
FEW, REQUESTED = 30, 5000
NEVER_SEEN = "never seen before"
LOOKED_UP = tuple(feature for table in PROBLEM.feature_tables for feature in table.features)


def ask_about(
    version: ModelVersion, held_out: pd.DataFrame, fresh: pd.DataFrame, policy: ValidationPolicy
) -> Answers:
    """Ask a version all that its behaviour and its figures are judged by.

    Args:
        version: The version.
        held_out: The held-out rows with their features.
        fresh: The same with features as fresh as the decision.
        policy: How long it may take.
    """
    rows, positions = held_out[list(PROBLEM.feature_columns)], spread(len(held_out), FEW)
    few = rows.iloc[positions].reset_index(drop=True)
    blank = few.assign(**{name: blank_of(few[name]) for name in LOOKED_UP})
    strange = few.assign(**dict.fromkeys(PROBLEM.categorical_columns, NEVER_SEEN))
    questions = [
        Question(name=TOGETHER, rows=few, timed=True),
        Question(name=ALL, rows=rows),
        Question(name=ALONE, rows=few, take=[[at] for at in range(len(few))]),
        Question(name=REVERSED, rows=few, take=[list(range(len(few)))[::-1]]),
        Question(name=MISSING, rows=blank),
        Question(name=MISSING_SERVED, rows=blank, as_json=True),
        Question(name=UNSEEN, rows=strange),
        Question(name=SERVED, rows=rows, take=[spread(len(rows), REQUESTED)], as_json=True),
        Question(name=FRESH, rows=fresh[list(PROBLEM.feature_columns)]),
        Question(name=AGAIN, rows=few),
    ]
    answers = ask_version(version.uri, questions, seconds_per_row=policy.max_seconds_per_row)
    given = dict(answers.given)
    for name, order in ((REVERSED, slice(None, None, -1)), (ALL, positions)):
        answer = given.get(name)
        if answer is not None and answer.values is not None:
            values = answer.values[order]
            given[IN_BATCH if name == ALL else name] = replace(answer, values=values)
    return replace(answers, given=given)


def spread(rows: int, most: int) -> list[int]:
    """Return so many positions at most, evenly spread over the rows."""
    return sorted({int(at) for at in np.linspace(0, rows - 1, min(rows, most))}) if rows else []


def blank_of(column: pd.Series) -> float | None:
    """Return the missing value that a column of this type has."""
    return np.nan if pd.api.types.is_numeric_dtype(column) else None

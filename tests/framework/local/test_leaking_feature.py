"""A feature that leaks the label, with a falsified timestamp, is rejected."""

import json

import pytest

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.problem.instants import FIRST

# The label itself with a timestamp long before the decision.
PLANT = """
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flight_delays.spec.tables import FeatureTable
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.problem import PROBLEM
from flight_delays.tasks import features, train, validate
from flight_delays.tasks.parameters import read_instant

label, spine = PROBLEM.label, PROBLEM.spine
keys = list(PROBLEM.keys)
leak = FeatureTable(
    name="told_later",
    primary_keys=(*keys, "told_at"),
    timeseries_column="told_at",
    fresh_within=timedelta(days=2),
    lookback=None,
    categorical=(),
    numerical=("told",),
    description="What happened, told too early.",
    sql=(
        f"SELECT {{', '.join(f's.{{key}}' for key in keys)}}, "
        f"s.{{spine.decision_at}} - INTERVAL '30' DAYS AS told_at, "
        f"CAST(l.{{label.column}} AS DOUBLE) AS told "
        f"FROM {{{{{{spine.source}}}}}} s JOIN {{{{{{label.source}}}}}} l "
        f"ON {{' AND '.join(f's.{{key}} = l.{{key}}' for key in keys)}} "
        f"WHERE ({{label.where}}) AND l.{{label.known_at}} <= CAST(:as_of AS TIMESTAMP)"
    ),
)
declared = PROBLEM
planted = replace(declared, feature_tables=(*declared.feature_tables, leak))
for module in list(sys.modules.values()):
    if getattr(module, "PROBLEM", None) is declared:
        module.PROBLEM = planted

lakehouse, values = Lakehouse(), dict()
lakehouse.set_task_value = values.__setitem__
common = dict(source={schema!r}, policy="policy_small")
features.run(
    features.FeatureParameters(
        target={schema!r}, model={model!r}, as_of={as_of!r}, schedule="0 0/15 * * * ?"
    ),
    lakehouse,
)
train.run(
    train.TrainParameters(
        model="{model}_leaking", experiment="/Shared/leaking", as_of={as_of!r}, tune="false",
        git_commit="", job_run="leaking", reason="test", **common,
    ),
    lakehouse,
    None,
)
try:
    validate.run(
        validate.ValidateParameters(
            model_uri=values["model_uri"], target={schema!r}, job_run="leaking",
            experiment="/Shared/leaking", **common
        ),
        lakehouse,
    )
except validate.ValidationFailedError as error:
    print(json.dumps(str(error)))
"""


@pytest.mark.nightly
def test_validate_names_the_input_that_is_known_only_with_the_label(trained: Laptop) -> None:
    code = PLANT.format(schema=SCHEMA, model=MODEL, as_of=FIRST)
    printed = trained.execute(code).splitlines()[-1]
    # Other tests in this workspace read the same tables.
    trained.sql(f"DROP TABLE {SCHEMA}.told_later")
    trained.sql(f"DELETE FROM {SCHEMA}.validation_results WHERE job_run = 'leaking'")
    reason = json.loads(printed)
    assert "1 of " in reason
    assert "availability: of " in reason
    assert "rows without a known label told is missing on 100%, else on 0%" in reason

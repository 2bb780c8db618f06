"""The endpoint compared with batch while features are being published."""

import json

from flight_delays.lakehouse.endpoint import endpoint_name

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.problem.instants import EARLIER, FIRST

# The store has features as of FIRST; the recorded time is set to an earlier one.
COMPARE = f"""
import json

from flight_delays.spec.tables import WATERMARKS
from flight_delays.config.policy import load_policy
from flight_delays.lakehouse.served_version import ServedVersion
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.endpoint import entity_name
from flight_delays.lakehouse.errors import EndpointError
from flight_delays.lakehouse.registry import read_version
from flight_delays.lakehouse.watermarks import COMPUTED, PUBLISHED
from flight_delays.problem import PROBLEM
from flight_delays.tasks.holdout import load_holdout
from flight_delays.tasks.served_checks import compare_with_batch

lakehouse = Lakehouse()
version = read_version(lakehouse.registry, {MODEL!r}, 1)
policy = load_policy("policy_small", PROBLEM.model_type)
holdout = load_holdout(version.require_as_of(), policy, {SCHEMA!r}, lakehouse)
held_out = holdout.rows.toPandas()
served = ServedVersion(
    lakehouse.workspace,
    {endpoint_name(MODEL)!r},
    entity_name(version),
    PROBLEM.model_type,
    version.model,
    version.version,
)

def record(step, as_of):
    lakehouse.spark.sql(
        f"MERGE INTO {SCHEMA}.{{WATERMARKS}} old USING (SELECT '{{step}}' AS step) new "
        "ON old.step = new.step "
        f"WHEN MATCHED THEN UPDATE SET as_of = TIMESTAMP '{{as_of}}T00:00:00+00:00'"
    )

def compare(publish):
    waited = []
    def wait(seconds):
        waited.append(seconds)
        publish()
    try:
        rows = compare_with_batch(
            served, list(PROBLEM.columns), version, held_out, {SCHEMA!r}, lakehouse, wait
        )
        return [len(waited), len(rows)]
    except EndpointError as error:
        return [len(waited), str(error)]

try:
    record(PUBLISHED, {EARLIER!r})
    said = [compare(lambda: record(PUBLISHED, {FIRST!r}))]
    record(PUBLISHED, {EARLIER!r})
    record(COMPUTED, {EARLIER!r})
    said.append(compare(lambda: None))
finally:
    for step in (COMPUTED, PUBLISHED):
        record(step, {FIRST!r})
print(json.dumps(said))
"""


def test_answers_are_compared_again_once_a_publication_has_ended(trained: Laptop) -> None:
    under_way, at_rest = json.loads(trained.execute(COMPARE).splitlines()[-1])
    assert under_way == [1, 100]
    waited, message = at_rest
    assert waited == 0
    assert "predicts the same 100 rows differently" in message
    assert f"features as of {EARLIER}" in message

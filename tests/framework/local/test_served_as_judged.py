"""The endpoint's predictions by key equal batch scoring as of the same publication."""

import json
from pathlib import Path

import pytest

from flight_delays.lakehouse.endpoint import endpoint_name

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

# The latest rows, about a day of the sample; the endpoint gets only their keys.
COMPARE = """
import json
from functools import partial

import numpy as np
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.spec.tables import WATERMARKS
from flight_delays.spec.selection import select_rows
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.served_version import as_records
from flight_delays.lakehouse.watermarks import PUBLISHED, read_watermarks
from flight_delays.config.policy import BEGINNING
from flight_delays.spec.windows import Interval
from flight_delays.problem import PROBLEM
from flight_delays.tasks.parameters import in_schema
from pyspark.sql import functions as F

lakehouse, qualify = Lakehouse(), partial(in_schema, {schema!r})
published = max(read_watermarks(lakehouse.spark, qualify(WATERMARKS), PUBLISHED).values())
rows = select_rows(lakehouse.spark, PROBLEM, qualify, Interval(BEGINNING, published))
rows = rows.orderBy(F.desc(PROBLEM.spine.decision_at), *PROBLEM.keys).limit(900)
rows = rows.withColumn(FEATURES_AT, F.lit(published).cast("timestamp"))
batch = lakehouse.feature_store.score_batch(
    model_uri={uri!r}, df=rows, result_type="double"
).toPandas()
records = as_records(batch[list(PROBLEM.columns)])
answer = lakehouse.workspace.serving_endpoints.query({endpoint!r}, dataframe_records=records)
difference = np.abs(np.asarray(answer.predictions) - batch["prediction"].to_numpy())
print(json.dumps({{"rows": len(batch), "spread": float(np.ptp(batch["prediction"])),
                  "difference": float(difference.max())}}))
"""


def test_endpoint_agrees_with_batch_as_of_the_publication(trained: Laptop) -> None:
    code = COMPARE.format(
        schema=SCHEMA, uri=f"models:/{MODEL}@Champion", endpoint=endpoint_name(MODEL)
    )
    found = json.loads(trained.execute(code).splitlines()[-1])
    assert found["rows"] > 100
    assert found["spread"] > 0
    assert found["difference"] <= 1e-9


ASK = """
from datetime import UTC, datetime
from functools import partial

from flight_delays.config.monitoring import load_monitoring
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.served_version import as_records
from flight_delays.problem import PROBLEM
from flight_delays.spec.selection import select_rows
from flight_delays.spec.windows import Interval
from flight_delays.tasks import collect
from flight_delays.tasks.freshness import measure_skew
from flight_delays.tasks.parameters import in_schema, read_instant

lakehouse, qualify = Lakehouse(), partial(in_schema, {schema!r})
decided = Interval(read_instant({start!r}), read_instant({end!r}))
records = as_records(select_rows(lakehouse.spark, PROBLEM, qualify, decided).toPandas())
lakehouse.workspace.serving_endpoints.query({endpoint!r}, dataframe_records=records)
"""
MEASURE = """
collect.run(collect.CollectParameters.parse([
    "--model={model}", "--source={schema}", "--target={schema}", "--policy=policy_small",
    "--as_of={end}", "--collected_at=",
]), lakehouse)
policy = load_monitoring("monitoring", PROBLEM.model_type)
log = qualify("inference_log")
(window,) = measure_skew(log, {schema!r}, policy, datetime.now(UTC), lakehouse)
print(window.rows, window.value, window.note)
"""


@pytest.mark.nightly
def test_requests_get_the_features_that_training_would_use_to_the_twelfth_digit(
    tmp_path: Path, trained_state: Path
) -> None:
    about = {"schema": SCHEMA, "endpoint": endpoint_name(MODEL), "model": MODEL}
    with open_copy(trained_state, tmp_path) as laptop:
        # Each hour is published seconds after it starts, and requested until the next one.
        for hour in range(13, 17):
            laptop.succeed("feature_refresh", f"{FIRST}T{hour}:00:05")
            about |= {"start": f"{FIRST}T{hour}:01:00", "end": f"{FIRST}T{hour + 1}:01:00"}
            laptop.execute(ASK.format(**about))
        laptop.succeed("feature_refresh", f"{FIRST}T18:00:05")
        found = laptop.execute(ASK.split("decided =")[0].format(**about) + MEASURE.format(**about))
        rows, share, *_ = found.splitlines()[-1].split(" ")
        assert int(rows) > 200
        assert float(share) == 0

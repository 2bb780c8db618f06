"""What the endpoint answers by key is what batch scoring predicts as of the same publication."""

import json

from flight_delays.lakehouse.endpoint import endpoint_name

from tests.conftest import MODEL, SCHEMA, Laptop

# The latest rows, about a day of the sample's, of which the endpoint gets keys and no feature.
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

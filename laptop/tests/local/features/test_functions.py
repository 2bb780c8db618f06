"""Features computed by functions of the catalog: in training sets, models and batch."""

import math
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from databricks.feature_engineering import (
    FeatureEngineeringClient,
    FeatureFunction,
    FeatureLookup,
)
from databricks.sdk import WorkspaceClient
from laptop.features.errors import FeatureError
from mlflow.types import ColSpec, Schema
from pyspark.sql.connect.session import SparkSession
from sklearn.base import BaseEstimator

from .conftest import WEATHER, at, create_weather, rows

SPINE = pa.table(
    {
        "id": [1, 2, 3],
        "origin": ["EWR", "JFK", "LGA"],
        "decision_at": pa.array([at(4), at(4), at(4)], pa.timestamp("us", tz="UTC")),
        "asked": [3.0, math.nan, None],
        "late": [1, 0, 1],
    }
)
SHOWN = "return repr((asked, temp))"
INTERNAL = {"catalog_name": "dev", "schema_name": "shop", "routine_body": "EXTERNAL"}


def make(name: str, parameters: dict[str, str], returns: str, body: str) -> str:
    """Make or replace a function of the catalog and return its name."""
    given = [
        {"name": key, "type_text": kind, "type_name": kind.upper(), "position": n}
        for n, (key, kind) in enumerate(parameters.items())
    ]
    function = {
        **INTERNAL,
        "name": name,
        "input_params": {"parameters": given},
        "data_type": returns,
        "full_data_type": returns,
        "external_language": "PYTHON",
        "routine_definition": body,
    }
    WorkspaceClient().api_client.do(
        "POST",
        "/api/2.1/unity-catalog/functions",
        body={"function_info": function, "replace": True},
    )
    return f"dev.shop.{name}"


@pytest.fixture(scope="module")
def weather(fe: FeatureEngineeringClient, spark: SparkSession) -> FeatureLookup:
    name = "dev.shop.weather_for_functions"
    create_weather(fe, name, spark.createDataFrame(WEATHER))
    return FeatureLookup(
        name, "origin", timestamp_lookup_key="decision_at", default_values={"wind": -1}
    )


@pytest.fixture(scope="module")
def functions(spark: SparkSession) -> list[FeatureFunction]:
    """Three functions, of which two take what another gives."""
    assert spark
    shown = make("shown", {"asked": "double", "temp": "double"}, "STRING", SHOWN)
    # An integer where a double is declared, and a string that is a number.
    length = make("length", {"text": "string"}, "DOUBLE", "return len(text)")
    digits = make("digits", {"n": "double", "wind": "bigint"}, "BIGINT", "return str(int(n))")
    return [
        # Named in any order: each is computed after what it takes.
        FeatureFunction(
            udf_name=digits, input_bindings={"n": "size", "wind": "wind"}, output_name="digits"
        ),
        FeatureFunction(
            udf_name=length.upper(), input_bindings={"text": shown}, output_name="size"
        ),
        FeatureFunction(udf_name=shown, input_bindings={"asked": "asked", "temp": "temp"}),
    ]


def test_functions_are_given_none_and_their_results_are_cast(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    weather: FeatureLookup,
    functions: list[FeatureFunction],
) -> None:
    found = fe.create_training_set(
        df=spark.createDataFrame(SPINE),
        feature_lookups=[*functions, weather],
        label="late",
        exclude_columns=["id", "origin", "decision_at", "asked", "temp"],
    ).load_df()

    assert found.dtypes == [
        ("wind", "bigint"),
        ("digits", "bigint"),
        ("size", "double"),
        ("dev.shop.shown", "string"),
        ("late", "bigint"),
    ]
    shown = [row["dev.shop.shown"] for row in rows(found)]
    assert sorted(shown) == ["(3.0, 30.0)", "(None, None)", "(nan, 20.0)"]
    assert {row["size"]: row["digits"] for row in rows(found)} == {11.0: 11, 12.0: 12}


class Doubled(BaseEstimator):  # type: ignore[misc]
    """Predicts twice a column."""

    def predict(self, frame: pd.DataFrame) -> Any:
        return frame["size"].to_numpy() * 2


def test_a_packaged_model_computes_in_batch_what_it_learned_from(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    weather: FeatureLookup,
    functions: list[FeatureFunction],
) -> None:
    spine = spark.createDataFrame(SPINE)
    training_set = fe.create_training_set(
        df=spine,
        feature_lookups=[weather, *functions],
        label="late",
        exclude_columns=["id", "origin", "decision_at", "asked", "temp", "digits"],
    )
    mlflow.set_experiment("/Shared/functions")
    with mlflow.start_run():
        info = fe.log_model(
            model=Doubled(),
            artifact_path="model",
            flavor=mlflow.sklearn,
            training_set=training_set,
            infer_input_example=True,
            output_schema=Schema([ColSpec("double")]),
            pip_requirements=["scikit-learn==1.9.1"],
            serialization_format="cloudpickle",
        )

    optional = {c.name for c in info.signature.inputs if not c.required}
    assert optional == {"temp", "wind", "size", "dev.shop.shown"}
    folder = Path(mlflow.artifacts.download_artifacts(info.model_uri))
    text = (folder / "data/feature_store/feature_spec.yaml").read_text()
    document = yaml.safe_load(text)
    columns = {name: entry for item in document["input_columns"] for name, entry in item.items()}
    assert columns["size"] | {"topological_ordering": 0} == {
        "udf_name": "dev.shop.length",
        "input_bindings": {"text": "dev.shop.shown"},
        "data_type": "double",
        "topological_ordering": 0,
        "source": "on_demand_feature",
    }
    assert document["input_functions"] == [{"dev.shop.length": {}}, {"dev.shop.shown": {}}]
    order = {name: entry["topological_ordering"] for name, entry in columns.items()}
    assert order["temp"] < order["dev.shop.shown"] < order["size"]

    scored = fe.score_batch(model_uri=info.model_uri, df=spine.drop("late"))
    assert [row["prediction"] for row in rows(scored)] == [22.0, 22.0, 24.0]
    # A column of the DataFrame is taken as it is.
    given = spine.drop("late").selectExpr("*", "CAST(1 AS DOUBLE) AS size")
    scored = fe.score_batch(model_uri=info.model_uri, df=given)
    assert {row["prediction"] for row in rows(scored)} == {2.0}
    # Nothing casts an argument.
    narrow = spine.select("origin", "decision_at", spine.asked.cast("float").alias("asked"))
    with pytest.raises(FeatureError, match=r"Parameter asked of .* is double; column asked"):
        fe.score_batch(model_uri=info.model_uri, df=narrow)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"udf_name": "dev.shop.nothing"}, "Function dev.shop.nothing does not exist"),
        ({"udf_name": "half"}, "must be named catalog.schema.function, got: half"),
        ({"input_bindings": {}}, r"has the parameters \['x'\], and input_bindings names \[\]"),
        ({"input_bindings": {"x": "asked", "y": "asked"}}, "Bind each parameter"),
        ({"input_bindings": {"x": "nowhere"}}, r"arguments \['nowhere'\] are neither columns"),
        ({"input_bindings": {"x": "half"}}, r"arguments \['half'\] are neither columns"),
        ({"input_bindings": {"x": "id"}}, "Parameter x of .* is double; column id .* is bigint"),
        ({"output_name": "asked"}, "has the name of a column of the DataFrame"),
        ({"output_name": "late"}, "has the name of the label"),
    ],
)
def test_a_function_that_does_not_fit_is_refused(
    fe: FeatureEngineeringClient, spark: SparkSession, facts: dict[str, Any], said: str
) -> None:
    name = make("half", {"x": "double"}, "DOUBLE", "return x / 2")
    usual: dict[str, Any] = {
        "udf_name": name,
        "input_bindings": {"x": "asked"},
        "output_name": "half",
    }

    with pytest.raises(FeatureError, match=said):
        fe.create_training_set(
            df=spark.createDataFrame(SPINE),
            feature_lookups=[FeatureFunction(**(usual | facts))],
            label="late",
        )


@pytest.mark.parametrize(
    ("returns", "body", "said"),
    [
        ("DOUBLE", "return asked + 1", "failed: TypeError.* missing value is None in batch"),
        ("BIGINT", "return 1.5", "RETURNS BIGINT, and gave what cannot be cast"),
        ("DOUBLE", "return 'x'", "RETURNS DOUBLE, and gave what cannot be cast"),
        ("DOUBLE", "return (", "is not valid Python"),
    ],
)
def test_a_function_that_fails_says_which_and_why(
    fe: FeatureEngineeringClient, spark: SparkSession, returns: str, body: str, said: str
) -> None:
    name = make("broken", {"asked": "double"}, returns, body)
    function = FeatureFunction(
        udf_name=name, input_bindings={"asked": "asked"}, output_name="broken"
    )
    found = fe.create_training_set(
        df=spark.createDataFrame(SPINE), feature_lookups=[function], label=None
    )

    with pytest.raises(FeatureError, match=said):
        found.load_df()

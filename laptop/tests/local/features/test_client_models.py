from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
import pytest
from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists, NotFound
from laptop.features.errors import FeatureError
from laptop.features.online import OnlineStore
from laptop.features.training import TrainingSet
from mlflow.models import Model
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, Schema
from pyspark.sql.connect.session import SparkSession
from sklearn.linear_model import LinearRegression

from .conftest import WEATHER, at, create_weather, finish_sync, rows, weather_rows

SPINE = pa.table(
    {
        "id": [1, 2, 3, 4],
        "origin": ["JFK", "EWR", "EWR", "LGA"],
        "decision_at": pa.array([at(5), at(4), at(1), at(5)], pa.timestamp("us", tz="UTC")),
        "distance": [400.0, 200.0, 100.0, 300.0],
        "late": [1, 0, 1, 0],
    }
)


@pytest.fixture(scope="module")
def weather(fe: FeatureEngineeringClient, spark: SparkSession) -> str:
    name = "dev.shop.weather"
    create_weather(fe, name, spark.createDataFrame(WEATHER))
    return name


@pytest.fixture(scope="module")
def training_set(fe: FeatureEngineeringClient, spark: SparkSession, weather: str) -> TrainingSet:
    found: TrainingSet = fe.create_training_set(
        df=spark.createDataFrame(SPINE),
        feature_lookups=[
            FeatureLookup(
                weather,
                "origin",
                timestamp_lookup_key="decision_at",
                rename_outputs={"temp": "origin_temp"},
                default_values={"wind": -1},
            )
        ],
        label="late",
        exclude_columns=["id", "origin", "decision_at"],
    )
    return found


@pytest.fixture(scope="module")
def logged(
    fe: FeatureEngineeringClient, training_set: TrainingSet
) -> tuple[LinearRegression, ModelInfo]:
    frame = training_set.load_df().toPandas().fillna({"origin_temp": 0.0})
    model = LinearRegression().fit(frame.drop(columns="late"), frame["late"])
    mlflow.set_experiment("/Shared/features")
    with mlflow.start_run():
        info = fe.log_model(
            model=model,
            artifact_path="model",
            flavor=mlflow.sklearn,
            training_set=training_set,
            infer_input_example=True,
            output_schema=Schema([ColSpec("double")]),
            pip_requirements=["scikit-learn==1.9.1"],
            serialization_format="cloudpickle",
        )
    return model, info


class TestTraining:
    def test_features_are_joined_as_of_each_row_s_own_time(self, training_set: TrainingSet) -> None:
        assert rows(training_set.load_df()) == [
            {"distance": 100.0, "origin_temp": 10.0, "wind": 5, "late": 1},
            {"distance": 200.0, "origin_temp": 30.0, "wind": -1, "late": 0},
            {"distance": 300.0, "origin_temp": None, "wind": -1, "late": 0},
            {"distance": 400.0, "origin_temp": 20.0, "wind": 7, "late": 1},
        ]

    def test_types_are_those_of_the_tables(self, training_set: TrainingSet) -> None:
        assert training_set.load_df().dtypes == [
            ("distance", "double"),
            ("origin_temp", "double"),
            ("wind", "bigint"),
            ("late", "bigint"),
        ]

    def test_rows_written_later_do_not_change_an_earlier_time(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))
        lookup = FeatureLookup(name, "origin", timestamp_lookup_key="decision_at")
        spine = spark.createDataFrame(SPINE)

        def load() -> list[dict[str, Any]]:
            found = fe.create_training_set(df=spine, feature_lookups=[lookup], label="late")
            return rows(found.load_df())

        before = load()
        fe.write_table(name=name, df=spark.createDataFrame(weather_rows(("EWR", 6, 0.0, 0))))

        assert load() == before


class TestPackagedModel:
    def test_a_caller_must_bring_its_columns_and_may_bring_features(
        self, logged: tuple[LinearRegression, ModelInfo]
    ) -> None:
        signature = logged[1].signature

        assert {c.name: c.required for c in signature.inputs} == {
            "origin": True,
            "decision_at": True,
            "distance": True,
            "origin_temp": False,
            "wind": False,
        }
        assert signature.outputs.input_types() == [ColSpec("double").type]

    def test_the_artifact_has_the_layout_of_databricks(
        self, logged: tuple[LinearRegression, ModelInfo]
    ) -> None:
        folder = Path(mlflow.artifacts.download_artifacts(logged[1].model_uri))

        outer = Model.load(str(folder))
        assert (
            outer.flavors["python_function"]["loader_module"]
            == "databricks.feature_store.mlflow_model"
        )
        example: Any = outer.load_input_example(str(folder))
        assert example == {"origin": "JFK", "decision_at": "2013-01-01T05:00:00", "distance": 400.0}
        assert (folder / "data/feature_store/feature_spec.yaml").is_file()
        assert "scikit-learn==1.9.1" in (folder / "requirements.txt").read_text()
        raw = mlflow.pyfunc.load_model(str(folder / "data/feature_store/raw_model"))
        frame = pd.DataFrame({"distance": [1.0], "origin_temp": [2.0], "wind": [3]})
        assert raw.predict(frame) == pytest.approx(logged[0].predict(frame))

    def test_the_outer_model_loads_and_says_where_to_score(
        self, logged: tuple[LinearRegression, ModelInfo]
    ) -> None:
        model = mlflow.pyfunc.load_model(logged[1].model_uri)
        row = pd.DataFrame(
            {"origin": ["JFK"], "decision_at": pd.to_datetime(["2013-01-01"]), "distance": [1.0]}
        )

        with pytest.raises(NotImplementedError, match="score_batch or a serving endpoint"):
            model.predict(row)

    def test_without_label_the_output_must_be_said(
        self, fe: FeatureEngineeringClient, spark: SparkSession, weather: str
    ) -> None:
        lookup = FeatureLookup(weather, "origin", timestamp_lookup_key="decision_at")
        unlabelled = fe.create_training_set(
            df=spark.createDataFrame(SPINE), feature_lookups=[lookup], label=None
        )

        with pytest.raises(FeatureError, match="Give output_schema"):
            fe.log_model(
                model=LinearRegression(),
                artifact_path="model",
                flavor=mlflow.sklearn,
                training_set=unlabelled,
            )


class TestScoring:
    def expected(self, model: LinearRegression, frame: pd.DataFrame) -> list[float]:
        columns = ["distance", "origin_temp", "wind"]
        found: list[float] = model.predict(frame[columns]).tolist()
        return found

    @pytest.mark.parametrize("form", ["alias", "version", "logged model"])
    def test_features_are_looked_up_and_the_plain_model_predicts(
        self,
        fe: FeatureEngineeringClient,
        spark: SparkSession,
        logged: tuple[LinearRegression, ModelInfo],
        form: str,
    ) -> None:
        model, info = logged
        uri = info.model_uri
        if form != "logged model":
            version = mlflow.register_model(uri, f"dev.shop.delay_{form}").version
            mlflow.MlflowClient().set_registered_model_alias(
                f"dev.shop.delay_{form}", "Champion", version
            )
            last = "@Champion" if form == "alias" else f"/{version}"
            uri = f"models:/dev.shop.delay_{form}{last}"
        keys = spark.createDataFrame(SPINE.drop_columns(["late"])[:3])

        scored = fe.score_batch(model_uri=uri, df=keys, result_type="double")

        frame = scored.toPandas()
        assert list(frame) == [
            "id",
            "origin",
            "decision_at",
            "distance",
            "origin_temp",
            "wind",
            "prediction",
        ]
        assert frame["origin_temp"].tolist() == [20.0, 30.0, 10.0]
        assert frame["prediction"].tolist() == pytest.approx(self.expected(model, frame))

    def test_features_already_in_the_frame_are_kept(
        self,
        fe: FeatureEngineeringClient,
        spark: SparkSession,
        logged: tuple[LinearRegression, ModelInfo],
    ) -> None:
        model, info = logged
        keys = SPINE.drop_columns(["late"])[:2].append_column("origin_temp", pa.array([-9.0, -8.0]))

        frame = fe.score_batch(model_uri=info.model_uri, df=spark.createDataFrame(keys)).toPandas()

        assert frame["origin_temp"].tolist() == [-9.0, -8.0]
        assert frame["wind"].tolist() == [7, -1]
        assert frame["prediction"].tolist() == pytest.approx(self.expected(model, frame))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.drop_columns(["distance"]), r"lacks \['distance'\]"),
            (lambda t: t.append_column("prediction", t["id"]), "column prediction already"),
            (
                lambda t: t.set_column(1, "origin", t["id"]),
                r"origin of .* is string; column origin",
            ),
        ],
    )
    def test_a_frame_that_does_not_fit_is_refused(
        self,
        fe: FeatureEngineeringClient,
        spark: SparkSession,
        logged: tuple[LinearRegression, ModelInfo],
        change: Any,
        message: str,
    ) -> None:
        keys = spark.createDataFrame(change(SPINE.drop_columns(["late"])))

        with pytest.raises(FeatureError, match=message):
            fe.score_batch(model_uri=logged[1].model_uri, df=keys)


class TestOnline:
    def test_a_published_table_is_online(
        self, fe: FeatureEngineeringClient, workspace: Any, weather: str
    ) -> None:
        published = fe.publish_table(
            online_store=fe.get_online_store(name="any"),
            source_table_name=weather,
            online_table_name="dev.shop.weather_online",
        )

        finish_sync(WorkspaceClient(), "dev.shop.weather_online")
        store = OnlineStore(workspace.state_dir)
        table = store.find(weather, ["temp"])
        assert published.online_table_name == table.name == "dev.shop.weather_online"
        assert store.lookup(table, [("EWR",)], ["temp"]) == [{"temp": 30.0}]
        store.close()

    @pytest.mark.parametrize(
        ("facts", "error", "message"),
        [
            ({"publish_mode": "ONCE"}, FeatureError, "Allowed: TRIGGERED, SNAPSHOT"),
            ({"streaming": True}, FeatureError, "streaming"),
            ({"online_table_name": "weather"}, FeatureError, "catalog.schema.table"),
            ({"online_table_name": f"dev.shop.{'x' * 64}"}, FeatureError, "63 bytes"),
            ({"source_table_name": None}, FeatureError, "needs source_table_name"),
        ],
    )
    def test_a_publication_that_cannot_be_is_refused(
        self,
        fe: FeatureEngineeringClient,
        weather: str,
        facts: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        given = {
            "online_store": fe.get_online_store(name="any"),
            "source_table_name": weather,
            "online_table_name": "dev.shop.weather_online",
        }

        with pytest.raises(error, match=message):
            fe.publish_table(**given | facts)

    def test_a_store_is_created_once(self, fe: FeatureEngineeringClient) -> None:
        fe.create_online_store(name="shop-store", capacity="CU_2")

        assert fe.get_online_store(name="shop-store").capacity == "CU_2"
        assert [store.name for store in fe.list_online_stores()] == ["shop-store"]
        with pytest.raises(AlreadyExists):
            fe.create_online_store(name="shop-store", capacity="CU_2")

    def test_a_store_is_resized_and_deleted_and_then_unknown(
        self, fe: FeatureEngineeringClient
    ) -> None:
        fe.create_online_store(name="old-store", capacity="CU_1")

        assert fe.update_online_store(name="old-store", capacity="CU_8").capacity == "CU_8"
        fe.delete_online_store(name="old-store")

        assert "old-store" not in [store.name for store in fe.list_online_stores()]
        with pytest.raises(NotFound, match="'old-store' not found"):
            fe.delete_online_store(name="old-store")
        with pytest.raises(NotFound, match="'old-store' not found"):
            fe.update_online_store(name="old-store", capacity="CU_1")

    def test_an_online_table_is_not_dropped_through_the_client(
        self, fe: FeatureEngineeringClient
    ) -> None:
        with pytest.raises(FeatureError, match="delete_online_table"):
            fe.drop_online_table("dev.shop.weather", fe.get_online_store(name="any"))

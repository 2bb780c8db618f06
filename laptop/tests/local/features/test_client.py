import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup
from laptop.features.errors import FeatureError
from laptop.jobs.task_environment import RUNTIME
from pyspark.errors import PySparkException
from pyspark.sql.connect.session import SparkSession

from .conftest import WEATHER, create_weather, rows, weather_rows


class TestTables:
    def test_a_new_table_has_rows_keys_description_and_tags(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        df = spark.createDataFrame(WEATHER)

        create_weather(fe, name, df, description="hourly", tags={"team": "a", "tier": "b"})

        table = fe.get_table(name=name)
        assert table.primary_keys == ["origin"]
        assert table.timestamp_keys == ["known_at"]
        assert table.features == ["origin", "known_at", "temp", "wind"]
        assert table.description == "hourly"
        assert table.tags == {"team": "a", "tier": "b"}
        assert rows(fe.read_table(name=name)) == rows(df)

    def test_a_table_that_exists_is_returned_as_it_is(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        first = create_weather(fe, name, spark.createDataFrame(WEATHER), description="first")

        again = create_weather(fe, name, spark.createDataFrame(WEATHER[:1]), description="again")

        assert again == first
        assert fe.read_table(name=name).count() == 3

    def test_a_table_can_be_created_from_a_schema_and_stays_empty(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        fe.create_table(
            name=name, primary_keys="origin", schema=spark.createDataFrame(WEATHER).schema
        )

        assert fe.get_table(name=name).timestamp_keys == []
        assert fe.read_table(name=name).count() == 0

    @pytest.mark.parametrize(
        ("facts", "message"),
        [
            ({"primary_keys": "nope"}, r"name \['nope'\], which the schema has not"),
            ({"primary_keys": ["origin", "origin"]}, "twice"),
            ({"timeseries_column": "known_at"}, "known_at .* is not in primary_keys"),
            (
                {"primary_keys": "known_at", "timeseries_column": "known_at"},
                "other than the timeseries column",
            ),
            ({"name": "shop.weather"}, r"catalog\.schema\.table, got: shop\.weather"),
            ({"df": None}, "needs a df or a schema"),
        ],
    )
    def test_a_table_that_cannot_be_is_refused(
        self,
        fe: FeatureEngineeringClient,
        spark: SparkSession,
        name: str,
        facts: dict[str, Any],
        message: str,
    ) -> None:
        given = {"name": name, "primary_keys": "origin", "df": spark.createDataFrame(WEATHER)}

        with pytest.raises(FeatureError, match=message):
            fe.create_table(**given | facts)

    def test_a_tag_is_removed_and_one_that_is_not_there_is_named(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER), tags={"team": "a", "tier": "b"})

        fe.delete_feature_table_tag(name=name, key="team")

        assert fe.get_table(name=name).tags == {"tier": "b"}
        with pytest.raises(FeatureError, match=r"no tag team\. It has: tier"):
            fe.delete_feature_table_tag(name=name, key="team")

    def test_a_dropped_table_is_gone(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))

        fe.drop_table(name=name)

        with pytest.raises(FeatureError, match=f"{name} does not exist"):
            fe.read_table(name=name)

    def test_a_table_without_key_is_no_feature_table(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        spark.sql(f"CREATE TABLE {name} (a INT) USING DELTA")

        with pytest.raises(FeatureError, match="has no primary key"):
            fe.get_table(name=name)


class TestWriting:
    def test_known_keys_are_updated_and_new_ones_inserted(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))
        change = weather_rows(("EWR", 3, -1.0, None), ("LGA", 9, None, 1))

        for _ in range(2):
            fe.write_table(name=name, df=spark.createDataFrame(change), mode="merge")

        expected = pa.concat_tables([WEATHER.take(pa.array([0, 2])), change])
        assert rows(fe.read_table(name=name)) == rows(spark.createDataFrame(expected))

    def test_columns_that_are_not_written_keep_their_values(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        planes = pa.table({"tail": ["N1", "N2"], "seats": [1, 2], "year": [1990, 2000]})
        fe.create_table(name=name, primary_keys="tail", df=spark.createDataFrame(planes))
        change = pa.table({"seats": [20, 30], "tail": ["N2", "N3"]})

        fe.write_table(name=name, df=spark.createDataFrame(change))

        assert rows(fe.read_table(name=name)) == [
            {"tail": "N1", "seats": 1, "year": 1990},
            {"tail": "N2", "seats": 20, "year": 2000},
            {"tail": "N3", "seats": 30, "year": None},
        ]

    def test_a_new_column_is_added_and_missing_in_rows_that_were_there(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))
        wider = WEATHER.slice(0, 2).append_column("rain", pa.array([1.0, 2.0]))
        fe.write_table(name=name, df=spark.createDataFrame(wider), mode="merge")
        assert sorted(r.rain or 0.0 for r in spark.table(name).collect()) == [0.0, 1.0, 2.0]
        assert spark.table(name).dtypes[-1] == ("rain", "double")
        found = fe.get_table(name=name)
        assert found.features[-1] == "rain"
        assert found.primary_keys == ["origin"]

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (
                weather_rows(("EWR", 1, 1.0, 1), ("EWR", 1, 2.0, 2)),
                FeatureError,
                "holds a key more than once, for instance .*EWR",
            ),
            (WEATHER.drop_columns(["wind"]), FeatureError, r"lacks \['wind'\]"),
            (
                WEATHER.set_column(2, "temp", pa.array(["a", "b", "c"])),
                FeatureError,
                "temp string instead of double",
            ),
            (weather_rows((None, 1, 1.0, 1)), PySparkException, "NOT NULL"),
        ],
    )
    def test_rows_that_do_not_fit_are_refused_and_none_is_written(
        self,
        fe: FeatureEngineeringClient,
        spark: SparkSession,
        name: str,
        change: pa.Table,
        error: type[Exception],
        message: str,
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))

        with pytest.raises(error, match=message):
            fe.write_table(name=name, df=spark.createDataFrame(change))

        assert rows(fe.read_table(name=name)) == rows(spark.createDataFrame(WEATHER))

    def test_features_are_looked_up_by_a_name_in_any_case(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        create_weather(fe, name, spark.createDataFrame(WEATHER))
        lookup = FeatureLookup(
            table_name=name.upper(),
            feature_names=["temp"],
            lookup_key="origin",
            timestamp_lookup_key="known_at",
        )
        found = fe.create_training_set(
            df=spark.createDataFrame(WEATHER).select("origin", "known_at"),
            feature_lookups=[lookup],
            label=None,
        ).load_df()
        assert found.where("temp IS NULL").count() == 0

    def test_only_merge_is_a_mode(
        self, fe: FeatureEngineeringClient, spark: SparkSession, name: str
    ) -> None:
        with pytest.raises(FeatureError, match="Allowed: 'merge'"):
            fe.write_table(name=name, df=spark.createDataFrame(WEATHER), mode="overwrite")


class TestWhatIsNotBuilt:
    @pytest.mark.parametrize("argument", ["feature_spec", "features"])
    def test_other_sources_of_a_training_set_are_refused_by_name(self, argument: str) -> None:
        given: dict[str, Any] = {"df": None, "label": "late", argument: ["a"]}

        with pytest.raises(NotImplementedError, match=rf"create_training_set\({argument}=…\)"):
            FeatureEngineeringClient().create_training_set(**given)


def test_the_runtime_and_the_sdk_share_their_namespace() -> None:
    code = (
        "from importlib.util import find_spec as find;"
        "names = ['feature_engineering', 'feature_store', 'sdk'];"
        "print(*(find(f'databricks.{name}').origin for name in names), sep='\\n')"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(RUNTIME)},
        capture_output=True,
        text=True,
        check=True,
    )

    engineering, store, sdk = map(Path, done.stdout.split())
    assert engineering.is_relative_to(RUNTIME)
    assert store.is_relative_to(RUNTIME)
    assert sdk.parts[-3:-1] == ("databricks", "sdk")

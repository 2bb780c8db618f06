"""Functions of the catalog: made by SQL, read and deleted by the SDK."""

from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceConflict
from databricks.sdk.service.catalog import (
    ColumnTypeName,
    CreateFunction,
    CreateFunctionParameterStyle,
    CreateFunctionRoutineBody,
    CreateFunctionSecurityType,
    CreateFunctionSqlDataAccess,
    FunctionInfo,
    FunctionParameterInfo,
    FunctionParameterInfos,
)
from laptop.connection import Connection
from laptop.engine.session import connect
from laptop.workspace.functions import FORMER_ROUTES
from pyspark.errors import PySparkException
from pyspark.sql.connect.session import SparkSession

SCHEMA = "dev.functions"
BODY = """
  # It's a ratio; a $ sign or 'quotes" harm nobody.
  return None if b in (None, 0) else a / b
"""
MADE = (
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.Ratio(a DOUBLE COMMENT 'above', b BIGINT)\n"
    "RETURNS DOUBLE\nLANGUAGE PYTHON DETERMINISTIC\nCOMMENT 'a over b'\nAS $$" + BODY + "$$;"
)


@pytest.fixture(scope="module")
def spark(there: Connection) -> Iterator[SparkSession]:
    session = connect(there.spark)
    session.sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    yield session
    session.stop()


def parameters(function: FunctionInfo) -> list[tuple[str, str, ColumnTypeName, int]]:
    assert function.input_params is not None
    return [
        (each.name, each.type_text, each.type_name, each.position)
        for each in function.input_params.parameters or []
    ]


def names(client: WorkspaceClient, schema: str = SCHEMA) -> list[str | None]:
    return [each.name for each in client.functions.list("dev", schema.partition(".")[2])]


def test_a_function_made_by_sql_is_what_the_catalog_shows(
    client: WorkspaceClient, spark: SparkSession
) -> None:
    spark.sql(MADE)

    made = client.functions.get(f"{SCHEMA}.RATIO")
    assert (made.full_name, made.comment) == (f"{SCHEMA}.ratio", "a over b")
    assert made.routine_definition == BODY
    assert made.external_language == "Python"
    assert made.is_deterministic is True
    assert (made.data_type, made.full_data_type) == (ColumnTypeName.DOUBLE, "DOUBLE")
    assert parameters(made) == [
        ("a", "double", ColumnTypeName.DOUBLE, 0),
        ("b", "bigint", ColumnTypeName.LONG, 1),
    ]
    assert "ratio" in names(client)


def test_a_function_is_replaced_kept_and_dropped(
    client: WorkspaceClient, spark: SparkSession
) -> None:
    def make(how: str, body: str) -> None:
        spark.sql(
            f"CREATE {how.format('FUNCTION')} {SCHEMA}.brief() RETURNS INT LANGUAGE PYTHON "
            f"AS $$return {body}$$"
        )

    def body() -> str | None:
        return client.functions.get(f"{SCHEMA}.brief").routine_definition

    make("{}", "1")
    with pytest.raises(PySparkException, match="exists"):
        make("{}", "2")
    make("{} IF NOT EXISTS", "2")
    assert body() == "return 1"
    make("OR REPLACE {}", "3")
    assert body() == "return 3"
    # As the feature engineering client reads and deletes.
    found = client.api_client.do("GET", f"{FORMER_ROUTES}/{SCHEMA}.brief")
    assert isinstance(found, dict)
    assert found["routine_definition"] == "return 3"
    client.api_client.do("DELETE", f"{FORMER_ROUTES}/{SCHEMA}.brief")
    spark.sql(f"DROP FUNCTION IF EXISTS {SCHEMA}.brief")
    with pytest.raises(PySparkException, match="does not exist"):
        spark.sql(f"DROP FUNCTION {SCHEMA}.brief")
    make("{}", "4")
    spark.sql(f"DROP FUNCTION {SCHEMA}.brief")
    with pytest.raises(NotFound, match=r"Function 'dev\.functions\.brief' does not exist"):
        client.functions.get(f"{SCHEMA}.brief")


def test_a_function_is_made_changed_and_removed_by_the_sdk(client: WorkspaceClient) -> None:
    client.schemas.create("scripted", "dev")
    given = CreateFunction(
        name="Half",
        catalog_name="dev",
        schema_name="scripted",
        input_params=FunctionParameterInfos(
            [FunctionParameterInfo("x", "double", ColumnTypeName.DOUBLE, 0)]
        ),
        data_type=ColumnTypeName.DOUBLE,
        full_data_type="DOUBLE",
        routine_body=CreateFunctionRoutineBody.EXTERNAL,
        routine_definition="return x / 2",
        parameter_style=CreateFunctionParameterStyle.S,
        is_deterministic=True,
        sql_data_access=CreateFunctionSqlDataAccess.NO_SQL,
        is_null_call=True,
        security_type=CreateFunctionSecurityType.DEFINER,
        specific_name="half",
        external_language="Python",
    )

    assert client.functions.create(given).full_name == "dev.scripted.half"
    with pytest.raises(ResourceConflict, match=r"'dev\.scripted\.half' exists"):
        client.functions.create(given)
    assert client.functions.update("dev.scripted.half", owner="somebody").owner == "somebody"
    assert names(client, "dev.scripted") == ["half"]
    with pytest.raises(BadRequest, match=r"'dev\.scripted' is not empty: it has half"):
        client.schemas.delete("dev.scripted")
    client.functions.delete("dev.scripted.half", force=True)
    assert names(client, "dev.scripted") == []
    client.functions.create(given)
    client.schemas.delete("dev.scripted", force=True)
    with pytest.raises(NotFound):
        client.functions.get("dev.scripted.half")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("f(x INT) RETURNS INT RETURN x", "'RETURN x' of function"),
        ("f(x INT) RETURNS INT AS $$return x$$", "needs LANGUAGE PYTHON"),
        ("f(x INT) RETURNS INT LANGUAGE SQL AS $$return x$$", "needs LANGUAGE PYTHON"),
        ("f(x INT) RETURNS INT LANGUAGE PYTHON AS 'return x'", "between \\$\\$ and \\$\\$"),
        ("f(x INT) RETURNS INT LANGUAGE PYTHON HANDLER 'f' AS $$x$$", "'HANDLER 'f'"),
        ("f(x INT) RETURNS INT LANGUAGE PYTHON ENVIRONMENT (a = 1) AS $$x$$", "'ENVIRONMENT"),
        ("f(x INT DEFAULT 1) RETURNS INT LANGUAGE PYTHON AS $$x$$", "'x INT DEFAULT 1'"),
        ("f(x MAP<INT, INT>) RETURNS INT LANGUAGE PYTHON AS $$x$$", "Type MAP of function"),
        ("f(x INT) RETURNS TABLE (y INT) LANGUAGE PYTHON AS $$x$$", "Type TABLE"),
        ("f(x INT, x INT) RETURNS INT LANGUAGE PYTHON AS $$x$$", "twice"),
    ],
)
def test_other_forms_are_refused_by_name(spark: SparkSession, statement: str, said: str) -> None:
    with pytest.raises(PySparkException, match=said):
        spark.sql(f"CREATE FUNCTION {SCHEMA}.{statement}")


def test_a_query_that_calls_a_function_says_what_to_do(spark: SparkSession) -> None:
    spark.sql(MADE)

    for call in (f"{SCHEMA}.ratio(1.0, id)", "`dev`.functions.RATIO(1.0, id)"):
        with pytest.raises(PySparkException, match=r"dev\.functions\.ratio .* FeatureFunction"):
            spark.sql(f"SELECT {call} FROM range(3)").collect()
    # A table or a built-in function of such a name is none of it.
    assert spark.sql("SELECT count(*) AS ratio FROM range(3)").collect()[0].ratio == 3

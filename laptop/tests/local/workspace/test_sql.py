import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotImplemented as NotBuilt
from databricks.sdk.service.sql import StatementParameterListItem, StatementResponse, StatementState


def execute(client: WorkspaceClient, statement: str, **more: object) -> StatementResponse:
    return client.statement_execution.execute_statement(
        statement=statement,
        warehouse_id="laptop",
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("1", "1"),
        ("true", "true"),
        ("CAST(NULL AS INT)", None),
        ("1.50BD", "1.50"),
        ("'late'", "late"),
        ("DATE'2013-01-31'", "2013-01-31"),
        ("TIMESTAMP'2013-01-31 06:30:00'", "2013-01-31T06:30:00.000Z"),
        ("array(1, 2)", "[1, 2]"),
        ("named_struct('a', 1, 'b', 'x')", '{"a": 1, "b": "x"}'),
    ],
)
def test_cells_are_text_as_databricks_writes_them(
    client: WorkspaceClient, expression: str, text: str | None
) -> None:
    answer = execute(client, f"SELECT {expression} AS x")
    assert answer.result is not None
    assert answer.result.data_array == [[text]]


def test_columns_of_one_name_stay_apart(client: WorkspaceClient) -> None:
    answer = execute(client, "SELECT 1 AS a, 2 AS a")
    assert answer.result is not None
    assert answer.result.data_array == [["1", "2"]]


@pytest.mark.parametrize(("limit", "rows", "truncated"), [(2, 2, True), (3, 3, False)])
def test_more_rows_than_asked_for_are_cut_and_that_is_said(
    client: WorkspaceClient, limit: int, rows: int, truncated: bool
) -> None:
    answer = execute(client, "SELECT * FROM range(3)", row_limit=limit)
    assert answer.manifest is not None
    assert answer.result is not None
    assert len(answer.result.data_array or []) == rows
    assert (answer.manifest.total_row_count, answer.manifest.truncated) == (rows, truncated)


def test_a_failing_statement_is_an_answer_with_its_reason(client: WorkspaceClient) -> None:
    answer = execute(client, "SELECT * FROM dev.nowhere.t")
    assert answer.status is not None
    assert answer.status.state == StatementState.FAILED
    assert answer.status.error is not None
    assert "TABLE_OR_VIEW_NOT_FOUND" in str(answer.status.error.message)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parameters", [StatementParameterListItem(name="x", value="1")]),
    ],
)
def test_a_field_that_is_not_built_is_refused(
    client: WorkspaceClient, field: str, value: object
) -> None:
    with pytest.raises(NotBuilt, match=f"Field '{field}' of a statement is not supported"):
        execute(client, "SELECT 1", **{field: value})

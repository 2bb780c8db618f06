"""Features that an endpoint computes, as the client of Databricks' serving containers does it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from databricks.sdk.errors import BadRequest
from databricks.sdk.service.serving import ServingEndpointsAPI
from laptop.features.spec import FeatureSpec, FunctionColumn, InputTable, SourceColumn
from laptop.workspace.state import State
from laptop.workspace.unity import FUNCTION

from .conftest import Workspace, entity, settle
from .test_lookups import feature, publish, serve

Asked = Callable[..., list[dict[str, list[str]]]]
TABLE = "dev.shop.by_key"
SPEC = FeatureSpec(
    (SourceColumn("key", "string", include=False), SourceColumn("x", "double")),
    (feature("f_bigint", "bigint", "key", TABLE), feature("f_default", "double", "key", TABLE)),
    (InputTable(TABLE),),
    (
        # Declared before what it takes.
        FunctionColumn("last", "bigint", "dev.shop.last", (("text", "first"),)),
        FunctionColumn(
            "first",
            "string",
            "dev.shop.first",
            (("b", "f_default"), ("a", "f_bigint"), ("x", "x")),
        ),
    ),
)
FIRST = "\n  # A body keeps its indentation.\n  return repr((x, a, b))\n"


def define(workspace: Workspace, name: str, parameters: str, body: str) -> None:
    """Put a function into the catalog of a workspace that is not up."""
    state = State(workspace.state_dir)
    given = [{"name": each, "type_text": "double"} for each in parameters.split()]
    function = {
        "full_name": f"dev.shop.{name}",
        "input_params": {"parameters": given},
        "full_data_type": "BIGINT",
        "external_language": "Python",
        "routine_definition": body,
    }
    state.put(FUNCTION, f"dev.shop.{name}", function)
    state.close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("functions"))
    columns = {"f_bigint": ("bigint", 7), "f_default": ("double", 0.5)}
    publish(workspace.state_dir, TABLE, ("string", "hit"), columns)
    define(workspace, "first", "x a b", FIRST)
    define(workspace, "last", "text", "return len(text) + 0.5")
    return workspace


@pytest.fixture(scope="module")
def endpoints(workspace: Workspace) -> Iterator[ServingEndpointsAPI]:
    with workspace.up() as endpoints:
        yield endpoints


@pytest.fixture(scope="module")
def ask(endpoints: ServingEndpointsAPI) -> Asked:
    serve(endpoints, "computed", SPEC)

    def ask(*rows: dict[str, Any]) -> list[dict[str, list[str]]]:
        answer = endpoints.query("computed", dataframe_records=list(rows))
        return [json.loads(each) for each in answer.predictions or []]

    return ask


def shown(answer: dict[str, list[str]]) -> list[str]:
    return [answer[name][1] for name in ("first", "last")]


def test_what_was_not_found_is_none_and_a_null_of_the_request_is_nan(ask: Asked) -> None:
    found, missing = ask({"key": "hit", "x": 1.5}, {"key": "none", "x": None})

    assert shown(found) == ["'(1.5, 7, 0.5)'", "13.5"]
    # A default is filled in before functions see it.
    assert shown(missing) == ["'(nan, None, -1.0)'", "17.5"]


def test_the_model_is_given_results_as_they_are(ask: Asked) -> None:
    (answer,) = ask({"key": "hit", "x": 1.5})

    # In their order; declared as BIGINT, and no whole number.
    assert list(answer) == ["x", "f_bigint", "f_default", "last", "first"]
    assert answer["last"][0] == "float64"


def test_a_look_up_in_the_request_is_taken_and_a_computed_feature_is_not(ask: Asked) -> None:
    (answer,) = ask({"key": "hit", "x": 1.5, "f_bigint": 8, "first": "mine", "last": 1})

    assert shown(answer) == ["'(1.5, 8, 0.5)'", "13.5"]


def test_a_function_that_fails_fails_the_request(endpoints: ServingEndpointsAPI) -> None:
    columns = (SourceColumn("key", "string", include=False),)
    column = FunctionColumn("half", "double", "dev.shop.last", (("text", "x"),))
    spec = FeatureSpec((*columns, SourceColumn("x", "double")), (), (), (column,))
    serve(endpoints, "failing", spec)

    with pytest.raises(BadRequest, match="unexpected error"):
        endpoints.query("failing", dataframe_records=[{"key": "hit", "x": 1.0}])


def test_a_replaced_function_is_seen_by_the_next_update(workspace: Workspace) -> None:
    column = FunctionColumn("made", "double", "dev.shop.made", ())
    spec = FeatureSpec((SourceColumn("x", "double"),), (), (), (column,))
    with workspace.up() as endpoints:
        serve(endpoints, "later", spec)
        assert "Function dev.shop.made, which computes made, does not exist" in _reason(endpoints)
        define(workspace, "made", "", "return 1.0")
        served = entity("1", name="later", entity_name="dev.shop.later")
        endpoints.update_config("later", served_entities=[served])
        settle(endpoints, "later")

        def ask() -> str:
            answer = endpoints.query("later", dataframe_records=[{"x": 0.0}])
            return str(json.loads((answer.predictions or [])[0])["made"][1])

        assert ask() == "1.0"
        define(workspace, "made", "", "return 2.0")
        assert ask() == "1.0"
        endpoints.update_config("later", served_entities=[served])
        settle(endpoints, "later")
        assert ask() == "2.0"
        define(workspace, "made", "more", "return more")
        endpoints.update_config("later", served_entities=[served])
        settle(endpoints, "later")
        assert "has the parameters ['more'] now" in _reason(endpoints)


def _reason(endpoints: ServingEndpointsAPI) -> str:
    pending = endpoints.get("later").pending_config
    assert pending is not None
    ((state,),) = [[each.state for each in pending.served_entities or []]]
    assert state is not None
    return state.deployment_state_message or ""

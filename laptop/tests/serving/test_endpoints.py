import re
import threading
from datetime import timedelta

import pytest
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    OperationFailed,
    ResourceAlreadyExists,
    ResourceConflict,
    ResourceDoesNotExist,
)
from databricks.sdk.errors import (
    NotImplemented as NotBuilt,
)
from databricks.sdk.service.serving import (
    AiGatewayConfig,
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    EndpointTag,
    Route,
    ServingEndpointsAPI,
)
from laptop.workspace import endpoint_config
from laptop.workspace.endpoints import ENDPOINT, Endpoints
from laptop.workspace.state import State

from .conftest import MODEL, ROW, WEATHER, Workspace, ask, config, create, entity, failure


def test_a_created_endpoint_is_ready_and_scores_with_features(
    endpoints: ServingEndpointsAPI,
) -> None:
    made = endpoints.create_and_wait(
        "delay", config=config(entity(1)), tags=[EndpointTag(key="team", value="a")]
    )

    answer = endpoints.query("delay", dataframe_records=[ROW, ROW | {"distance": 0}])

    assert answer.predictions == pytest.approx([1420.0, 1320.0])
    assert answer.served_model_name == "delay-1"
    assert made.state is not None
    assert made.state.ready == EndpointStateReady.READY
    assert made.state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
    assert made.config is not None
    (served,) = made.config.served_entities or []
    assert (served.name, served.entity_name, served.entity_version) == ("delay-1", MODEL, "1")
    assert made.config.traffic_config is not None
    assert made.config.traffic_config.routes == [
        Route(served_entity_name="delay-1", served_model_name="delay-1", traffic_percentage=100)
    ]
    assert made.pending_config is None
    assert made.tags == [EndpointTag(key="team", value="a")]
    assert [endpoint.name for endpoint in endpoints.list()] == ["delay"]


def test_an_update_swaps_the_version_and_no_request_fails_meanwhile(
    endpoints: ServingEndpointsAPI,
) -> None:
    create(endpoints)
    done = threading.Event()
    answers: list[float] = []

    def keep_asking() -> None:
        while not done.is_set():
            answers.append(round(ask(endpoints)))

    thread = threading.Thread(target=keep_asking)
    thread.start()
    updated = endpoints.update_config_and_wait("delay", served_entities=[entity(2)])
    assert ask(endpoints) == pytest.approx(2420.0)
    done.set()
    thread.join()

    assert set(answers) <= {1420, 2420}
    assert answers == sorted(answers)
    assert updated.config is not None
    assert updated.config.config_version == 2
    assert updated.pending_config is None


@pytest.mark.parametrize(
    ("version", "message"), [("99", "Version 99 of .* not found"), ("3", "Version 3 of ")]
)
def test_an_update_that_cannot_be_loaded_says_why_and_the_old_version_serves(
    endpoints: ServingEndpointsAPI, version: str, message: str
) -> None:
    create(endpoints)

    with pytest.raises(OperationFailed):
        endpoints.update_config_and_wait("delay", served_entities=[entity(version)])

    assert re.match(message, failure(endpoints))
    state = endpoints.get("delay").state
    assert state is not None
    assert state.ready == EndpointStateReady.READY
    assert ask(endpoints) == pytest.approx(1420.0)
    endpoints.update_config_and_wait("delay", served_entities=[entity(2)])
    assert ask(endpoints) == pytest.approx(2420.0)


def test_an_endpoint_whose_features_are_not_online_does_not_come_up(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    (workspace.home / "online.db").unlink()

    with pytest.raises(OperationFailed):
        create(endpoints)

    assert f"{WEATHER} is not published online" in failure(endpoints)
    state = endpoints.get("delay").state
    assert state is not None
    assert state.ready == EndpointStateReady.NOT_READY
    with pytest.raises(BadRequest, match="not ready"):
        ask(endpoints)
    workspace.publish(temp=2.0, wind=3)
    endpoints.update_config_and_wait("delay", served_entities=[entity(1)])
    assert ask(endpoints) == pytest.approx(1420.0)


def test_traffic_is_split_by_percentage(endpoints: ServingEndpointsAPI) -> None:
    entities = [entity(1, name="old"), entity(2, name="new")]
    endpoints.create_and_wait("delay", config=config(*entities, old=75, new=25))

    answers = [endpoints.query("delay", dataframe_records=[ROW]) for _ in range(200)]

    shares = dict.fromkeys(("old", "new"), 0)
    for answer in answers:
        expected = 1420.0 if answer.served_model_name == "old" else 2420.0
        assert answer.predictions == pytest.approx([expected])
        shares[answer.served_model_name or ""] += 1
    assert 100 < shares["old"] < 190


def test_an_endpoint_outlives_the_workspace_s_process(workspace: Workspace) -> None:
    with workspace.up() as endpoints:
        create(endpoints)
        with pytest.raises(OperationFailed):
            endpoints.update_config_and_wait("delay", served_entities=[entity(99)])

    with workspace.up() as endpoints:
        assert ask(endpoints) == pytest.approx(1420.0)


def test_an_interrupted_update_is_completed_after_a_restart(workspace: Workspace) -> None:
    with workspace.up() as endpoints:
        create(endpoints)
    state = State(workspace.home)
    document = state.get(ENDPOINT, "delay")
    assert document is not None
    document["pending_config"] = endpoint_config.planned(
        {"served_entities": [{"entity_name": MODEL, "entity_version": "2"}]}, version=2
    )
    document["state"]["config_update"] = "IN_PROGRESS"
    state.put(ENDPOINT, "delay", document)
    state.close()

    with workspace.up() as endpoints:
        endpoints.wait_get_serving_endpoint_not_updating("delay", timeout=timedelta(seconds=10))
        assert ask(endpoints) == pytest.approx(2420.0)


def test_an_endpoint_that_is_being_updated_takes_no_other_update(
    endpoints: ServingEndpointsAPI, workspace: Workspace
) -> None:
    create(endpoints)
    state = State(workspace.home)
    document = state.get(ENDPOINT, "delay")
    assert document is not None
    document["state"]["config_update"] = "IN_PROGRESS"
    state.put(ENDPOINT, "delay", document)
    state.close()

    with pytest.raises(ResourceConflict):
        endpoints.update_config("delay", served_entities=[entity(2)])


def test_a_deleted_endpoint_is_gone(endpoints: ServingEndpointsAPI) -> None:
    create(endpoints)

    endpoints.delete("delay")

    assert list(endpoints.list()) == []
    for call in (endpoints.get, endpoints.delete):
        with pytest.raises(ResourceDoesNotExist):
            call("delay")
    with pytest.raises(ResourceDoesNotExist):
        ask(endpoints)


def test_an_update_that_ends_after_its_endpoint_was_made_anew_changes_nothing(
    workspace: Workspace,
) -> None:
    state = State(workspace.home)
    endpoints = Endpoints(state)
    wanted = {"served_entities": [{"entity_name": MODEL, "entity_version": "2"}]}
    endpoints.create({"name": "delay", "config": wanted})
    former = endpoints.get("delay") | {"pending_config": endpoint_config.planned(wanted, 2)}
    endpoints.delete("delay")
    endpoints.create({"name": "delay", "config": wanted})
    before = endpoints.get("delay")

    endpoints.settle(former, {"config": {}}, None, ready="READY")

    assert endpoints.get("delay") == before
    state.close()


def test_a_name_is_taken_once(endpoints: ServingEndpointsAPI) -> None:
    create(endpoints)

    with pytest.raises(ResourceAlreadyExists):
        endpoints.create("delay", config=config(entity(2)))


@pytest.mark.parametrize("name", ["dev.shop.delay", "x" * 64, "a b"])
def test_names_are_letters_digits_dashes_and_underscores(
    standing: tuple[ServingEndpointsAPI, str], name: str
) -> None:
    with pytest.raises(InvalidParameterValue, match="1 to 63"):
        standing[0].create(name, config=config(entity(1)))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (config(), "'served_entities' is required"),
        (config(entity("latest")), "must be a version's number"),
        (config(entity(1, entity_name=None)), "'entity_name' is required"),
        (config(entity(1), entity(1)), "names of their own"),
        (config(entity(1), entity(2)), "sum to 100, got: no routes"),
        (config(entity(1, name="a"), entity(2, name="b"), a=50, b=40), "got: a 50, b 40"),
        (config(entity(1, name="a"), b=100), "leads to 'b'. Served entities: a"),
        (config(entity(1, name="a"), a=101), "0 to 100, got: 101"),
    ],
)
def test_a_config_that_cannot_be_followed_is_refused(
    standing: tuple[ServingEndpointsAPI, str], wanted: EndpointCoreConfigInput, message: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=message):
        standing[0].create("another", config=wanted)

    assert [endpoint.name for endpoint in standing[0].list()] == ["delay"]


def test_what_is_not_built_is_refused_by_name(endpoints: ServingEndpointsAPI) -> None:
    with pytest.raises(NotBuilt, match="ai_gateway"):
        endpoints.create("delay", config=config(entity(1)), ai_gateway=AiGatewayConfig())
    with pytest.raises(NotBuilt, match="instance_profile_arn"):
        endpoints.create("delay", config=config(entity(1, instance_profile_arn="arn")))

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from databricks.sdk.errors import NotImplemented as NotBuilt
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    EndpointTag,
    Route,
    ServedEntityInput,
    ServingEndpointAccessControlRequest,
    ServingEndpointPermissionLevel,
    ServingEndpointsAPI,
    TrafficConfig,
)

from .conftest import MODEL, ROW, ask, config, create, entity, only_entity


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


def test_a_deleted_endpoint_is_gone(endpoints: ServingEndpointsAPI) -> None:
    create(endpoints)

    endpoints.delete("delay")

    assert list(endpoints.list()) == []
    for call in (endpoints.get, endpoints.delete):
        with pytest.raises(ResourceDoesNotExist):
            call("delay")
    with pytest.raises(ResourceDoesNotExist):
        ask(endpoints)


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


def routed(*routes: Route) -> EndpointCoreConfigInput:
    """Return a configuration of two entities, a and b, and these routes."""
    entities = [entity(1, name="a"), entity(2, name="b")]
    return EndpointCoreConfigInput("delay", None, entities, None, TrafficConfig(list(routes)))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (config(), "'served_entities' is required"),
        (config(entity("latest")), "must be a version's number"),
        (config(entity(1, entity_name=None)), "'entity_name' is required"),
        (config(entity(1, name="delay.1")), "'delay.1' is not allowed"),
        (config(entity(1), entity(1)), "names of their own"),
        (config(*(entity(n) for n in range(11))), "at most 10 entities, got: 11"),
        (config(entity(1, min_provisioned_concurrency=4)), "Give the one or the other"),
        (config(entity(1), entity(2)), "sum to 100, got: no routes"),
        (config(entity(1, name="a"), entity(2, name="b"), a=50, b=40), "got: a 50, b 40"),
        (config(entity(1, name="a"), entity(2, name="b"), a=60, b=60), "got: a 60, b 60"),
        (config(entity(1, name="a"), b=100), "leads to 'b'. Served entities: a"),
        (config(entity(1, name="a"), a=101), "0 to 100, got: 101"),
        (config(entity(1, name="a"), entity(2, name="b"), a=-1, b=101), "0 to 100, got: -1"),
        (routed(Route(50, "a"), Route(50, "a")), "one route, got: a, a"),
        (routed(Route(100, "a", "b")), "one served entity, by .* got: a, b"),
        (routed(Route(100)), "one served entity, by .* got: none"),
    ],
)
def test_a_config_that_cannot_be_followed_is_refused(
    standing: tuple[ServingEndpointsAPI, str], wanted: EndpointCoreConfigInput, message: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=message):
        standing[0].create("another", config=wanted)

    assert [endpoint.name for endpoint in standing[0].list()] == ["delay"]


def test_ten_entities_are_served(endpoints: ServingEndpointsAPI) -> None:
    entities = [entity(1, name=f"n{number}") for number in range(10)]
    shares = {served.name or "": 10 for served in entities}

    endpoints.create_and_wait("delay", config=config(*entities, **shares))

    assert ask(endpoints) == pytest.approx(1420.0)


def test_what_an_entity_is_to_run_on_is_recorded(endpoints: ServingEndpointsAPI) -> None:
    wanted = ServedEntityInput(
        entity_name=MODEL,
        entity_version="1",
        min_provisioned_concurrency=4,
        max_provisioned_concurrency=8,
    )

    endpoints.create_and_wait("delay", config=config(wanted))

    served = only_entity(endpoints)
    assert served.scale_to_zero_enabled is False
    assert (served.min_provisioned_concurrency, served.max_provisioned_concurrency) == (4, 8)
    assert served.workload_type is not None
    assert served.workload_type.value == "CPU"
    endpoints.update_config_and_wait("delay", served_entities=[entity(1)])
    assert only_entity(endpoints).workload_size == "Small"
    assert only_entity(endpoints).scale_to_zero_enabled is True


def test_tags_are_added_changed_and_deleted(endpoints: ServingEndpointsAPI) -> None:
    tags = [EndpointTag("team", "a"), EndpointTag("use", "test")]
    endpoints.create_and_wait("delay", config=config(entity(1)), tags=tags)

    answer = endpoints.patch(
        "delay", add_tags=[EndpointTag("team", "b"), EndpointTag("new")], delete_tags=["use"]
    )

    changed = [EndpointTag("team", "b"), EndpointTag("new")]
    assert answer.tags == changed
    assert endpoints.get("delay").tags == changed
    with pytest.raises(InvalidParameterValue, match="'key' is required"):
        endpoints.patch("delay", add_tags=[EndpointTag("")])
    with pytest.raises(ResourceDoesNotExist):
        endpoints.patch("other", delete_tags=["use"])


def test_permissions_are_of_the_endpoint_s_id(client: WorkspaceClient) -> None:
    api = client.serving_endpoints
    # No such version: there is an endpoint all the same.
    api.create("allowed", config=config(entity(1)))
    number = api.get("allowed").id
    assert number is not None
    viewer = ServingEndpointAccessControlRequest(
        group_name="users", permission_level=ServingEndpointPermissionLevel.CAN_QUERY
    )

    api.set_permissions(number, access_control_list=[viewer])

    shown = api.get_permissions(number)
    assert (shown.object_id, shown.object_type) == (
        f"/serving-endpoints/{number}",
        "serving-endpoint",
    )
    (entry,) = shown.access_control_list or []
    assert entry.group_name == "users"
    with pytest.raises(ResourceDoesNotExist):
        api.get_permissions("allowed")
    api.delete("allowed")


def test_what_is_not_built_is_refused_by_name(endpoints: ServingEndpointsAPI) -> None:
    for facts in ({"instance_profile_arn": "arn"}, {"environment_vars": {"KEY": "value"}}):
        with pytest.raises(NotBuilt, match=next(iter(facts))):
            endpoints.create("delay", config=config(entity(1, **facts)))
    with pytest.raises(NotBuilt, match="route optimization"):
        endpoints.create("delay", config=config(entity(1)), route_optimized=True)

"""The serving endpoint: brought to one version, waited for, and asked a question.

The deploy task is its one owner. A bundle resource would put an older version back at each
deploy, and could not exist before a first version does.
"""

import contextlib
import hashlib
import json
from datetime import timedelta
from typing import Any

import pandas as pd
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, OperationFailed
from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    Route,
    ServedEntityInput,
    ServedEntityOutput,
    ServingEndpointDetailed,
    TrafficConfig,
)

from ..lifecycle import Kind
from .errors import EndpointError
from .registry import ModelVersion

LONGEST_NAME = 63
READY_WITHIN = timedelta(minutes=60)


def name_endpoint(model: str) -> str:
    """Return the endpoint's name for a registered model: its own, as far as names allow.

    Dots become hyphens; a name over 63 characters is cut and ends in a hash of the whole.
    """
    name = model.replace(".", "-")
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(model.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{digest}"


def name_entity(version: ModelVersion) -> str:
    """Return the name under which an endpoint serves a version."""
    suffix = f"-{version.version}"
    return version.model.rpartition(".")[2][: LONGEST_NAME - len(suffix)] + suffix


def bring_endpoint(
    workspace: WorkspaceClient, version: ModelVersion, workload_size: str, *, scale_to_zero: bool
) -> str:
    """Have the model's endpoint serve exactly this version, and wait until it does.

    Whatever an earlier, killed call has left is completed: an update under way is waited
    for, one that failed is tried again, an endpoint that stands as it should is left alone.

    Args:
        workspace: The workspace.
        version: What to serve.
        workload_size: How much the endpoint answers at once, as the platform names it.
        scale_to_zero: Whether it may stop while no one asks.

    Returns:
        The endpoint's name.

    Raises:
        EndpointError: It did not come to serve this version; what it served before goes on.
    """
    name = name_endpoint(version.model)
    entity = ServedEntityInput(
        name=name_entity(version),
        entity_name=version.model,
        entity_version=str(version.version),
        workload_size=workload_size,
        scale_to_zero_enabled=scale_to_zero,
    )
    traffic = TrafficConfig(routes=[Route(served_model_name=entity.name, traffic_percentage=100)])
    try:
        standing = workspace.serving_endpoints.get(name)
    except NotFound:
        workspace.serving_endpoints.create_and_wait(
            name,
            config=EndpointCoreConfigInput(
                name=name, served_entities=[entity], traffic_config=traffic
            ),
            timeout=READY_WITHIN,
        )
    else:
        if is_updating(standing):
            # What comes of it is read below; here only a second update must not cross it.
            with contextlib.suppress(OperationFailed):
                workspace.serving_endpoints.wait_get_serving_endpoint_not_updating(
                    name, timeout=READY_WITHIN
                )
            standing = workspace.serving_endpoints.get(name)
        if not (serves(standing, version) and is_sized(standing, entity)):
            workspace.serving_endpoints.update_config_and_wait(
                name, served_entities=[entity], traffic_config=traffic, timeout=READY_WITHIN
            )
    standing = workspace.serving_endpoints.get(name)
    if not serves(standing, version):
        raise EndpointError(
            f"Endpoint {name} should serve version {version.version} alone and be ready; it "
            f"serves {served_versions(standing)}, state {standing.state}. Run deploy again."
        )
    return name


def delete_endpoint(workspace: WorkspaceClient, name: str) -> None:
    """Delete an endpoint, where there is one."""
    with contextlib.suppress(NotFound):
        workspace.serving_endpoints.delete(name)


def is_updating(endpoint: ServingEndpointDetailed) -> bool:
    """Tell whether another configuration is on its way to an endpoint."""
    state = endpoint.state
    return state is not None and state.config_update == EndpointStateConfigUpdate.IN_PROGRESS


def serves(endpoint: ServingEndpointDetailed, version: ModelVersion) -> bool:
    """Tell whether an endpoint is ready with this version, and nothing else on its way."""
    state = endpoint.state
    return (
        state is not None
        and state.ready == EndpointStateReady.READY
        and state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
        and served_versions(endpoint) == [(version.model, str(version.version))]
    )


def is_sized(endpoint: ServingEndpointDetailed, asked: ServedEntityInput) -> bool:
    """Tell whether all that an endpoint serves is of the size that is asked for."""
    return all(
        (entity.workload_size, entity.scale_to_zero_enabled)
        == (asked.workload_size, asked.scale_to_zero_enabled)
        for entity in list_served(endpoint)
    )


def served_versions(endpoint: ServingEndpointDetailed) -> list[tuple[str | None, str | None]]:
    """Return name and version of all that an endpoint serves."""
    return [(entity.entity_name, entity.entity_version) for entity in list_served(endpoint)]


def list_served(endpoint: ServingEndpointDetailed) -> list[ServedEntityOutput]:
    """Return all that an endpoint serves."""
    return (endpoint.config.served_entities if endpoint.config else None) or []


def ask_endpoint(
    workspace: WorkspaceClient, name: str, version: ModelVersion, rows: pd.DataFrame, kind: Kind
) -> list[float]:
    """Have an endpoint predict, and see that the answer is this version's and makes sense.

    Args:
        workspace: The workspace.
        name: The endpoint.
        version: What it should serve.
        rows: The model's inputs.
        kind: The kind of outcome it predicts.

    Returns:
        A prediction a row.

    Raises:
        EndpointError: Another version answered, or no possible prediction a row.
    """
    answer = workspace.serving_endpoints.query(name, dataframe_records=as_records(rows))
    if answer.served_model_name not in (None, name_entity(version)):
        raise EndpointError(
            f"Endpoint {name} answered by '{answer.served_model_name}', not by "
            f"'{name_entity(version)}'. Run deploy again."
        )
    predictions = answer.predictions or []
    if len(predictions) != len(rows) or not all(map(kind.allows, predictions)):
        raise EndpointError(
            f"Endpoint {name} answered {predictions!r} for {len(rows)} rows; a number from "
            f"{kind.lowest:g} to {kind.highest:g} for each was expected. Look at the endpoint's "
            "logs."
        )
    return [float(prediction) for prediction in predictions]


def as_records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON knows them: times as ISO text, what is missing as null."""
    records: list[dict[str, Any]] = json.loads(rows.to_json(orient="records", date_format="iso"))
    return records

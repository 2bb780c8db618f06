"""The serving endpoint: its served entities and its traffic split.

The deploy task owns it. A bundle resource would restore an older version at each bundle deploy,
and could not exist before the first version.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic, sleep

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    NotFound,
    OperationFailed,
    PermissionDenied,
    ResourceConflict,
)
from databricks.sdk.service.serving import (
    AiGatewayConfig,
    EndpointCoreConfigInput,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    Route,
    ServedEntityInput,
    ServedEntityOutput,
    ServingEndpointDetailed,
    TrafficConfig,
)

from ..promotion.model_version import ModelVersion
from .errors import EndpointError
from .payload_log import TRACING, ensure_logged, plan_log, refuse_log

LONGEST_NAME = 63
READY_WITHIN = timedelta(minutes=90)
CONFLICT_PAUSE = 5.0
TRIAL = "trial"


@dataclass(frozen=True)
class Size:
    """Compute of a served version.

    Attributes:
        workload: Workload size: Small, Medium or Large.
    """

    workload: str
    scale_to_zero: bool


@dataclass(frozen=True)
class Part:
    """A served entity and its percentage of the traffic."""

    entity: ServedEntityInput
    share: int

    @property
    def name(self) -> str:
        """Name of the entity."""
        return self.entity.name or ""

    @property
    def facts(self) -> tuple[object, ...]:
        """Fields by which two parts are compared."""
        entity = self.entity
        size = (entity.workload_size, bool(entity.scale_to_zero_enabled))
        variables = tuple(sorted((entity.environment_vars or {}).items()))
        return (self.name, entity.entity_name, entity.entity_version, *size, variables, self.share)


Configuration = tuple[Part, ...]


def endpoint_name(model: str) -> str:
    """Return the endpoint's name for a registered model.

    Dots become hyphens; a name over 63 characters is cut and ends in a hash.
    """
    return fit_name(model.replace(".", "-"), model)


def trial_name(endpoint: str) -> str:
    """Return the name of the temporary endpoint on which a version is checked."""
    return fit_name(f"{endpoint}-{TRIAL}", f"{endpoint}-{TRIAL}")


def fit_name(name: str, whole: str) -> str:
    """Return a name of at most 63 characters; if it is cut, it ends in a hash of `whole`."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{digest}"


def entity_name(version: ModelVersion) -> str:
    """Return the name of a version's served entity."""
    suffix = f"-{version.version}"
    return version.model.rpartition(".")[2][: LONGEST_NAME - len(suffix)] + suffix


def describe_entity(version: ModelVersion, size: Size) -> ServedEntityInput:
    """Return the served entity of a version, as the API takes it."""
    return ServedEntityInput(
        name=entity_name(version),
        entity_name=version.model,
        entity_version=str(version.version),
        workload_size=size.workload,
        scale_to_zero_enabled=size.scale_to_zero,
        environment_vars=dict(TRACING),
    )


def serve_alone(entity: ServedEntityInput) -> Configuration:
    """Return the configuration with one entity at 100 % of the traffic."""
    return (Part(entity, 100),)


def read_configuration(endpoint: ServingEndpointDetailed | None) -> Configuration:
    """Return an endpoint's configuration in a form that can be sent; empty without an endpoint."""
    config = endpoint.config if endpoint else None
    traffic = config.traffic_config if config else None
    routes = (traffic.routes if traffic else None) or []
    shares = {
        route.served_entity_name or route.served_model_name: route.traffic_percentage
        for route in routes
    }
    served = (config.served_entities if config else None) or []
    return tuple(Part(as_input(entity), shares.get(entity.name, 0)) for entity in served)


def as_input(entity: ServedEntityOutput) -> ServedEntityInput:
    """Return a served entity in the API's input form."""
    # The API takes workload_size or the provisioned concurrency, not both.
    by_name = entity.workload_size is not None
    return ServedEntityInput(
        name=entity.name,
        entity_name=entity.entity_name,
        entity_version=entity.entity_version,
        environment_vars=entity.environment_vars,
        instance_profile_arn=entity.instance_profile_arn,
        max_provisioned_concurrency=None if by_name else entity.max_provisioned_concurrency,
        min_provisioned_concurrency=None if by_name else entity.min_provisioned_concurrency,
        scale_to_zero_enabled=entity.scale_to_zero_enabled,
        workload_size=entity.workload_size,
        workload_type=entity.workload_type,
    )


def read_settled(workspace: WorkspaceClient, name: str) -> ServingEndpointDetailed | None:
    """Wait until no update of an endpoint is in progress, and return it; None if missing."""
    try:
        endpoint = workspace.serving_endpoints.get(name)
        if is_updating(endpoint):
            # The state is read below.
            with contextlib.suppress(OperationFailed):
                workspace.serving_endpoints.wait_get_serving_endpoint_not_updating(
                    name, timeout=READY_WITHIN
                )
            endpoint = workspace.serving_endpoints.get(name)
    except NotFound:
        return None
    return endpoint


def send_configuration(
    workspace: WorkspaceClient,
    name: str,
    wanted: Configuration,
    wait: Callable[[float], None] = sleep,
    log_to: str = "",
) -> None:
    """Create or update an endpoint, and wait until it has this configuration.

    Idempotent. Waits for another update in progress.

    `log_to` is the schema of the inference table; empty leaves logging unchanged.

    Raises:
        BadRequest: The workspace refuses the configuration.
        EndpointError: The update failed and the former configuration is still served, or requests
            cannot be logged.
    """
    started = monotonic()
    while True:
        standing = read_settled(workspace, name)
        if serves(standing, wanted):
            break
        try:
            request_configuration(workspace, name, wanted, log_to, exists=standing is not None)
        except ResourceConflict:
            # Another update has started.
            if monotonic() - started > READY_WITHIN.total_seconds():
                raise
            wait(CONFLICT_PAUSE)
            continue
        except (OperationFailed, TimeoutError) as error:
            raise EndpointError(
                f"Endpoint {name} does not serve {write_configuration(wanted)}: "
                f"{read_failure(workspace, name) or error}. The former versions are still served. "
                "Look at the build logs, then run deploy again."
            ) from error
        break
    standing = workspace.serving_endpoints.get(name)
    if not serves(standing, wanted):
        raise EndpointError(
            f"Endpoint {name} should serve {write_configuration(wanted)} and be ready; it serves "
            f"{write_configuration(read_configuration(standing))}, state {standing.state}. Run "
            "deploy again."
        )
    if log_to:
        ensure_logged(workspace, name, log_to)


def request_configuration(
    workspace: WorkspaceClient, name: str, wanted: Configuration, log_to: str, *, exists: bool
) -> None:
    """Create or update an endpoint, and wait for the end."""
    entities = [part.entity for part in wanted]
    traffic = TrafficConfig(
        routes=[
            Route(served_model_name=part.name, traffic_percentage=part.share) for part in wanted
        ]
    )
    if exists:
        workspace.serving_endpoints.update_config_and_wait(
            name, served_entities=entities, traffic_config=traffic, timeout=READY_WITHIN
        )
    else:
        config = EndpointCoreConfigInput(
            name=name, served_entities=entities, traffic_config=traffic
        )
        gateway = (
            AiGatewayConfig(inference_table_config=plan_log(workspace, log_to)) if log_to else None
        )
        try:
            workspace.serving_endpoints.create_and_wait(
                name, config=config, ai_gateway=gateway, timeout=READY_WITHIN
            )
        except PermissionDenied as error:
            raise (refuse_log(name, log_to, error) if log_to else error) from error


def delete_endpoint(workspace: WorkspaceClient, name: str) -> None:
    """Delete an endpoint if it exists."""
    with contextlib.suppress(NotFound):
        workspace.serving_endpoints.delete(name)


def is_updating(endpoint: ServingEndpointDetailed) -> bool:
    """Return whether an update of an endpoint is in progress."""
    state = endpoint.state
    return state is not None and state.config_update == EndpointStateConfigUpdate.IN_PROGRESS


def serves(endpoint: ServingEndpointDetailed | None, wanted: Configuration) -> bool:
    """Return whether an endpoint is ready with this configuration and no update is in progress."""
    state = endpoint.state if endpoint else None
    return (
        state is not None
        and state.ready == EndpointStateReady.READY
        and state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
        and {part.facts for part in read_configuration(endpoint)} == {part.facts for part in wanted}
    )


def read_failure(workspace: WorkspaceClient, name: str) -> str:
    """Return why the last update of an endpoint failed; empty if unknown."""
    pending = workspace.serving_endpoints.get(name).pending_config
    states = (entity.state for entity in (pending.served_entities if pending else None) or [])
    messages = (state.deployment_state_message for state in states if state)
    return "; ".join(message.strip().rstrip(".") for message in messages if message)


def write_configuration(parts: Iterable[Part]) -> str:
    """Return a configuration as text for messages."""
    return ", ".join(f"{part.name} at {part.share} %" for part in parts) or "nothing"

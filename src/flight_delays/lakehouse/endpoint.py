"""The serving endpoint: what it serves at which shares, and how it is brought to serve it.

The deploy task is its one owner. A bundle resource would put an older version back at each
deploy, and could not exist before a first version does.
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
    """How much is provided for a served version.

    Attributes:
        workload: How much it answers at once, as the platform names it.
        scale_to_zero: Whether it may stop while no one asks.
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
        """The entity's name."""
        return self.entity.name or ""

    @property
    def facts(self) -> tuple[object, ...]:
        """What two equal parts have in common."""
        entity = self.entity
        size = (entity.workload_size, bool(entity.scale_to_zero_enabled))
        variables = tuple(sorted((entity.environment_vars or {}).items()))
        return (self.name, entity.entity_name, entity.entity_version, *size, variables, self.share)


Configuration = tuple[Part, ...]


def endpoint_name(model: str) -> str:
    """Return the endpoint's name for a registered model: its own, as far as names allow.

    Dots become hyphens; a name over 63 characters is cut and ends in a hash of the whole.
    """
    return fit_name(model.replace(".", "-"), model)


def trial_name(endpoint: str) -> str:
    """Return the name of the temporary endpoint on which a version can be asked beside another."""
    return fit_name(f"{endpoint}-{TRIAL}", f"{endpoint}-{TRIAL}")


def fit_name(name: str, whole: str) -> str:
    """Return a name that is not too long; one that is cut ends in a hash of the whole."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{digest}"


def entity_name(version: ModelVersion) -> str:
    """Return the name under which an endpoint serves a version."""
    suffix = f"-{version.version}"
    return version.model.rpartition(".")[2][: LONGEST_NAME - len(suffix)] + suffix


def describe_entity(version: ModelVersion, size: Size) -> ServedEntityInput:
    """Return a version as an endpoint is asked to serve it."""
    return ServedEntityInput(
        name=entity_name(version),
        entity_name=version.model,
        entity_version=str(version.version),
        workload_size=size.workload,
        scale_to_zero_enabled=size.scale_to_zero,
        environment_vars=dict(TRACING),
    )


def serve_alone(entity: ServedEntityInput) -> Configuration:
    """Return the configuration in which an entity has all traffic."""
    return (Part(entity, 100),)


def read_configuration(endpoint: ServingEndpointDetailed | None) -> Configuration:
    """Return what an endpoint serves, so that it can be sent again; nothing where there is none."""
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
    """Return a served entity in the form in which it is sent."""
    # A size is given in one way: by its name, or by numbers.
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
    """Return an endpoint once no update of it is under way; None where there is none."""
    try:
        endpoint = workspace.serving_endpoints.get(name)
        if is_updating(endpoint):
            # What came of it is read below.
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
    """Have an endpoint serve exactly this, and wait until it does.

    An endpoint that is missing is made, one that already serves this is left alone. Another update
    that is under way is waited for.

    Args:
        workspace: The workspace.
        name: The endpoint.
        wanted: What to serve.
        wait: Waits for some seconds.
        log_to: Schema to a table of which requests are logged; blank leaves that as it is.

    Raises:
        BadRequest: The workspace refuses the configuration.
        EndpointError: It did not come to serve this; what it served before goes on. Or it does,
            and cannot log requests.
    """
    started = monotonic()
    while True:
        standing = read_settled(workspace, name)
        if serves(standing, wanted):
            break
        try:
            request_configuration(workspace, name, wanted, log_to, exists=standing is not None)
        except ResourceConflict:
            # Another update began in between.
            if monotonic() - started > READY_WITHIN.total_seconds():
                raise
            wait(CONFLICT_PAUSE)
            continue
        except (OperationFailed, TimeoutError) as error:
            raise EndpointError(
                f"Endpoint {name} does not serve {write_configuration(wanted)}: "
                f"{read_failure(workspace, name) or error}. What it served before goes on. Look at "
                "its build logs, then run deploy again."
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
    """Create or update an endpoint, and wait until that has ended."""
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
    """Delete an endpoint, where there is one."""
    with contextlib.suppress(NotFound):
        workspace.serving_endpoints.delete(name)


def is_updating(endpoint: ServingEndpointDetailed) -> bool:
    """Return whether another configuration is on its way to an endpoint."""
    state = endpoint.state
    return state is not None and state.config_update == EndpointStateConfigUpdate.IN_PROGRESS


def serves(endpoint: ServingEndpointDetailed | None, wanted: Configuration) -> bool:
    """Return whether an endpoint is ready with this configuration, and no other on its way."""
    state = endpoint.state if endpoint else None
    return (
        state is not None
        and state.ready == EndpointStateReady.READY
        and state.config_update == EndpointStateConfigUpdate.NOT_UPDATING
        and {part.facts for part in read_configuration(endpoint)} == {part.facts for part in wanted}
    )


def read_failure(workspace: WorkspaceClient, name: str) -> str:
    """Return why the last update of an endpoint failed; blank where it does not say."""
    pending = workspace.serving_endpoints.get(name).pending_config
    states = (entity.state for entity in (pending.served_entities if pending else None) or [])
    messages = (state.deployment_state_message for state in states if state)
    return "; ".join(message.strip().rstrip(".") for message in messages if message)


def served_versions(endpoint: ServingEndpointDetailed) -> list[tuple[str | None, str | None]]:
    """Return name and version of all that an endpoint serves."""
    entities = (part.entity for part in read_configuration(endpoint))
    return [(entity.entity_name, entity.entity_version) for entity in entities]


def write_configuration(parts: Iterable[Part]) -> str:
    """Write what an endpoint serves for a message."""
    return ", ".join(f"{part.name} at {part.share} %" for part in parts) or "nothing"

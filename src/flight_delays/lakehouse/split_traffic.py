"""Traffic split between the Champion and another version on one endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import ServedEntityInput
from mlflow import MlflowClient

from ..promotion.model_version import ModelVersion
from .endpoint import (
    Configuration,
    Part,
    endpoint_name,
    read_configuration,
    read_settled,
    send_configuration,
    serve_alone,
    write_configuration,
)
from .errors import EndpointError
from .registry import read_version
from .rollout import Check, Mark, admit, restore, schema_of, try_mark


@dataclass(frozen=True)
class Pair:
    """The Champion and another version of one endpoint."""

    workspace: WorkspaceClient
    endpoint: str
    champion: ServedEntityInput
    challenger: ServedEntityInput

    def at(self, percent: int) -> Configuration:
        """Return the configuration with this percentage of the traffic for the challenger."""
        return (Part(self.champion, 100 - percent), Part(self.challenger, percent))

    @property
    def names(self) -> tuple[str, str]:
        """Names of both entities, the Champion's first."""
        return self.champion.name or "", self.challenger.name or ""


def find_rolled(
    workspace: WorkspaceClient, registry: MlflowClient, model: str
) -> ModelVersion | None:
    """Return the served version whose rollout is in progress, if any."""
    parts = read_configuration(read_settled(workspace, endpoint_name(model)))
    for part in parts:
        if part.entity.entity_name == model and part.entity.entity_version:
            version = read_version(registry, model, int(part.entity.entity_version))
            if version.is_rolling_out:
                return version
    return None


def add_challenger(pair: Pair, check: Check, mark: Mark) -> None:
    """Add the challenger without traffic, and check it.

    Raises:
        EndpointError: The endpoint has another configuration; or the check failed, and the
            endpoint serves the Champion alone again.
    """
    require_expected(pair, (0,))
    former = serve_alone(pair.champion)
    try:
        admit(pair.workspace, pair.endpoint, pair.challenger, former, check, mark)
    except Exception:
        restore(pair.workspace, pair.endpoint, former)
        raise


def split(pair: Pair, percent: int, steps: Sequence[int], mark: Mark) -> None:
    """Set the challenger's percentage of the traffic. Idempotent.

    Raises:
        EndpointError: The endpoint has a configuration that is not of this rollout.
    """
    wanted = pair.at(percent)
    standing = require_expected(pair, (0, *steps, 100))
    if [part.facts for part in standing] == [part.facts for part in wanted]:
        return
    log_to = schema_of(pair.challenger)
    send_configuration(pair.workspace, pair.endpoint, wanted, log_to=log_to)
    for part in wanted:
        # An entity that fails here is judged by its failed requests.
        try_mark(pair.endpoint, part, mark)
    print(f"Endpoint {pair.endpoint} serves {write_configuration(wanted)}.")


def require_expected(pair: Pair, percents: Sequence[int]) -> Configuration:
    """Return the endpoint's configuration: the Champion alone, or a step of the rollout.

    Raises:
        EndpointError: It is another configuration.
    """
    standing = read_configuration(read_settled(pair.workspace, pair.endpoint))
    shares = {part.name: part.share for part in standing}
    allowed = [{pair.champion.name: 100}]
    allowed += [{part.name: part.share for part in pair.at(percent)} for percent in percents]
    if shares not in allowed:
        raise EndpointError(
            f"Endpoint {pair.endpoint} serves {write_configuration(standing)}; this roll-out "
            f"expects {write_configuration(serve_alone(pair.champion))}, or with it "
            f"{pair.challenger.name} at one of {', '.join(map(str, percents))} %. Somebody else "
            "has changed it. To go on with the Champion alone: databricks bundle run rollback"
        )
    return standing


def hand_over(pair: Pair, mark: Mark) -> None:
    """Give the challenger all traffic; the Champion stays without until the alias has moved.

    Raises:
        EndpointError: The version does not answer.
    """
    send_configuration(
        pair.workspace, pair.endpoint, pair.at(100), log_to=schema_of(pair.challenger)
    )
    mark(pair.endpoint, pair.challenger)


def leave_alone(pair: Pair, entity: ServedEntityInput) -> None:
    """Serve one of both alone."""
    alone = serve_alone(entity)
    send_configuration(pair.workspace, pair.endpoint, alone)
    print(f"Endpoint {pair.endpoint} serves {write_configuration(alone)}.")

"""A version on the endpoint: asked without traffic first, and only then given all of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest
from databricks.sdk.service.serving import ServedEntityInput

from ..promotion.model_version import ModelVersion
from .endpoint import (
    Configuration,
    Part,
    Size,
    delete_endpoint,
    describe_entity,
    endpoint_name,
    read_configuration,
    read_settled,
    send_configuration,
    serve_alone,
    serves,
    trial_name,
    write_configuration,
)
from .errors import CleanUpError, EndpointError

# Asks a served entity of an endpoint, both by name, and raises where it must not have traffic.
Check: TypeAlias = Callable[[str, str], None]
# Asks a served entity of an endpoint for a row, so that the endpoint's log tells its version.
Mark: TypeAlias = Callable[[str, ServedEntityInput], None]


def roll_out(
    workspace: WorkspaceClient,
    version: ModelVersion,
    champion: ModelVersion | None,
    size: Size,
    check: Check,
    commit: Callable[[], None],
    mark: Mark,
) -> str:
    """Bring the model's endpoint to a version, unless a check fails; then all is as before.

    The version is added beside what serves, without traffic, and checked by its own name. Then it
    gets all traffic, `commit` is called, and what served before is removed. Until `commit` has
    returned, any failure puts back what served before. Killed anywhere, it can be called again.
    The endpoint logs its requests to the model's schema; after each update what has traffic is
    marked in that log.

    Args:
        workspace: The workspace.
        version: What to serve.
        champion: The version that should serve until then, if any.
        size: How much is provided for the version.
        check: Asks the served version.
        commit: Makes the version the Champion.
        mark: Marks a served entity in the endpoint's log.

    Returns:
        The endpoint's name.

    Raises:
        EndpointError: The endpoint did not come to serve what it was told to.
        CleanUpError: Something failed, and what served before could not be put back.
    """
    name = endpoint_name(version.model)
    # A killed call may have left it.
    delete_endpoint(workspace, trial_name(name))
    wanted = describe_entity(version, size)
    standing = read_configuration(read_settled(workspace, name))
    former = find_former(standing, wanted, describe_entity(champion, size) if champion else None)
    try:
        switch(workspace, name, wanted, former, check, mark)
        commit()
    except Exception as error:
        clean_up(partial(restore, workspace, name, former), error)
        raise
    if not serves(read_settled(workspace, name), serve_alone(wanted)):
        send_configuration(workspace, name, serve_alone(wanted), log_to=schema_of(wanted))
        mark(name, wanted)
    return name


def find_former(
    standing: Configuration, wanted: ServedEntityInput, champion: ServedEntityInput | None
) -> Configuration:
    """Return what an endpoint has to serve until a version takes over, and if it does not.

    That is what it serves now. Where an earlier call was killed and the version is there already,
    it is the Champion alone, or without a Champion what else is there.

    Args:
        standing: What the endpoint serves.
        wanted: The version that is to take over.
        champion: The Champion, if any.

    Returns:
        Nothing where no one has been served yet.
    """
    there = {part.name: part for part in standing}
    active = tuple(part for part in standing if part.share)
    if champion is not None and champion.name in there:
        if wanted.name not in there and there[champion.name].share:
            return active
        return serve_alone(there[champion.name].entity)
    if wanted.name not in there:
        return active
    if champion is not None:
        return serve_alone(champion)
    others = [part for part in standing if part.name != wanted.name]
    return serve_alone(max(others, key=lambda part: part.share).entity) if others else ()


def switch(
    workspace: WorkspaceClient,
    name: str,
    wanted: ServedEntityInput,
    former: Configuration,
    check: Check,
    mark: Mark,
) -> None:
    """Give a version all traffic once it has passed the check.

    Where others are served, it is checked without traffic; they stay, without traffic, until the
    switch is known to last. Where no one is served yet, or the version itself, there is no other
    to protect.
    """
    alone = serve_alone(wanted)
    send = partial(send_configuration, workspace, name, log_to=schema_of(wanted))
    if all(part.name == wanted.name for part in former):
        send(alone)
        check(name, alone[0].name)
        return
    if not admit(workspace, name, wanted, former, check, mark):
        send(alone)
        mark(name, wanted)
        return
    silenced = (replace(part, share=0) for part in former)
    send((*silenced, *alone))
    mark(name, wanted)


def admit(
    workspace: WorkspaceClient,
    name: str,
    wanted: ServedEntityInput,
    former: Configuration,
    check: Check,
    mark: Mark,
) -> bool:
    """Check a version without traffic, beside what serves.

    Returns:
        Whether the endpoint serves it now; where the workspace takes no entity without traffic, it
        was checked on an endpoint of its own, which is gone.
    """
    try:
        send_configuration(workspace, name, (*former, Part(wanted, 0)), log_to=schema_of(wanted))
    except BadRequest as refusal:
        print(f"Endpoint {name} takes no entity without traffic ({refusal}): it is asked apart.")
        check_apart(workspace, name, wanted, check)
        return False
    for part in former:
        try_mark(name, part, mark)
    check(name, wanted.name or "")
    return True


def try_mark(name: str, part: Part, mark: Mark) -> None:
    """Mark what serves in the log; where it does not answer, that is no reason to stop."""
    try:
        mark(name, part.entity)
    except EndpointError as error:
        print(f"Requests that {part.name} still answers may stay unknown in the log: {error}")


def schema_of(entity: ServedEntityInput) -> str:
    """Return the schema of a served entity's model, with its catalog."""
    return (entity.entity_name or "").rpartition(".")[0]


def check_apart(
    workspace: WorkspaceClient, name: str, wanted: ServedEntityInput, check: Check
) -> None:
    """Check a version on a temporary endpoint, which is deleted in any case."""
    trial = trial_name(name)
    alone = serve_alone(wanted)
    try:
        send_configuration(workspace, trial, alone)
        check(trial, alone[0].name)
    except Exception as error:
        clean_up(partial(delete_endpoint, workspace, trial), error)
        raise
    delete_endpoint(workspace, trial)


def restore(workspace: WorkspaceClient, name: str, former: Configuration) -> None:
    """Have an endpoint serve what it did before; where that was nothing, delete it."""
    if former:
        send_configuration(workspace, name, former)
        print(f"Endpoint {name} serves {write_configuration(former)}, as before.")
    else:
        delete_endpoint(workspace, name)
        print(f"Endpoint {name} was made for this version, and is deleted.")


def clean_up(undo: Callable[[], None], first: Exception) -> None:
    """Undo something after an error.

    Raises:
        CleanUpError: That failed too; it tells of both.
    """
    try:
        undo()
    except Exception as second:
        raise CleanUpError(first, second) from first

"""Deployment of a version to the endpoint: it is checked without traffic, then gets all of it."""

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

# Queries a served entity (endpoint, entity), and raises if it may not have traffic.
Check: TypeAlias = Callable[[str, str], None]
# Sends one row to a served entity, which records its version in the inference table.
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
    """Deploy a version to the model's endpoint, or roll back if a check fails.

    The version is added without traffic and checked by its entity name. Then it gets all traffic,
    `commit` is called, and the former entities are removed. Any failure until `commit` has returned
    restores the former configuration. Idempotent: it can be called again after a kill.
    Requests are logged to the model's schema; after each update, entities with traffic are marked
    in the inference table.

    Returns:
        The endpoint's name.

    Raises:
        EndpointError: The update failed.
        CleanUpError: A step failed, and so did the rollback.
    """
    name = endpoint_name(version.model)
    # May be left from a killed call.
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
    """Return the configuration to restore on failure; empty if nothing was served before.

    It is the present one. If a killed call has already added the version, it is the Champion alone,
    or without a Champion the other entities.
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

    If others are served, it is checked without traffic; they stay, without traffic, until `commit`
    has returned.
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
    """Check a version without traffic, next to the served entities.

    Returns:
        Whether the endpoint serves it now; if the workspace refuses entities without traffic, it
        was checked on a temporary endpoint instead.
    """
    try:
        send_configuration(workspace, name, (*former, Part(wanted, 0)), log_to=schema_of(wanted))
    except BadRequest as refusal:
        print(
            f"Endpoint {name} takes no entity without traffic ({refusal}): using a temporary one."
        )
        check_apart(workspace, name, wanted, check)
        return False
    for part in former:
        try_mark(name, part, mark)
    check(name, wanted.name or "")
    return True


def try_mark(name: str, part: Part, mark: Mark) -> None:
    """Mark a served entity in the inference table; only print a message if that fails."""
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
    """Check a version on a temporary endpoint, which is always deleted."""
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
    """Restore an endpoint's former configuration; delete the endpoint if that was empty."""
    if former:
        send_configuration(workspace, name, former)
        print(f"Endpoint {name} serves {write_configuration(former)}, as before.")
    else:
        delete_endpoint(workspace, name)
        print(f"Endpoint {name} was made for this version, and is deleted.")


def clean_up(undo: Callable[[], None], first: Exception) -> None:
    """Roll back after an error.

    Raises:
        CleanUpError: The rollback failed; has both errors.
    """
    try:
        undo()
    except Exception as second:
        raise CleanUpError(first, second) from first

"""Task: delete everything that the other tasks created. Idempotent."""

from typing import Literal

from ..lakehouse.context import Lakehouse
from ..lakehouse.endpoint import delete_endpoint, endpoint_name, trial_name
from ..lakehouse.functions import delete_functions
from ..lakehouse.monitor import delete_monitor
from ..lakehouse.online_store import unpublish
from ..lakehouse.tables import delete_tables
from ..lakehouse.volumes import delete_folder, list_folders, volume_path
from ..problem import PROBLEM
from ..spec.inference_log import LABELLED, PREDICTIONS
from .approval import unlink_job
from .outputs import LATEST
from .parameters import FullName, Parameters, SchemaName, in_schema


class TeardownParameters(Parameters):
    """Parameters of the teardown task.

    Attributes:
        environment: The bundle's target; staging and prod are refused.
        target: Schema whose tables are deleted, with its catalog.
        volume: Full name of the volume whose files are deleted.
        checkpoints: Full name of the volume of the streams' checkpoints; empty without one.
    """

    environment: Literal["dev", "test"]
    model: FullName
    target: SchemaName
    volume: FullName
    checkpoints: str = ""


def run(parameters: TeardownParameters, lakehouse: Lakehouse) -> None:
    """Delete endpoint, tables and files, dependents first."""
    workspace = lakehouse.workspace
    unlink_job(parameters.model, lakehouse)
    endpoint = endpoint_name(parameters.model)
    delete_endpoint(workspace, trial_name(endpoint))
    delete_endpoint(workspace, endpoint)
    print(f"endpoint {endpoint} deleted")
    for table in (*(table.name for table in PROBLEM.feature_tables), LATEST):
        online = unpublish(workspace, in_schema(parameters.target, table))
        print(f"online table {online} deleted")
    # Its metric tables are in the same schema.
    if delete_monitor(workspace, in_schema(parameters.target, LABELLED)):
        print(f"monitor of {LABELLED} deleted")
    for name in delete_tables(workspace, parameters.target):
        print(f"table {name} deleted")
    for name in delete_functions(workspace, parameters.target):
        print(f"function {name} deleted")
    folders = [f"{volume_path(parameters.volume)}/{PREDICTIONS}"]
    if parameters.checkpoints:
        folders += list_folders(workspace, volume_path(parameters.checkpoints))
    for folder in folders:
        delete_folder(workspace, folder)
        print(f"folder {folder} deleted")


def main() -> None:
    """Run the task from its command line."""
    run(TeardownParameters.parse(), Lakehouse())

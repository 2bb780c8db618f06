"""Errors of the Databricks workspace."""


class LakehouseError(Exception):
    """Base class of the errors of this package."""


class RuntimeMissingError(LakehouseError):
    """The task does not run in a Databricks Runtime, or its objects cannot be found."""

    def __init__(self, name: str, reasons: str) -> None:
        super().__init__(
            f"A task needs the {name} of a Databricks Runtime, and none was found. {reasons}. "
            "Run it as a task of its job: `databricks bundle run JOB`."
        )


class TableMissingError(LakehouseError):
    """A table of an earlier job does not exist."""

    def __init__(self, table: str, remedy: str) -> None:
        super().__init__(f"Table {table} does not exist. {remedy}")


class SchemaChangedError(LakehouseError):
    """A table has the schema of another version of the project."""

    def __init__(self, table: str, wanted: str, found: str, remedy: str) -> None:
        super().__init__(f"Table {table} {wanted}; it {found}. {remedy}")


class FeatureInUseError(LakehouseError):
    """A version with an alias looks up a feature that is no longer computed."""

    def __init__(self, table: str, in_use: str) -> None:
        super().__init__(
            f"{table} no longer computes {in_use}: look-ups would return NULL. Keep it in the "
            "query, and add its name and type to the table's `retired`, until no such version is "
            "in use; new versions do not see it. See docs/first-steps.md."
        )


class FunctionMissingError(LakehouseError):
    """A Unity Catalog function of a feature does not exist."""

    def __init__(self, function: str, remedy: str) -> None:
        super().__init__(
            f"Function {function} does not exist, or may not be executed by this task. {remedy}"
        )


class TableUnreadableError(LakehouseError):
    """A table cannot be read."""

    def __init__(self, table: str, why: str, remedy: str) -> None:
        super().__init__(f"Table {table} cannot be read: {why}. {remedy}")


class ModelUnreadableError(LakehouseError):
    """A registered model does not exist, or the task's principal may not read it."""

    def __init__(self, model: str, why: str, remedy: str) -> None:
        super().__init__(f"Registered model {model} cannot be read: {why}. {remedy}")


class ModelUriError(LakehouseError):
    """A model URI does not name a version of a registered model."""

    def __init__(self, got: str) -> None:
        super().__init__(
            f"model_uri must be models:/<catalog>.<schema>.<model>/<version>, got {got!r}. It "
            "comes from the task value model_uri that train sets: run train in the same run."
        )


class EndpointError(LakehouseError):
    """An endpoint does not serve the expected versions."""


class ImpossibleAnswerError(EndpointError):
    """A served version did not return one valid prediction for each row."""


class OnlineStoreMissingError(LakehouseError):
    """The online store of the features is missing or not configured."""

    def __init__(self, name: str) -> None:
        got = f"no online store is named '{name}'" if name else "no online store is named"
        super().__init__(
            f"Serving looks features up by key, but {got}. Ask the workspace's admin to create "
            "one, and pass its name to the task as online_store."
        )


class PublicationError(LakehouseError):
    """A table was not published."""

    def __init__(self, online: str, why: str) -> None:
        super().__init__(
            f"Online table {online} was not updated: {why}. Requests find its former rows. Look at "
            "its pipeline, then run the job again."
        )


class OutputError(LakehouseError):
    """Predictions did not reach an output of conf/outputs.yml."""


class CleanUpError(LakehouseError):
    """A step failed, and so did its rollback."""

    def __init__(self, first: Exception, second: Exception) -> None:
        super().__init__(f"{first} The rollback failed as well: {second} Run deploy again.")


class NotPublishedError(LakehouseError):
    """The published features are not known, or too few to query an endpoint."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}. Run feature_refresh, then run deploy again.")


class ChampionUnusableError(LakehouseError):
    """The Champion cannot predict the rows of this code."""

    def __init__(self, champion: str, why: Exception) -> None:
        super().__init__(
            f"{champion}, the Champion, cannot predict these rows: batch failed with {why}. If the "
            "code no longer has its inputs, restore them. Or remove the alias Champion: the next "
            "version is then compared with the heuristic baseline."
        )

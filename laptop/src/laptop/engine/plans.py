"""Spark Connect plans, rewritten before the engine runs them."""

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.plan import LogicalPlan
from pyspark.sql.connect.proto import relations_pb2
from pyspark.sql.connect.session import SparkSession

from . import jdbc, kafka_plans, names, paths, statements, writes
from .session import UNCOMPRESSED
from .tokens import Cursor, StatementRefused, quote

if TYPE_CHECKING:
    from .gateway import Engine

_IDENTIFIER = re.compile(r"(?i)\bIDENTIFIER\s*\(\s*(?:'([^']+)'|:(\w+))\s*\)")


class Given(LogicalPlan):
    """Logical plan of a client's relation."""

    def __init__(self, relation: Any) -> None:
        super().__init__(None)
        self._relation = relation

    def plan(self, session: Any) -> Any:  # noqa: ARG002
        """Return the relation."""
        return self._relation


class Session:
    """A client's session.

    Args:
        key: Session ID.
        user: User ID sent by the client.
        engine: Engine of the session.
        api: The catalog.
    """

    def __init__(self, key: str, user: str, engine: "Engine", api: Any) -> None:
        self.key = key
        self.user = user
        self.engine = engine
        self.api = api
        # Data source formats registered in this session.
        self.sources: set[str] = set()

    @cached_property
    def spark(self) -> SparkSession:
        """A client of the same engine session, with its temporary views and settings."""
        address = f"{self.engine.address}/;session_id={self.key};user_id={self.user}"
        session = SparkSession(DefaultChannelBuilder(address, [UNCOMPRESSED]))
        # The remote client ends the session.
        session.release_session_on_close = False
        return session

    def current(self) -> tuple[str, str]:
        """Return the current catalog and schema."""
        row = self.spark.sql("SELECT current_catalog() AS c, current_schema() AS s").collect()[0]
        return row["c"], row["s"]

    def full(self, levels: tuple[str, ...]) -> str:
        """Return a table's full name in lower case, as stored in the catalog."""
        missing = 3 - len(levels)
        return ".".join([*(self.current()[:missing] if missing > 0 else ()), *levels]).lower()

    def frame(self, relation: Any) -> DataFrame:
        """Return a relation as a DataFrame."""
        return DataFrame(Given(relation), self.spark)


def prepare(session: Session, message: Any) -> None:
    """Rewrite an ExecutePlan or AnalyzePlan request for the engine."""
    if not hasattr(message, "plan"):
        expand(session, message, rows=False)
        return
    command = message.plan.command
    kind = command.WhichOneof("command_type")
    if kind != "sql_command":
        expand(session, message)
    else:
        statement = command.sql_command
        given = statement.input
        if given.WhichOneof("rel_type") == "with_relations":
            for each in given.with_relations.references:
                expand(session, each)
            given = given.with_relations.root
        text = name_identifiers(given.sql.query or statement.sql, given.sql.named_arguments)

        def frame_of(query: str) -> DataFrame:
            relation = relations_pb2.Relation()
            relation.CopyFrom(statement.input)
            inner = relation
            if relation.WhichOneof("rel_type") == "with_relations":
                inner = relation.with_relations.root
            inner.sql.query = query
            return session.frame(relation)

        new = statements.rewrite(session, Cursor(text), frame_of)
        if given.WhichOneof("rel_type") == "sql":
            given.sql.query = new
        else:
            statement.sql = new
    if kind == "write_operation" and command.write_operation.HasField("table"):
        finish(command, writes.save(session, command.write_operation))
    elif kind == "write_operation" and kafka_plans.is_kafka(command.write_operation.source):
        kafka_plans.prepare_write(session, command.write_operation)
    elif kind == "write_operation" and jdbc.is_jdbc(command.write_operation.source):
        jdbc.save(session, command.write_operation)
        finish(command, True)
    elif kind == "write_operation":
        writes.check_path(command.write_operation)
        paths.place_write(session, command.write_operation)
    elif kind == "write_operation_v2":
        finish(command, writes.save_v2(session, command.write_operation_v2))
    elif kind == "write_stream_operation_start":
        raise StatementRefused(
            "Start a stream from the session of databricks.sdk.runtime or DatabricksSession: on "
            "the laptop the process that starts it also runs it."
        )
    elif kind == "merge_into_table_command":
        merge = command.merge_into_table_command
        writes.wrap(merge.source_table_plan)


def name_identifiers(text: str, arguments: Any) -> str:
    """Return a statement with IDENTIFIER(…) replaced by the name."""

    def named(found: re.Match[str]) -> str:
        value = found[1] or (arguments[found[2]].literal.string if found[2] in arguments else "")
        return quote(*Cursor(value).name()) if value else found[0]

    return _IDENTIFIER.sub(named, text)


def finish(command: Any, done: bool) -> None:
    """Replace a command with a no-op if it is done."""
    if done:
        command.sql_command.input.sql.query = "SELECT 1"


def expand(session: Session, message: Any, *, rows: bool = True) -> None:
    """Rewrite views, names, paths and JDBC or Kafka reads in a part of a plan.

    Args:
        session: Session of the plan.
        message: The part, changed in place.
        rows: Whether rows are needed, or only the schema.
    """
    if isinstance(message, relations_pb2.Relation):
        kind = message.WhichOneof("rel_type")
        if kind == "read" and message.read.HasField("named_table"):
            read = message.read.named_table
            levels = Cursor(read.unparsed_identifier).name()
            found = names.definition(session, levels)
            if found is not None:
                message.subquery_alias.alias = levels[-1]
                message.subquery_alias.input.sql.query = found
                return
            read.unparsed_identifier = names.expand(session, read.unparsed_identifier)
        elif kind == "read" and jdbc.is_jdbc(message.read.data_source.format):
            jdbc.place_read(session, message, rows=rows)
        elif kind == "read" and message.read.HasField("data_source"):
            if kafka_plans.is_kafka(message.read.data_source.format):
                kafka_plans.prepare_read(session, message.read)
            paths.place_source(session, message.read.data_source)
        elif kind == "sql":
            message.sql.query = statements.query(session, message.sql.query)
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].type == field.TYPE_MESSAGE:
                for each in value.values():
                    expand(session, each, rows=rows)
        elif field.is_repeated if hasattr(field, "is_repeated") else field.label == 3:
            for each in value:
                expand(session, each, rows=rows)
        else:
            expand(session, value, rows=rows)

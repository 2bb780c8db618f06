"""Spark Connect proxy between clients and the engine.

Requests that the engine does not support are rewritten or handled in the catalog.
"""

import json
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]

from .sail import SESSION_SETTINGS

if TYPE_CHECKING:
    from .plans import Session

_THREADS = 128
# Local relations and row batches may be large. Compressing results costs ten times what it saves
# on loopback.
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
)
_ENGINE_OPTIONS = (*_OPTIONS, ("grpc.compression_enabled_algorithms_bitset", 1))
_STREAMED = ("ExecutePlan", "ReattachExecute")
_SERVICE = "/spark.connect.SparkConnectService/"
# Engine errors after a concurrent commit. Delta retries these by itself; the engine does not.
_CONFLICTS = ("Delta catalog commit conflict", "was prepared from snapshot version")
# Maximum delay before each retry, in seconds.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, *([1.6] * 15))


class Engine:
    """One Sail server, with the catalogs that existed at its start."""

    def __init__(self, start: Callable[[list[str]], tuple[Any, str]], catalogs: list[str]) -> None:
        self.server, self.address = start(catalogs)
        self.catalogs = frozenset(catalogs)
        self.channel = grpc.insecure_channel(self.address.removeprefix("sc://"), _ENGINE_OPTIONS)


class Gateway(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Spark Connect server that forwards requests to the engine.

    An engine's catalogs are fixed at its start. After CREATE CATALOG another engine is started, for
    new sessions and for sessions whose requests name the new catalog.

    Args:
        start: Starts an engine for catalogs and returns it with its address.
        catalogs: Returns the names of all catalogs.
        catalog_api: Source of metadata for sessions.
    """

    def __init__(
        self,
        start: Callable[[list[str]], tuple[Any, str]],
        catalogs: Callable[[], list[str]],
        catalog_api: Any,
    ) -> None:
        self._start = start
        self._catalogs = catalogs
        self._api = catalog_api
        self._lock = threading.RLock()
        self._engines = [Engine(start, catalogs())]
        self._sessions: dict[str, Session] = {}
        self._server = grpc.server(ThreadPoolExecutor(_THREADS), [self], options=_OPTIONS)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"sc://127.0.0.1:{port}"
        self._server.start()

    def stop(self) -> None:
        """Stop the server and the engines."""
        self._server.stop(None)
        for engine in self._engines:
            engine.server.stop()

    def service(self, details: Any) -> Any:
        """Return the handler of a method."""
        method = details.method.removeprefix(_SERVICE)
        if method in _STREAMED:
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._stream(method, request, context)
            )
        if method == "AddArtifacts":
            return grpc.stream_unary_rpc_method_handler(self._add_artifacts)
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._ask(method, request, context)
        )

    def _stream(self, method: str, request: bytes, context: Any) -> Iterator[bytes]:
        for pause in (*_PAUSES, None):
            begun = False
            try:
                session, prepared = self._prepare(method, request)
                answers = session.engine.channel.unary_stream(f"{_SERVICE}{method}")(prepared)
                context.add_callback(answers.cancel)
                for answer in answers:
                    begun = True
                    yield answer
                return
            except Exception as error:
                if begun or pause is None or not is_conflict(error):
                    refuse(context, error)
            time.sleep(random.uniform(0, pause or 0))

    def _ask(self, method: str, request: bytes, context: Any) -> Any:
        try:
            session, request = self._prepare(method, request)
            hashed = _semantic_hash(request) if method == "AnalyzePlan" else None
            if hashed is not None:
                return hashed
            call = session.engine.channel.unary_unary(f"{_SERVICE}{method}")
            answer = call(request)
        except Exception as error:
            refuse(context, error)
        if method == "ReleaseSession":
            with self._lock:
                self._sessions.pop(session.key, None)
        return answer

    def _add_artifacts(self, requests: Iterator[bytes], context: Any) -> Any:
        try:
            first = next(requests)
            session, _ = self._prepare("AddArtifacts", first)
            call = session.engine.channel.stream_unary(f"{_SERVICE}AddArtifacts")
            return call(chain(first, requests))
        except Exception as error:
            refuse(context, error)

    def _prepare(self, method: str, request: bytes) -> tuple["Session", bytes]:
        """Return the session of a request, and the request to send to the engine."""
        from pyspark.sql.connect.proto import base_pb2

        from . import plans

        kind = getattr(base_pb2, f"{method}Request")
        message = kind.FromString(request)
        key, user = message.session_id, message.user_context.user_id
        with self._lock:
            known = self._sessions.get(key)
            if known is None or self._must_move(known, request):
                known = plans.Session(key, user, self._newest(), self._api)
                self._configure(known, base_pb2)
                self._sessions[key] = known
        if method == "ExecutePlan" or method == "AnalyzePlan":
            plans.prepare(known, message)
            return known, message.SerializeToString()
        return known, request

    def _must_move(self, session: "Session", request: bytes) -> bool:
        new = set(self._catalogs()) - session.engine.catalogs
        return any(name.encode() in request.lower() for name in new)

    def _newest(self) -> Engine:
        names = self._catalogs()
        if set(names) - self._engines[-1].catalogs:
            self._engines.append(Engine(self._start, names))
        return self._engines[-1]

    def _configure(self, session: "Session", proto: Any) -> None:
        request = proto.ConfigRequest(session_id=session.key)
        request.user_context.user_id = session.user
        for key, value in SESSION_SETTINGS.items():
            request.operation.set.pairs.add(key=key, value=value)
        session.engine.channel.unary_unary(f"{_SERVICE}Config")(request.SerializeToString())


def _semantic_hash(request: bytes) -> bytes | None:
    """Return the response to a semantic hash request, else None; the engine lacks these."""
    from pyspark.sql.connect.proto import base_pb2

    message = base_pb2.AnalyzePlanRequest.FromString(request)
    if not message.HasField("semantic_hash"):
        return None
    answer = base_pb2.AnalyzePlanResponse(session_id=message.session_id)
    answer.semantic_hash.result = zlib.crc32(message.semantic_hash.SerializeToString()) >> 1
    written: bytes = answer.SerializeToString()
    return written


def chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the first request, then the others."""
    yield first
    yield from others


def is_conflict(error: Exception) -> bool:
    """Return whether a commit failed, with nothing written, because of a concurrent commit."""
    return any(said in str(error) for said in _CONFLICTS)


def refuse(context: Any, error: Exception) -> None:
    """Abort a call with the engine's error, or else with an AnalysisException."""
    if isinstance(error, grpc.RpcError):
        context.set_trailing_metadata(error.trailing_metadata() or ())
        context.abort(error.code(), error.details())
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

    message = str(error) or type(error).__name__
    name = "org.apache.spark.sql.AnalysisException"
    info = error_details_pb2.ErrorInfo(reason=name, domain="org.apache.spark")
    info.metadata["classes"] = json.dumps([name])
    status = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message=message)
    status.details.add().Pack(info)
    context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
    context.abort(grpc.StatusCode.INTERNAL, message)

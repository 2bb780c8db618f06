"""REST routes of serving endpoints: management and scoring."""

import json
import time
import uuid
from functools import partial
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from .. import clock
from .endpoint_live import stamped
from .endpoint_traffic import EndpointMetrics
from .endpoints import Endpoints
from .errors import ApiError
from .feature_tracing import FeatureTrace
from .payload_rows import Payload
from .payloads import Payloads
from .requests import JsonBody
from .serving_faults import Faults

MOST_AT_ONCE = 200
MOST_BYTES = 16 * 1024 * 1024
# Databricks documents neither; applications read the first, gateways the second.
REQUEST_ID_HEADERS = ("databricks-request-id", "x-databricks-request-id")


def router(endpoints: Endpoints, payloads: Payloads, faults: Faults) -> APIRouter:
    """Return the routes of serving endpoints."""
    api = APIRouter()
    root = "/api/2.0/serving-endpoints"
    # A separate pool, so that requests to a slow entity do not block the rest of the API.
    threads = CapacityLimiter(MOST_AT_ONCE)

    @api.get(root)
    def list_endpoints() -> Any:
        return {"endpoints": endpoints.all()}

    @api.post(root)
    def create(body: JsonBody) -> Any:
        return endpoints.create(body)

    @api.get(f"{root}/{{name}}")
    def get(name: str) -> Any:
        return endpoints.get(name)

    @api.delete(f"{root}/{{name}}")
    def delete(name: str) -> Any:
        endpoints.delete(name)
        return {}

    @api.put(f"{root}/{{name}}/config")
    def update_config(name: str, body: JsonBody) -> Any:
        return endpoints.update(name, body)

    @api.put(f"{root}/{{name}}/ai-gateway")
    def put_ai_gateway(name: str, body: JsonBody) -> Any:
        return endpoints.change_gateway(name, body)

    @api.patch(f"{root}/{{name}}/tags")
    def tag(name: str, body: JsonBody) -> Any:
        return {"tags": endpoints.tag(name, body)}

    @api.get(f"{root}/{{name}}/metrics")
    def export_metrics(name: str) -> Response:
        metrics = EndpointMetrics(name, endpoints.measured(name))
        return Response(generate_latest(metrics), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    @api.get(f"{root}/{{name}}/served-models/{{entity}}/build-logs")
    def build_logs(name: str, entity: str) -> Any:
        return {"logs": "\n".join(endpoints.log(name, entity).build)}

    @api.get(f"{root}/{{name}}/served-models/{{entity}}/logs")
    def logs(name: str, entity: str) -> Any:
        return {"logs": "\n".join(endpoints.log(name, entity).service)}

    async def score(name: str, entity: str | None, request: Request) -> Response:
        body = await body_of(request)
        content_type = request.headers.get("content-type", "")
        ask = partial(answer, endpoints, payloads, faults, name, entity, body, content_type)
        return await run_sync(ask, limiter=threads)

    @api.post("/serving-endpoints/{name}/invocations")
    async def invoke(name: str, request: Request) -> Response:
        return await score(name, None, request)

    @api.post("/serving-endpoints/{name}/served-models/{entity}/invocations")
    async def invoke_served(name: str, entity: str, request: Request) -> Response:
        return await score(name, entity, request)

    return api


async def body_of(request: Request) -> bytes:
    """Return a request's body.

    Raises:
        ApiError: 413 for a body above Databricks' limit.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            text = f"A request has at most {MOST_BYTES} bytes. Send fewer rows at a time."
            raise ApiError(413, "BAD_REQUEST", text)
    return bytes(body)


def answer(
    endpoints: Endpoints,
    payloads: Payloads,
    faults: Faults,
    name: str,
    entity: str | None,
    body: bytes,
    content_type: str,
) -> Response:
    """Score a request and log its payload.

    Args:
        endpoints: The endpoints of the workspace.
        payloads: The payload tables.
        faults: Faults of served entities.
        name: Name of the endpoint.
        entity: Served entity; None draws one by the traffic split.
        body: Body of the request.
        content_type: Content type of the request.
    """
    from mlflow.exceptions import MlflowException

    from .scoring import parse

    live = endpoints.live(name)
    served = live.choose() if entity is None else live.named(entity)
    request_id, at = str(uuid.uuid4()), clock.now()
    asked = parse(body, content_type)
    started = time.perf_counter()
    status, text = 500, ""
    trace = FeatureTrace(request_id, name, at) if served.is_traced else None
    try:
        predict = partial(served.model.answer, asked, trace)
        text = faults.answer(served.endpoint_id, served.name, served.version, predict)
        status = 200
    except MlflowException as error:
        status, text = error.get_http_status_code(), error.serialize_as_json()  # type: ignore[no-untyped-call]
        served.log.service.append(stamped(f"{status} {text}"))
    except ApiError as error:
        status = error.status
        text = json.dumps({"error_code": error.code, "message": error.message})
        if status >= 500:
            served.log.service.append(stamped(f"{status} {text}"))
    finally:
        taken_ms = 1000 * (time.perf_counter() - started)
        served.traffic.record(status, taken_ms)
    logged = text
    if status == 200 and ((trace and trace.spans) or asked.returns_trace):
        logged = with_output(text, request_id, trace)
        text = logged if asked.returns_trace else text
    payload = Payload(
        request_id,
        asked.client_request_id,
        at,
        status,
        taken_ms,
        body,
        logged,
        served.entity_id,
    )
    payloads.add(served.endpoint_id, payload, served.log)
    headers = {"served-model-name": served.name, **dict.fromkeys(REQUEST_ID_HEADERS, request_id)}
    return Response(text, status, headers, media_type="application/json")


def with_output(text: str, request_id: str, trace: FeatureTrace | None) -> str:
    """Return a response with `databricks_output` added."""
    traced = {"trace": trace.to_dict()} if trace and trace.spans else {}
    output = json.dumps({**traced, "databricks_request_id": request_id}, ensure_ascii=False)
    return f'{text.rstrip().removesuffix("}")}, "databricks_output": {output}}}'

"""An endpoint of the laptop compared with MLflow's scoring server, with the same model.

Rounds alternate between the two. The clients share the servers' cores, so only the ratios carry
over to other machines. A third column is the endpoint without HTTP: the time of MLflow's parsing
and of the model.
"""

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput
from laptop import connection
from laptop.state_dir import StateDir
from laptop.workspace.scoring import ServedModel, parse
from mlflow.models import infer_signature
from rich.console import Console
from rich.table import Table
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

MODEL = "dev.bench.delay"
ROUNDS, REQUESTS = 5, 40
CLIENTS, SECONDS = 8, 4.0
JSON = "application/json"


@dataclass(frozen=True)
class Side:
    """A scoring server.

    Attributes:
        port: Port on the loopback interface.
        path: Path for POST requests.
        token: Bearer token; empty if not required.
    """

    port: int
    path: str
    token: str = ""

    def connect(self) -> Callable[[bytes], object]:
        """Return a function that posts a body over one connection and checks the status."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": JSON, "Authorization": f"Bearer {self.token}"}

        def ask(body: bytes) -> object:
            link.request("POST", self.path, body, headers)
            answer = link.getresponse()
            predictions = json.loads(answer.read())["predictions"]
            if answer.status != 200:
                raise RuntimeError(f"{self.path} answered {answer.status}: {predictions}")
            return predictions

        return ask


def main() -> None:
    """Serve one model on both servers, and print latencies, throughput and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        home = StateDir(Path(folder) / "home")
        there = connection.open_workspace(home, ["dev"])
        os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = (
            f"laptop://{home.path}"
        )
        os.environ["MLFLOW_UV_AUTO_DETECT"] = "false"
        rows, version = register()
        model = mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{version}")
        endpoints = WorkspaceClient(host=there.address, token=there.token).serving_endpoints
        entity = ServedEntityInput(entity_name=MODEL, entity_version=version)
        config = EndpointCoreConfigInput("delay", served_entities=[entity])
        endpoints.create_and_wait("delay", config=config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = int(listener.getsockname()[1])
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
        server = subprocess.Popen(
            [*command, "--model-uri", model, "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            sides = {
                "mlflow models serve": Side(port, "/invocations"),
                "laptop": Side(there.port, "/serving-endpoints/delay/invocations", there.token),
            }
            wait_for(sides["mlflow models serve"], body_of(rows, 1))
            direct = ServedModel(mlflow.pyfunc.load_model(model))
            show(measure(sides, direct, rows))
        finally:
            # The server is a child of the command, in the same process group.
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
            connection.stop(home)


def register() -> tuple[pd.DataFrame, str]:
    """Register a model with mixed columns; return input rows and its version."""
    random = np.random.default_rng(7)
    numbers = {f"n{index}": random.normal(size=5000) for index in range(8)}
    words = {name: random.choice(list("abcdef"), 5000) for name in ("carrier", "origin")}
    rows = pd.DataFrame({**numbers, **words})
    encoder = make_column_transformer(
        (OrdinalEncoder(), list(words)), remainder="passthrough", verbose_feature_names_out=False
    )
    pipeline = make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=50))
    pipeline.fit(rows, rows["n0"] + rows["n1"] > 0)
    mlflow.set_experiment("bench")
    info = mlflow.sklearn.log_model(
        pipeline,
        name="delay",
        signature=infer_signature(rows, pipeline.predict(rows)),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    return rows, str(mlflow.register_model(info.model_uri, MODEL).version)


def body_of(rows: pd.DataFrame, count: int) -> bytes:
    """Return a request body with the first rows."""
    return json.dumps({"dataframe_records": rows[:count].to_dict("records")}).encode()


def wait_for(side: Side, body: bytes) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + 120
    while True:
        try:
            side.connect()(body)
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def measure(
    sides: dict[str, Side], direct: ServedModel, rows: pd.DataFrame
) -> dict[str, dict[str, float]]:
    """Return milliseconds and requests a second, by metric and side."""
    figures: dict[str, dict[str, float]] = {}
    for count in (1, 100):
        body = body_of(rows, count)
        times: dict[str, list[float]] = {name: [] for name in (*sides, "without HTTP")}
        for _ in range(ROUNDS):
            for name, taken in times.items():
                # Servers close connections that were idle during the others' rounds.
                ask = sides[name].connect() if name in sides else answer_directly(direct)
                ask(body)
                taken += [timed(ask, body) for _ in range(REQUESTS)]
        for label, quantile in (("p50", 50), ("p99", 99)):
            figures[f"{count} rows, {label}, ms"] = {
                name: statistics.quantiles(taken, n=100)[quantile - 1]
                for name, taken in times.items()
            }
    figures[f"1 row, {CLIENTS} clients, requests/s"] = {
        name: throughput(side, body_of(rows, 1)) for name, side in sides.items()
    }
    return figures


def answer_directly(model: ServedModel) -> Callable[[bytes], object]:
    """Return a function that scores a body with a model in this process."""
    return lambda body: model.answer(parse(body, JSON))


def timed(ask: Callable[[bytes], object], body: bytes) -> float:
    """Return the latency of a request in milliseconds."""
    started = time.perf_counter()
    ask(body)
    return 1000 * (time.perf_counter() - started)


def throughput(side: Side, body: bytes) -> float:
    """Return the requests a second of concurrent clients without pauses."""
    counts = [0] * CLIENTS
    end = time.monotonic() + SECONDS

    def keep_asking(client: int) -> None:
        ask = side.connect()
        while time.monotonic() < end:
            ask(body)
            counts[client] += 1

    threads = [threading.Thread(target=keep_asking, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def show(figures: dict[str, dict[str, float]]) -> None:
    """Print the metrics, and the ratio of the laptop to MLflow's server."""
    sides = ["mlflow models serve", "laptop", "without HTTP"]
    table = Table("", *sides, "laptop / mlflow", box=None)
    for label, values in figures.items():
        cells = [f"{values[side]:.1f}" if side in values else "" for side in sides]
        table.add_row(label, *cells, f"{values['laptop'] / values['mlflow models serve']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

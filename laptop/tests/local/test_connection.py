import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from laptop import connection
from laptop.connection import Connection
from laptop.errors import LaptopError, WorkspaceFailed
from laptop.state_dir import StateDir
from laptop.status import run_sql

from ..conftest import Jobs, Toy, alive, execute, ours, results, until

SLEEP = "import time; time.sleep(600)"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Answer every request on a port alike."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def bystander() -> Iterator[int]:
    """Yield a process that has nothing to do with us."""
    process = subprocess.Popen([sys.executable, "-c", SLEEP])
    yield process.pid
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, b"[]"),
        (200, b"<html>"),
        (200, b'{"userName": "someone@else"}'),
        (401, b"no"),
        (404, b'["no"]'),
        (500, b'{"error_code": "X"}'),
    ],
)
def test_another_process_on_a_former_port_is_no_workspace(
    tmp_path: Path, bystander: int, status: int, body: bytes
) -> None:
    state_dir = StateDir(tmp_path)
    with answering(status, body) as port:
        former = Connection(bystander, port, "token", "sc://127.0.0.1:1")
        connection.announce(state_dir, former)
        assert connection.find(state_dir) is None
        assert not connection.stop(state_dir)


@pytest.mark.parametrize("answer", [b"", b"220 mail ready\r\n"])
def test_a_port_that_speaks_another_language_is_no_workspace(tmp_path: Path, answer: bytes) -> None:
    state_dir = StateDir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reply() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(1024)
                caller.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        former = Connection(os.getpid(), listener.getsockname()[1], "token", "sc://127.0.0.1:1")
        connection.announce(state_dir, former)
        assert connection.find(state_dir) is None
        thread.join()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1, "port": 2}'])
def test_a_connection_file_that_cannot_be_read_is_no_workspace(tmp_path: Path, text: str) -> None:
    state_dir = StateDir(tmp_path)
    state_dir.connection_file.write_text(text)
    assert connection.find(state_dir) is None


def test_a_workspace_that_cannot_start_says_what_it_printed(tmp_path: Path) -> None:
    state_dir = StateDir(tmp_path / "state_dir")
    state_dir.create()
    state_dir.catalog_db.write_text("no database at all, and long enough to be one" * 100)
    with pytest.raises(WorkspaceFailed, match="file is not a database") as caught:
        connection.start(state_dir, [])
    assert str(state_dir.log_file) in str(caught.value)
    assert ours(tmp_path) == []


@pytest.mark.nightly
def test_what_stands_is_there_after_a_quick_stop_that_leaves_nothing_running(
    lonely: Toy, wheel: str
) -> None:
    there = connection.open_workspace(lonely.state_dir, ["dev"])
    assert connection.open_workspace(lonely.state_dir, ["dev", "prod"]) == there
    there.ask("POST", "/api/2.1/unity-catalog/schemas", {"catalog_name": "dev", "name": "shop"})
    run_sql(there, "CREATE TABLE dev.shop.t (n BIGINT)")
    run_sql(there, "INSERT INTO dev.shop.t VALUES (1), (2)")
    other = connection.open_workspace(lonely.state_dir, ["extra"])
    assert other.pid != there.pid
    assert not alive(there.pid)
    other.ask("POST", "/api/2.1/unity-catalog/schemas", {"catalog_name": "extra", "name": "s"})
    jobs = Jobs(other, wheel)
    run_id = jobs.start(jobs.create(execute("slow", SLEEP)))
    until(lambda: results(jobs.get(run_id)) == {"slow": "RUNNING"})
    # Asked to end, it ends, and has not to be killed.
    assert connection.end(other.pid, signal.SIGTERM)
    assert not lonely.state_dir.connection_file.exists()
    assert ours(lonely.root) == []
    again = connection.open_workspace(lonely.state_dir, ["dev"])
    assert results(Jobs(again, wheel).get(run_id)) == {"slow": "CANCELED"}
    assert ["extra"] in run_sql(again, "SHOW CATALOGS")["result"]["data_array"]
    run_sql(again, "CREATE TABLE extra.s.t (n BIGINT)")
    answer = run_sql(again, "SELECT (SELECT sum(n) FROM dev.shop.t), count(*) FROM extra.s.t")
    assert answer["result"]["data_array"] == [["3", "0"]]


def test_a_run_under_way_is_not_ended_for_a_new_catalog(jobs: Jobs, shared: StateDir) -> None:
    run_id = jobs.start(jobs.create(execute("slow", SLEEP)))
    with pytest.raises(LaptopError, match="to have the catalog another, and a run is under way"):
        connection.open_workspace(shared, ["dev", "another"])
    assert connection.find(shared) == jobs.there
    jobs.there.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run_id})
    assert results(jobs.finish(run_id)) == {"slow": "CANCELED"}


def test_it_leaves_when_left_alone_but_not_while_a_job_runs(lonely: Toy, wheel: str) -> None:
    lonely.state_dir.create()
    command = [sys.executable, "-m", "laptop.workspace.server", "--idle-seconds", "3"]
    with lonely.state_dir.log_file.open("w") as log:
        process = subprocess.Popen([*command, lonely.state_dir.path], stdout=log, stderr=log)
    jobs = Jobs(until(lambda: connection.find(lonely.state_dir)), wheel)
    done = lonely.root / "done"
    job_id = jobs.create(execute("slow", f"import time; time.sleep(5); open({str(done)!r}, 'w')"))
    jobs.start(job_id)
    assert process.wait(120) == 0
    assert done.exists()
    assert "No request and no run for 3 s: stopped." in lonely.state_dir.log_file.read_text()
    assert ours(lonely.root) == []


@pytest.mark.parametrize("forking", ["forked", pytest.param("spawned", marks=pytest.mark.nightly)])
def test_a_killed_workspace_takes_its_tasks_along_and_shows_the_run_as_interrupted(
    lonely: Toy, wheel: str, forking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if forking == "spawned":
        monkeypatch.setenv("LAPTOP_NO_FORK", "1")
    jobs = Jobs(lonely.open(), wheel)
    told = lonely.root / "told"
    code = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"open({str(told)!r}, 'w').write(f'{{os.getppid()}} {{os.getpid()}} {{child.pid}}\\n')\n"
        f"{SLEEP}"
    )
    run_id = jobs.start(jobs.create(execute("slow", code), execute("after", "", "slow")))
    until(lambda: told.exists() and told.read_text().endswith("\n"))
    parent, *pids = map(int, told.read_text().split())
    assert (parent == jobs.there.pid) is (forking == "spawned")
    os.kill(jobs.there.pid, signal.SIGKILL)
    until(lambda: not any(map(alive, [parent, *pids])), 10)
    run = Jobs(lonely.open(), wheel).get(run_id)
    assert results(run) == {"slow": "CANCELED", "after": "CANCELED"}
    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert "The workspace stopped during this run" in run["state"]["state_message"]

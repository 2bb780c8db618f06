import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from laptop.jobs.processes import Launcher, Process
from laptop.jobs.task import TaskSpec
from laptop.jobs.task_environment import TaskEnvironment
from laptop.jobs.wheels import unpack

from ...conftest import alive, until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="Tasks fork on Linux alone."),
]

# Stands in the folder of the fork server, which by it grows a thread each time it forks.
GROWER = """
import os, threading
def grow():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
os.register_at_fork(after_in_parent=grow)
"""
TELL = "import os; print(os.getppid(), os.getpid(), flush=True)"
SLEEP = "import time; time.sleep(600)"

Start = Callable[..., "Running"]


class Running:
    """A task on its way."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        self.parent, self.pid = map(int, log.read_text().split())


@pytest.fixture
def state_dir(folder: Path, request: pytest.FixtureRequest) -> Path:
    path = folder / str(request.node.name)
    (path / "fork_server").mkdir(parents=True)
    (path / "fork_server" / "grower.py").write_text(GROWER)
    return path


@pytest.fixture
def launcher(state_dir: Path) -> Iterator[Launcher]:
    launcher = Launcher(
        TaskEnvironment(state_dir, "http://127.0.0.1:9", "token", "sc://127.0.0.1:9")
    )
    yield launcher
    launcher.close()


@pytest.fixture
def start(launcher: Launcher, state_dir: Path, wheel: str) -> Start:
    """Start a task that tells its parent and itself, and then does more."""
    path = [str(unpack(Path(wheel), state_dir / "wheels"))]

    def start_one(more: str = "") -> Running:
        spec_file = state_dir / f"{len(list(state_dir.glob('*.json')))}.json"
        log = spec_file.with_suffix(".log")
        TaskSpec("toy", "execute", [f"{TELL}; {more}"], path, {}, str(log)).write(spec_file)
        return Running(launcher.start(spec_file), log)

    return start_one


def is_warm(pid: int) -> bool:
    return b"laptop.jobs.fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_tasks_are_forked_until_the_warm_process_has_grown_a_thread(
    launcher: Launcher, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    launcher.preload(["grower"])
    first = start(SLEEP)
    assert is_warm(first.parent)
    second = start()
    assert second.parent == os.getpid()
    assert second.process.wait(120) == 0
    assert "threads where imports left" in capfd.readouterr().err
    first.process.kill()
    assert first.process.wait(120) == -signal.SIGKILL


def test_a_warm_process_that_was_killed_takes_its_tasks_along_and_is_replaced(
    launcher: Launcher, start: Start
) -> None:
    launcher.preload([])
    first = start(SLEEP)
    os.kill(first.parent, signal.SIGKILL)
    assert first.process.wait(120) == -signal.SIGKILL
    until(lambda: not alive(first.pid))
    alone = start()
    assert alone.parent == os.getpid()
    assert alone.process.wait(120) == 0
    launcher.preload([])
    second = start()
    assert is_warm(second.parent)
    assert second.process.wait(120) == 0


def test_a_warm_process_imports_what_it_lacks_before_the_next_task(
    state_dir: Path, launcher: Launcher, start: Start
) -> None:
    note = state_dir / "fork_server" / "noted.pid"
    note.with_suffix(".py").write_text(
        f"import os, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid()))"
    )
    launcher.preload(["json"])
    first = start(SLEEP)
    assert not note.exists()
    launcher.preload(["json", "noted"])
    second = start()
    assert is_warm(first.parent)
    assert second.parent == first.parent == int(note.read_text())
    first.process.kill()
    assert first.process.wait(120) == -signal.SIGKILL


def test_no_process_is_warm_where_that_is_not_wanted(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPTOP_NO_FORK", "1")
    launcher = Launcher(
        TaskEnvironment(state_dir, "http://127.0.0.1:9", "token", "sc://127.0.0.1:9")
    )
    launcher.preload([])
    assert not (state_dir / "fork_server" / "fork_server.log").exists()
    launcher.close()

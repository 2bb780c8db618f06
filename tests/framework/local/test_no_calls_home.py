"""No command contacts another host, checked by all DNS look-ups or by all proxy requests."""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import copy_project
from tests.declared import ROOT
from tests.problem.instants import FIRST

MODULE = "tests.framework.local.test_no_calls_home"
RESOLVER = "/etc/resolv.conf"
CONTROL = "control.invalid"
UP = 0x1 | 0x8 | 0x40
NAMESPACE = ("unshare", "--map-root-user", "--net", "--mount")
JOBS = {"feature_refresh": "", "model_training": "policy_small", "batch_inference": "policy_small"}


def record_names(folder: Path) -> set[str]:
    """Answer each DNS look-up of this network namespace with 'no such name', and record it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", UP))
    own = folder / "resolv.conf"
    own.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", str(own), RESOLVER], check=True)
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 53))
    names: set[str] = set()

    def answer() -> None:
        while True:
            asked, peer = listener.recvfrom(4096)
            labels, at = [], 12
            while asked[at]:
                labels.append(asked[at + 1 : at + 1 + asked[at]].decode(errors="replace"))
                at += 1 + asked[at]
            names.add(".".join(labels))
            head = asked[:2] + b"\x81\x83" + asked[4:6] + bytes(6)
            listener.sendto(head + asked[12 : at + 5], peer)

    threading.Thread(target=answer, daemon=True).start()
    return names


def record_requests() -> set[str]:
    """Run a proxy for all commands that records the requested hosts and answers nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    names: set[str] = set()

    def answer() -> None:
        while True:
            client, _ = listener.accept()
            with client, suppress(OSError, IndexError):
                address = client.recv(4096).split()[1].decode(errors="replace")
                names.add(address.removeprefix("http://").split("/")[0].split(":")[0])

    threading.Thread(target=answer, daemon=True).start()
    proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ[name] = os.environ[name.upper()] = proxy
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"
    return names


def live(project: Path, home: Path) -> None:
    """Run the lifecycle as a user does, with an empty cache of uv."""
    # Variables of pytest and of CI would switch MLflow's telemetry off.
    unset = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    environment |= {"LAPTOP_HOME": str(home), "UV_CACHE_DIR": str(home.with_name("uv"))}
    laptop = [str(Path(sys.executable).with_name("laptop")), "-C", str(project)]

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [*laptop, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    ui = None
    try:
        exports = call("up")
        for job, policy in JOBS.items():
            more = f",policy={policy}" if policy else ""
            call("run", job, "--params", f"as_of={FIRST}{more}")
        for command in (["status"], ["report"], ["sql", "SELECT 1"]):
            call(*command)
        ask = ROOT / "examples" / "ask_endpoint.py"
        if ask.exists():
            there = dict(
                line.removeprefix("export ").split("=", 1) for line in exports.split("\n") if line
            )
            subprocess.run(
                [sys.executable, str(ask)], env={**environment, **there}, cwd=project, check=True
            )
        ui = subprocess.Popen([*laptop, "ui"], env=environment, stdout=subprocess.PIPE, text=True)
        assert ui.stdout is not None
        line = ui.stdout.readline()
        while "MLflow on " not in line:
            assert line, "laptop ui has ended"
            line = ui.stdout.readline()
        address = line.split("MLflow on ")[1].partition("#")[0]
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + 120
        while True:
            with suppress(OSError), direct.open(address, timeout=30) as page:
                assert b"<html" in page.read().lower()
                break
            assert time.monotonic() < deadline, "MLflow's pages do not answer"
            time.sleep(0.2)
    finally:
        if ui is not None:
            ui.send_signal(signal.SIGTERM)
            ui.wait(60)
        call("down")


def main() -> None:
    """Run the lifecycle, look up a control name, and print all requested names."""
    folder = Path(sys.argv[2])
    names = record_names(folder) if sys.argv[1] == "names" else record_requests()
    live(folder / "project", folder / "home")
    # From a separate process, like the commands.
    subprocess.run(
        [sys.executable, "-c", f"import urllib.request as u; u.urlopen('http://{CONTROL}')"],
        capture_output=True,
        check=False,
    )
    print("asked:", *sorted(names))


def may_have_namespace() -> bool:
    """Return whether this machine allows a network namespace."""
    if shutil.which("unshare") is None:
        return False
    there = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    return there.returncode == 0


@pytest.mark.nightly
def test_lifecycle_asks_for_no_other_host(tmp_path: Path) -> None:
    copy_project(tmp_path / "project")
    names = may_have_namespace()
    command = [sys.executable, "-m", MODULE, "names" if names else "requests", str(tmp_path)]
    done = subprocess.run(
        [*(NAMESPACE if names else ()), *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The control shows that look-ups are recorded.
    assert done.stdout.splitlines()[-1].split() == ["asked:", CONTROL]


if __name__ == "__main__":
    main()

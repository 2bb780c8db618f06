"""A complete roll-out and rollback under load by eight clients without failed requests."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from laptop import connection
from laptop.traffic import read_bodies
from scipy.stats import binom

from flight_delays.problem import PROBLEM

from .rolling import ENDPOINT, faults, register, roll_back, roll_out, shares
from tests.conftest import SCHEMA, Laptop, open_copy

CLIENTS, ROWS = 8, 3
# Added to the version's predictions, to distinguish them from the Champion's.
SHIFT = 0.001
# A correct split is outside its bounds once in a million.
ALPHA = 1e-6
pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def laptop(trained_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with open_copy(trained_state, tmp_path_factory.mktemp("load")) as laptop:
        yield laptop


@dataclass(frozen=True)
class Answered:
    """A request with times, served entity, status and response."""

    sent: float
    answered: float
    entity: str
    status: int
    text: str


@dataclass
class Load:
    """Clients that send the same rows to the endpoint, one request after the other."""

    laptop: Laptop
    answered: list[Answered] = field(default_factory=list)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Run the clients within the context."""
        there = connection.find(self.laptop.home)
        assert there is not None
        table = f"{SCHEMA}.{PROBLEM.spine.source}"
        single = read_bodies(there, self.laptop.home, ENDPOINT, None, table)[:ROWS]
        rows = [row for body in single for row in json.loads(body)["dataframe_records"]]
        body = json.dumps({"dataframe_records": rows})
        headers = {"Authorization": f"Bearer {there.token}", "Content-Type": "application/json"}
        done = threading.Event()

        def ask() -> None:
            while not done.wait(0.05):
                client = http.client.HTTPConnection("127.0.0.1", there.port, timeout=60)
                sent = time.time()
                try:
                    client.request(
                        "POST", f"/serving-endpoints/{ENDPOINT}/invocations", body, headers
                    )
                    answer = client.getresponse()
                    text = answer.read().decode()
                    entity = answer.getheader("served-model-name") or ""
                    found = Answered(sent, time.time(), entity, answer.status, text)
                except OSError as error:
                    found = Answered(sent, time.time(), "", 0, str(error))
                finally:
                    client.close()
                self.answered.append(found)

        threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join()

    def wait(self) -> float:
        """Wait until some requests sent from now on are answered, and return the time."""
        now = time.time()
        while len(self.between(now, time.time())) < 2 * CLIENTS:
            time.sleep(0.05)
        return time.time()

    def between(self, begin: float, end: float) -> list[str]:
        """Return the served entities of the requests sent and answered within a time span."""
        return [each.entity for each in self.answered if begin < each.sent and each.answered < end]


# After the version is checked, and before it gets traffic.
SHIFTED = """
admit = rollout.add_challenger
def shifted(*arguments):
    admit(*arguments)
    Path({file!r}).write_text("{version}: {{shift: {shift}}}")
rollout.add_challenger = shifted
"""
# Prints the start and end of each split.
TIMED = """
import time
split, begin = rollout.split, rollout.begin
def timed_split(pair, percent, *arguments):
    split(pair, percent, *arguments)
    print("SPLIT", percent, time.time())
def timed_begin(*arguments):
    print("NEXT", time.time())
    return begin(*arguments)
rollout.split, rollout.begin = timed_split, timed_begin
"""


def test_no_request_is_lost_and_no_answer_mixes_versions(laptop: Laptop) -> None:
    version = register(laptop)
    shift = SHIFTED.format(file=str(faults(laptop)), version=version, shift=SHIFT)
    load = Load(laptop)
    with load.on():
        began = load.wait()
        printed = roll_out(laptop, "import time; time.sleep(1)", before=shift + TIMED)
        ended = time.time()
        assert shares(laptop) == {version: 100}
        going_back = load.wait()
        roll_back(laptop, "--reason=trial")
        back = time.time()
        assert shares(laptop) == {"1": 100}
        load.wait()

    assert {each.status for each in load.answered} == {200}
    names = {"1": "dev_laptop_model-1", version: f"dev_laptop_model-{version}"}
    assert {each.entity for each in load.answered} == set(names.values())
    # In each response, all rows are from the named version.
    answers = {
        name: {each.text for each in load.answered if each.entity == name}
        for name in names.values()
    }
    ((old,), (new,)) = (map(json.loads, answers[name]) for name in names.values())
    moved = [before + SHIFT for before in old["predictions"]]
    assert new["predictions"] == pytest.approx(moved, abs=1e-9)
    assert len(moved) == ROWS

    for percent, count, of in count_splits(printed, load, names[version]):
        assert of >= 50
        low, high = binom.ppf([ALPHA / 2, 1 - ALPHA / 2], of, percent / 100)
        assert low <= count <= high, f"{count} of {of} at {percent} %"
    assert set(load.between(0, began)) == {names["1"]}
    assert set(load.between(ended, going_back)) == {names[version]}
    assert set(load.between(back, time.time())) == {names["1"]}


def count_splits(printed: str, load: Load, name: str) -> list[tuple[int, int, int]]:
    """Return for each split the version's number of requests, and the total."""
    found: dict[int, tuple[float, float]] = {}
    percent = 0
    for words in map(str.split, printed.splitlines()):
        if words[:1] == ["SPLIT"]:
            percent = int(words[1])
            found.setdefault(percent, (float(words[2]), float(words[2])))
        elif words[:1] == ["NEXT"] and percent:
            found[percent] = (found[percent][0], float(words[1]))
    assert list(found) == [5, 25, 50]
    counted = [(percent, load.between(*span)) for percent, span in found.items()]
    print([(percent, each.count(name), len(each)) for percent, each in counted])
    return [(percent, each.count(name), len(each)) for percent, each in counted]

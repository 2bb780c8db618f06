"""Tasks of monitoring are killed after each write, as by `kill -9`, and retried."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cut_off import cut_each
from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

LOG = f"{SCHEMA}.inference_log"
BASELINE = f"{LOG}_baseline"
PROFILE = f"{LOG}_labelled_profile_metrics"
MEASURED = "`window`, log_type, model_version, slice_key, slice_value, column_name"
HEALTH = f"{SCHEMA}.model_health"
RUN = "77"
COMMON = ["--model=" + MODEL, "--target=" + SCHEMA]
EVERY = pytest.param("", id="every write")
pytestmark = pytest.mark.nightly

MONITOR = f"""
from databricks.sdk import WorkspaceClient
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.monitor import delete_monitor
from flight_delays.tasks import monitor

delete_monitor(WorkspaceClient(), "{LOG}_labelled")
{{before}}
monitor.run(monitor.MonitorParameters.parse([*{COMMON!r}, "--policy=policy_small"]), Lakehouse())
"""
# Long after the training of the model.
ASSESS = f"""
from datetime import UTC, datetime, timedelta
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import assess

lakehouse = Lakehouse()
lakehouse.set_task_value = lambda key, value: print(key, "=", value)
jobs = lakehouse.workspace.jobs.list()
training = next(job.job_id for job in jobs if job.settings.name.endswith("model_training"))
{{before}}
assess.run(assess.AssessParameters.parse([
    *{COMMON!r}, "--source={SCHEMA}", "--as_of={FIRST}", "--job_run={RUN}",
    f"--assessed_at={{{{datetime.now(UTC) + timedelta(days=5)}}}}",
    f"--training_job={{{{training}}}}",
]), lakehouse)
"""
BEGUN = "assess.read_trainings = lambda *_: (1, None)"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with confident but wrong predictions."""
    with open_copy(trained_state, tmp_path_factory.mktemp("cut")) as laptop:
        done = laptop.run("monitoring", FIRST, "--only", "collect")
        assert done.returncode == 0, done.stdout + done.stderr
        laptop.sql(f"UPDATE {LOG}_labelled SET score = 1 - score")
        yield laptop


def count(laptop: Laptop, table: str, key: str) -> tuple[int, int]:
    """Return the numbers of rows and keys of a table."""
    (found,) = laptop.sql(f"SELECT count(*) AS n, count(DISTINCT {key}) AS keys FROM {table}")
    return found["n"], found["keys"]


@pytest.mark.parametrize("after", ["create_monitor", EVERY])
def test_log_is_measured_once_by_the_next_run(collected: Laptop, after: str) -> None:
    logged = count(collected, LOG, "row_id")

    def act(before: str) -> str:
        collected.sql(f"DELETE FROM {BASELINE}")
        return collected.execute(MONITOR.format(before=before))

    for _ in cut_each(act, after, least=6):
        collected.execute(MONITOR.format(before=""))
        assert count(collected, LOG, "row_id") == logged
        rows, keys = count(collected, BASELINE, "row_id")
        assert rows == keys > 1000
        rows, keys = count(collected, PROFILE, f"to_json(struct({MEASURED}))")
        assert rows == keys > 0


@pytest.mark.parametrize("after", ["INSERT", EVERY])
def test_training_is_asked_for_until_it_has_begun_and_the_verdict_stays(
    collected: Laptop, after: str
) -> None:
    def act(before: str) -> str:
        collected.sql(f"DELETE FROM {HEALTH}")
        return collected.execute(ASSESS.format(before=before))

    def read() -> list[tuple[str, str]]:
        rows = collected.sql(f"SELECT job_run, verdict FROM {HEALTH}")
        return [(row["job_run"], row["verdict"]) for row in rows]

    for _ in cut_each(act, after, least=1):
        assert "retrain = true" in collected.execute(ASSESS.format(before=""))
        assert read() == [(RUN, "Retrain")]
        # As in a repair of the whole run.
        again = collected.execute(ASSESS.format(before=BEGUN))
        assert "retrain = false" in again
        assert "verdict = Retrain" in again
        assert read() == [(RUN, "Retrain")]

"""Task: assess the Champion, and request a training if that helps."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from databricks.sdk import WorkspaceClient

from ..config.monitoring import Kind, MonitoringPolicy, Rule, load_monitoring
from ..config.serving import load_serving
from ..lakehouse.context import Lakehouse
from ..lakehouse.measurements import (
    Windows,
    measure_quality,
    measure_requests,
    measure_volume,
    read_drift,
    read_micros,
    read_profile,
    with_rows,
)
from ..lakehouse.payload_log import find_payload_tables, has_requests, read_outcomes
from ..lakehouse.registry import read_aliases
from ..lakehouse.results import HEALTH, create_results, read_verdict, write_health
from ..monitoring.assess import assess
from ..monitoring.signals import Window, list_signals
from ..monitoring.verdicts import Retrain, Verdict
from ..problem import PROBLEM
from ..promotion.decide import CHAMPION
from ..spec.inference_log import (
    BATCH,
    ENDPOINT,
    LABELLED,
    LOG,
    REJECTED,
    STREAM,
    STREAM_PREDICTIONS,
)
from .freshness import DAYS, measure_ages, measure_skew
from .parameters import FullName, Instant, Name, Parameters, SchemaName, in_schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Fits into a task value, a tag and a job parameter.
LONGEST_REASON = 900
# All versions together, in the metric tables.
ALL_VERSIONS = "*"


class AssessParameters(Parameters):
    """Parameters of the assess task."""

    model: FullName
    source: SchemaName
    target: SchemaName
    as_of: Instant
    assessed_at: Instant
    training_job: int
    job_run: Name


def run(parameters: AssessParameters, lakehouse: Lakehouse) -> None:
    """Measure all signals, decide, and write the verdict to its table and to task values.

    Idempotent: a repaired run keeps its verdict if the training has started, and starts no other.
    """
    champion = read_aliases(lakehouse.registry, parameters.model).get(CHAMPION)
    if champion is None:
        print(f"{parameters.model} has no {CHAMPION} yet: nothing is assessed. Run model_training.")
        leave(lakehouse, retrain=False, reason=f"no {CHAMPION} yet")
        return
    spark, now = lakehouse.spark, parameters.assessed_at
    health = in_schema(parameters.target, HEALTH)
    create_results(spark, partial(in_schema, parameters.target))
    active, last = read_trainings(lakehouse.workspace, parameters.training_job)
    before = read_verdict(spark, health, parameters.job_run)
    if before and before[0] == Retrain.label and (active or (last and last >= before[2])):
        print(f"{Retrain.label}, as this run decided before; the training has started.")
        lakehouse.set_task_value("verdict", Retrain.label)
        leave(lakehouse, retrain=False, reason=before[1])
        return
    policy = load_monitoring("monitoring", PROBLEM.model_type)
    since = find_reach(policy, now)
    requests = read_requests(parameters.target, since, lakehouse)
    log = in_schema(parameters.target, LOG)
    skew = measure_skew(log, parameters.source, policy, now, lakehouse)
    # With few requests, missing signals of the endpoint are expected.
    errors, _ = measure_requests(requests, policy.windows.granularity)
    has_endpoint = load_serving().endpoint and has_enough(errors, policy.signals.errors, policy)
    sources = [BATCH]
    if has_endpoint:
        sources.append(ENDPOINT)
    if spark.catalog.tableExists(in_schema(parameters.target, STREAM_PREDICTIONS)):
        sources.append(STREAM)
    expected = list_signals(
        policy,
        PROBLEM.model_type,
        numerical=PROBLEM.numerical_columns,
        categorical=PROBLEM.categorical_columns,
        tables=[table.name for table in PROBLEM.feature_tables],
        endpoint=has_endpoint,
        online=load_serving().endpoint,
        compared=has_enough(skew, policy.signals.skew, policy),
        sources=sources,
    )
    measured = {
        **measure(parameters, str(champion), policy, since, requests, lakehouse),
        **measure_ages(parameters.source, parameters.as_of, now, lakehouse),
        ("skew", "share", ""): skew,
    }
    signals = [
        replace(signal, windows=measured.get((signal.kind, signal.statistic, signal.subject), ()))
        for signal in expected
    ]
    verdict = assess(
        signals,
        policy,
        expected=expected,
        now=now,
        active_trainings=active,
        last_training=last,
        model_since=read_start(parameters.model, champion, log, lakehouse),
    )
    ends = [window for each in measured.values() for window in each]
    newest = max(ends, key=lambda window: window.end, default=None)
    write_health(
        spark,
        health,
        verdict,
        model=parameters.model,
        version=champion,
        assessed_at=now,
        window=(newest.start, newest.end) if newest else None,
        job_run=parameters.job_run,
    )
    print_verdict(verdict)
    lakehouse.set_task_value("verdict", verdict.label)
    leave(lakehouse, retrain=isinstance(verdict, Retrain), reason=verdict.reason)


def leave(lakehouse: Lakehouse, *, retrain: bool, reason: str) -> None:
    """Set the task values: whether to start a training, and why."""
    lakehouse.set_task_value("retrain", "true" if retrain else "false")
    lakehouse.set_task_value("reason", reason[:LONGEST_REASON])


def measure(
    parameters: AssessParameters,
    version: str,
    policy: MonitoringPolicy,
    since: datetime,
    requests: pd.DataFrame,
    lakehouse: Lakehouse,
) -> Mapping[tuple[Kind, str, str], Windows]:
    """Return the windows of each signal, by kind, statistic and subject."""
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    rules, granularity = policy.signals, policy.windows.granularity
    labelled = qualify(LABELLED)
    found: dict[tuple[Kind, str, str], Windows] = {}
    profile, drift = f"{labelled}_profile_metrics", f"{labelled}_drift_metrics"
    # Features do not depend on the version: by version, each training would leave a part of a week,
    # with other weekdays. Scores do.
    nulls, rows = read_profile(spark, profile, ALL_VERSIONS, granularity, PROBLEM.feature_columns)
    found |= {("nulls", "share", name): with_rows(each, rows) for name, each in nulls.items()}
    statistics: dict[str, tuple[Kind, str]] = {}
    if rules.numerical_drift:
        by: tuple[Kind, str] = ("numerical_drift", rules.numerical_drift.statistic)
        statistics |= dict.fromkeys(PROBLEM.numerical_columns, by)
    if rules.categorical_drift:
        by = ("categorical_drift", rules.categorical_drift.statistic)
        statistics |= dict.fromkeys(PROBLEM.categorical_columns, by)
    wanted = {name: statistic for name, (_, statistic) in statistics.items()}
    for name, windows in read_drift(spark, drift, ALL_VERSIONS, granularity, wanted).items():
        if name in statistics:
            found[(*statistics[name], name)] = with_rows(windows, rows)
    if rules.score_drift:
        score = rules.score_drift.statistic
        _, rows = read_profile(spark, profile, version, granularity, ())
        windows = read_drift(spark, drift, version, granularity, {"score": score}).get("score", ())
        found["score_drift", score, ""] = with_rows(windows, rows)
    logged = read_log(spark, labelled, since)
    quality = measure_quality(
        logged[logged["model_version"] == version],
        PROBLEM.model_type,
        rules.quality,
        granularity=granularity,
        known_until=parameters.as_of - PROBLEM.label_maturity,
    )
    found |= {("quality", metric, ""): windows for metric, windows in quality.items()}
    found["volume", "ratio", ""] = measure_volume(logged, granularity)
    errors, latency = measure_requests(requests, granularity)
    found["errors", "share", ""], found["latency", "p95", ""] = errors, latency
    silence = measure_silence(spark, qualify(LOG), parameters.assessed_at)
    return {**found, **silence}


def measure_silence(
    spark: "SparkSession", log: str, now: datetime
) -> Mapping[tuple[Kind, str, str], Windows]:
    """Return the hours since the newest row of each source of the log, as one window."""
    rows = spark.sql(
        f"SELECT source, unix_micros(max(scored_at)) AS newest FROM {log} GROUP BY source"
    ).collect()
    found: dict[tuple[Kind, str, str], Windows] = {}
    for row in rows:
        newest = min(read_micros(row.newest), now)
        hours = (now - newest).total_seconds() / 3600
        window = Window(start=newest, end=now, rows=1, value=hours)
        found["silence", "hours", row.source] = (window,)
    return found


def find_reach(policy: MonitoringPolicy, now: datetime) -> datetime:
    """Return the start of the judged windows, with time for labels to become known."""
    days = DAYS[policy.windows.granularity]
    reach = pd.Timedelta(days=days * policy.most_windows) + PROBLEM.label_maturity
    since: datetime = (pd.Timestamp(now) - reach).floor("D").to_pydatetime()
    return since


def read_log(spark: "SparkSession", table: str, since: datetime) -> pd.DataFrame:
    """Return the log's columns for quality and volume, from an instant on."""
    rows: pd.DataFrame = spark.sql(
        f"SELECT scored_at, {PROBLEM.spine.decision_at} AS decision_at, score, "
        f"CAST(label AS DOUBLE) AS label, model_version FROM {table} "
        f"WHERE scored_at >= TIMESTAMP '{since.isoformat()}'"
    ).toPandas()
    for column in ("scored_at", "decision_at"):
        rows[column] = pd.to_datetime(rows[column], utc=True)
    return rows


def read_requests(schema: str, since: datetime, lakehouse: Lakehouse) -> pd.DataFrame:
    """Return time, latency and failure of the endpoint's requests; empty if none was logged."""
    rows = [pd.DataFrame(columns=["scored_at", "failed", "execution_duration_ms"])]
    for table in find_payload_tables(lakehouse.workspace, schema):
        if has_requests(lakehouse.spark, table):
            rejected = in_schema(schema, REJECTED)
            rows.append(read_outcomes(lakehouse.spark, table, since, rejected=rejected))
    return pd.concat([each for each in rows if len(each)] or rows, ignore_index=True)


def has_enough(windows: Windows, rule: Rule | None, policy: MonitoringPolicy) -> bool:
    """Return whether a window has enough rows to be judged."""
    least = (rule and rule.min_rows) or policy.windows.min_rows
    return any(window.rows >= least for window in windows)


def read_trainings(workspace: WorkspaceClient, job: int) -> tuple[int, datetime | None]:
    """Return how many trainings are running or queued, and when the last one began."""
    active = sum(1 for _ in workspace.jobs.list_runs(job_id=job, active_only=True))
    newest = next(iter(workspace.jobs.list_runs(job_id=job, limit=1)), None)
    if newest is None or not newest.start_time:
        return active, None
    return active, datetime.fromtimestamp(newest.start_time / 1000, UTC)


def read_start(model: str, version: int, log: str, lakehouse: Lakehouse) -> datetime:
    """Return since when a version is in use: registered, and the only one used by batch."""
    made = lakehouse.registry.get_model_version(model, str(version)).creation_timestamp
    registered = datetime.fromtimestamp(made / 1000, UTC)
    row = lakehouse.spark.sql(
        f"SELECT unix_micros(max(scored_at)) AS latest FROM {log} "
        f"WHERE source = '{BATCH}' AND model_version <> '{version}'"
    ).first()
    latest = row and row.latest
    return max(registered, read_micros(latest)) if latest else registered


def print_verdict(verdict: Verdict) -> None:
    """Print the verdict, the signals outside their limits, and the number within."""
    print(f"{verdict.label}: {verdict.reason}")
    for figure in verdict.figures:
        if figure.state not in ("within", "waiting"):
            print(f"{figure.state} {figure.signal}: {figure.detail}")
    fine = sum(figure.state == "within" for figure in verdict.figures)
    print(f"{fine} of {len(verdict.figures)} signals are within their limits")


def main() -> None:
    """Run the task from its command line."""
    run(AssessParameters.parse(), Lakehouse())

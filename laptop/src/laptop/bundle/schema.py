"""The part of the CLI's bundle schema that the laptop reads.

Resource and task types that the laptop does not read are kept unchanged.
"""

from .schema_types import ANYTHING, FLAG, NUMBER, TEXT, ListOf, MapOf, Record, Shape, choose

_TEXTS, _DICTIONARY = ListOf(TEXT), MapOf(TEXT)


def _record(
    texts: str = "",
    *,
    numbers: str = "",
    flags: str = "",
    lists: str = "",
    opaque: str = "",
    **fields: Shape,
) -> Record:
    """Create a record from field names; required ones end with a star."""
    kinds = ((texts, TEXT), (numbers, NUMBER), (flags, FLAG), (lists, _TEXTS), (opaque, ANYTHING))
    named = {name: kind for names, kind in kinds for name in names.split()}
    required = frozenset(name[:-1] for name in named if name.endswith("*"))
    return Record({name.rstrip("*"): kind for name, kind in named.items()} | fields, required)


def _extend(record: Record, **fields: Shape) -> Record:
    return Record({**record.fields, **fields}, record.required)


_PAUSE = choose("PAUSED UNPAUSED")
_SOURCE = choose("WORKSPACE GIT")
_RUN_AS = _record("user_name group_name service_principal_name")
_PERMISSIONS = ListOf(_extend(_record("level*"), **_RUN_AS.fields))
_LIFECYCLE = _record(flags="prevent_destroy")
_CLUSTER = "cluster_id compute_id"
_GRANTS = ListOf(_record("principal*", lists="privileges*"))
_EVENTS = (
    "on_start on_success on_failure on_duration_warning_threshold_exceeded "
    "on_streaming_backlog_exceeded"
)
_QUIET = "no_alert_for_canceled_runs no_alert_for_skipped_runs"
_WAITS = "min_time_between_triggers_seconds wait_after_last_change_seconds"
_NOTIFIED = Record(
    {
        "email_notifications": _record(lists=_EVENTS, flags="no_alert_for_skipped_runs"),
        "webhook_notifications": Record(
            {event: ListOf(_record("id*")) for event in _EVENTS.split()}
        ),
        "health": _record(rules=ListOf(_record("metric* op*", numbers="value*"))),
    }
)

_INNER_TASK = _extend(
    _record(
        "task_key* description environment_key job_cluster_key existing_cluster_id",
        numbers="max_retries min_retry_interval_millis timeout_seconds",
        flags="disabled disable_auto_optimization retry_on_timeout",
        opaque="new_cluster ai_runtime_task alert_task clean_rooms_notebook_task dashboard_task "
        "dbt_task pipeline_task power_bi_task spark_jar_task",
    ),
    **_NOTIFIED.fields,
    run_if=choose(
        "ALL_SUCCESS ALL_DONE NONE_FAILED AT_LEAST_ONE_SUCCESS ALL_FAILED AT_LEAST_ONE_FAILED"
    ),
    notification_settings=_record(flags=f"alert_on_last_attempt {_QUIET}"),
    depends_on=ListOf(_record("task_key* outcome")),
    libraries=ListOf(_record("whl jar requirements", opaque="pypi maven cran")),
    python_wheel_task=_record(
        "package_name* entry_point*", lists="parameters", named_parameters=_DICTIONARY
    ),
    spark_python_task=_record("python_file*", lists="parameters", source=_SOURCE),
    notebook_task=_record(
        "notebook_path* warehouse_id", base_parameters=_DICTIONARY, source=_SOURCE
    ),
    sql_task=_record(
        "warehouse_id*",
        opaque="query alert dashboard",
        parameters=_DICTIONARY,
        file=_record("path*", source=_SOURCE),
    ),
    condition_task=_record(
        "left* op* right*",
        op=choose(
            "EQUAL_TO NOT_EQUAL GREATER_THAN GREATER_THAN_OR_EQUAL LESS_THAN LESS_THAN_OR_EQUAL"
        ),
    ),
    run_job_task=_record(numbers="job_id*", job_parameters=_DICTIONARY),
)
_TASK = _extend(
    _INNER_TASK,
    for_each_task=_record("inputs*", numbers="concurrency", opaque="task*", task=_INNER_TASK),
)
_ENVIRONMENT = _record(
    "environment_version base_environment client", lists="dependencies java_dependencies"
)
_TRIGGER = _record(
    pause_status=_PAUSE,
    periodic=_record("unit*", numbers="interval*", unit=choose("MINUTES HOURS DAYS WEEKS")),
    file_arrival=_record("url*", numbers=_WAITS),
    table_update=_record(
        numbers=_WAITS, lists="table_names*", condition=choose("ANY_UPDATED ALL_UPDATED")
    ),
)
_JOB = _extend(
    _record(
        "name description parent_path budget_policy_id usage_policy_id",
        numbers="max_concurrent_runs timeout_seconds",
        opaque="git_source",
    ),
    **_NOTIFIED.fields,
    notification_settings=_record(flags=_QUIET),
    tags=_DICTIONARY,
    tasks=ListOf(_TASK),
    parameters=ListOf(_record("name* default*")),
    environments=ListOf(_record("environment_key*", spec=_ENVIRONMENT)),
    job_clusters=ListOf(ANYTHING),
    queue=_record(flags="enabled*"),
    schedule=_record("quartz_cron_expression* timezone_id*", pause_status=_PAUSE),
    continuous=_record(pause_status=_PAUSE, task_retry_mode=choose("NEVER ON_FAILURE")),
    trigger=_TRIGGER,
    performance_target=choose("STANDARD PERFORMANCE_OPTIMIZED"),
    run_as=_RUN_AS,
    permissions=_PERMISSIONS,
    lifecycle=_LIFECYCLE,
)
_SCHEMA = _record(
    "catalog_name* name* comment storage_root",
    numbers="custom_max_retention_hours",
    properties=_DICTIONARY,
    grants=_GRANTS,
    lifecycle=_LIFECYCLE,
)
_REGISTERED_MODEL = _record(
    "catalog_name* schema_name* name* comment storage_location",
    grants=_GRANTS,
    lifecycle=_LIFECYCLE,
)
_VOLUME = _extend(_REGISTERED_MODEL, volume_type=choose("MANAGED EXTERNAL"))
_EXPERIMENT = _record(
    "name* artifact_location",
    opaque="trace_location",
    tags=ListOf(_record("key value")),
    permissions=_PERMISSIONS,
    lifecycle=_LIFECYCLE,
)
_OPERAND = _record(
    "name* display",
    aggregation=choose("AVG COUNT COUNT_DISTINCT MAX MEDIAN MIN STDDEV SUM"),
)
_STATES = choose("ERROR OK TRIGGERED UNKNOWN")
_ALERT = _extend(
    _record(
        "display_name* query_text* warehouse_id* custom_description custom_summary file_path "
        "parent_path run_as_user_name",
        opaque="parameters custom_template_format",
    ),
    evaluation=Record(
        {
            "source": _OPERAND,
            "comparison_operator": choose(
                "EQUAL GREATER_THAN GREATER_THAN_OR_EQUAL IS_NOT_NULL IS_NULL LESS_THAN "
                "LESS_THAN_OR_EQUAL NOT_EQUAL"
            ),
            "empty_result_state": _STATES,
            "threshold": _record(
                column=_OPERAND,
                value=_record("string_value", flags="bool_value", opaque="double_value"),
            ),
            "notification": _record(
                numbers="retrigger_seconds",
                flags="notify_on_ok",
                subscriptions=ListOf(_record("user_email destination_id")),
            ),
        },
        frozenset({"source", "comparison_operator"}),
    ),
    schedule=_record("quartz_cron_schedule* timezone_id*", pause_status=_PAUSE),
    run_as=_record("user_name service_principal_name"),
    permissions=_PERMISSIONS,
    lifecycle=_LIFECYCLE,
)
_DASHBOARD = _extend(
    _record(
        "display_name* warehouse_id* parent_path file_path dataset_catalog dataset_schema",
        flags="embed_credentials",
        opaque="serialized_dashboard",
    ),
    permissions=_PERMISSIONS,
    lifecycle=_LIFECYCLE,
)
_CARRIED = (
    "apps catalogs clusters database_catalogs database_instances "
    "external_locations genie_spaces instance_pools job_runs model_serving_endpoints models "
    "pipelines postgres_branches postgres_catalogs postgres_databases postgres_endpoints "
    "postgres_projects postgres_roles postgres_synced_tables quality_monitors secret_scopes "
    "secrets sql_warehouses synced_database_tables vector_search_endpoints vector_search_indexes"
)
RESOURCES = Record(
    {
        **dict.fromkeys(_CARRIED.split(), MapOf(ANYTHING)),
        "alerts": MapOf(_ALERT),
        "dashboards": MapOf(_DASHBOARD),
        "experiments": MapOf(_EXPERIMENT),
        "jobs": MapOf(_JOB),
        "registered_models": MapOf(_REGISTERED_MODEL),
        "schemas": MapOf(_SCHEMA),
        "volumes": MapOf(_VOLUME),
    }
)

_GIT = _record("branch origin_url")
_BUNDLE = _record(
    f"name uuid databricks_cli_version {_CLUSTER}",
    engine=choose("direct terraform", strict=True),
    git=_GIT,
    deployment=_record(flags="fail_on_active_runs", lock=_record(flags="enabled force")),
)
BUNDLE_FACTS = _extend(
    _BUNDLE,
    git=_record("branch origin_url commit actual_branch bundle_root_path"),
    target=TEXT,
    mode=TEXT,
)
"""What a reference may ask of the bundle: its settings, and what is found out about it."""

_USER = _record(
    "userName short_name domain_friendly_name displayName id externalId",
    opaque="active emails entitlements groups name roles schemas",
)
WORKSPACE = _record(
    "host profile auth_type root_path file_path artifact_path state_path resource_path account_id "
    "workspace_id client_id azure_workspace_resource_id azure_client_id azure_tenant_id "
    "azure_environment azure_login_app_id google_service_account",
    flags="azure_use_msi experimental_is_unified_host",
    current_user=_USER,
)
_PRESETS = _record(
    "name_prefix",
    numbers="jobs_max_concurrent_runs",
    flags="pipelines_development source_linked_deployment artifacts_dynamic_version",
    tags=_DICTIONARY,
    trigger_pause_status=_PAUSE,
)
_ARTIFACT = _record(
    "build path executable",
    flags="dynamic_version",
    type=choose("whl jar"),
    files=ListOf(_record("source*")),
)
_SHARED = _record(
    artifacts=MapOf(_ARTIFACT),
    bundle=_BUNDLE,
    permissions=_PERMISSIONS,
    presets=_PRESETS,
    resources=RESOURCES,
    run_as=_RUN_AS,
    sync=_record(lists="paths include exclude"),
    variables=MapOf(_record("description", opaque="default lookup", type=choose("complex"))),
    workspace=WORKSPACE,
)
_MODE = choose("development production", strict=True)
_TARGET = _extend(_SHARED, **_record(_CLUSTER, flags="default").fields, git=_GIT, mode=_MODE)
ROOT = _extend(
    _SHARED,
    experimental=_record(
        flags="python_wheel_wrapper record_deployment_history skip_artifact_cleanup "
        "skip_name_prefix_for_schema use_legacy_run_as",
        opaque="python pydabs",
        scripts=MapOf(TEXT),
    ),
    python=ANYTHING,
    include=_TEXTS,
    scripts=MapOf(_record("content*", env=_DICTIONARY)),
    targets=MapOf(_TARGET),
)

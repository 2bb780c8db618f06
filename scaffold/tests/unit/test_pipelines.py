"""CI runs the same commands in each dialect, and identities stay where they belong."""

import itertools
import re

import pytest

from scaffold.tests.pipelines import (
    COMMANDS,
    FOLDER,
    JOBS,
    MAIN,
    MONOREPO,
    NAME,
    ORDER,
    PARTS,
    PREFIX,
    READERS,
    RELEASE,
    TEXTS,
    Job,
)

INSTALLER = "https://raw.githubusercontent.com/databricks/setup-cli"
# What a dialect runs beside the commands, to the letter: it names branch or folder, and reports.
BESIDE = {
    "github": (
        'gh pr comment "$PULL_REQUEST" --edit-last --create-if-none '
        "--body-file reports/integration.md",
        f'gh issue create --title "Staging of {NAME} did not pass at $GITHUB_SHA" '
        '--body "$RUN_URL"',
        'cat reports/integration.md >> "$GITHUB_STEP_SUMMARY"',
    ),
    "azure": (
        'git switch -C "${BUILD_SOURCEBRANCH#refs/heads/}"',
        'echo "##vso[task.uploadsummary]$PWD/reports/integration.md"',
    ),
    "gitlab": ('git switch -C "$CI_COMMIT_BRANCH"', f"cd {FOLDER}"),
}
# Every change of the project, as a dialect's filters write it, and what else starts it.
CHANGED = {"github": f"{NAME}/**", "azure": f"{NAME}/**", "gitlab": f"{NAME}/**/*"}
WORKFLOW = re.compile(rf"\.github/workflows/{NAME}\.[\w*]+\.yml")
NOT_FROM_A_FORK = {
    "github": "github.event.pull_request.head.repo.full_name == github.repository",
    "azure": "ne(variables['System.PullRequest.IsFork'], 'True')",
    "gitlab": "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID",
}
# What a platform's own agents give a job at most, where they are paid for.
MOST_MINUTES = {"github": 360, "azure": 360, "gitlab": 180}
# Free agents of Azure for private projects; and what the jobs of a first endpoint may take.
AGENT_MINUTES, ENDPOINT_MINUTES = 60, 150
AUTH = {"github": "github-oidc", "azure": "azure-devops-oidc", "gitlab": "env-oidc"}

each_job = pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.dialect}-{job.name}")
each_dialect = pytest.mark.parametrize("dialect", READERS)
each_text = pytest.mark.parametrize("name", TEXTS)


def select(dialect: str, occasion: str) -> list[Job]:
    return [job for job in JOBS if job.dialect == dialect and occasion in job.occasions]


@each_dialect
@pytest.mark.parametrize("occasion", ORDER)
def test_an_occasion_runs_its_commands_in_their_order(dialect: str, occasion: str) -> None:
    jobs = [job for job in select(dialect, occasion) if job.commands()]
    commands = [PARTS.get(command, command) for job in jobs for command in job.commands()]
    assert tuple(command for command, _ in itertools.groupby(commands)) == ORDER[occasion]
    for before, job in itertools.pairwise(jobs):
        assert job.after is None or before.name in job.after


@each_job
def test_steps_hold_no_logic_of_their_own(job: Job) -> None:
    installs = re.compile(rf"curl -fsSL {INSTALLER}/[0-9a-f]{{40}}/install\.sh \| (sudo )?sh")
    allowed = {*COMMANDS, *BESIDE[job.dialect], ""}
    strange = [s.command for s in job.steps if s.command not in allowed]
    assert [command for command in strange if not installs.fullmatch(command)] == []


@each_job
def test_a_change_of_the_project_and_no_other_starts_a_job(job: Job) -> None:
    assert job.filters
    for paths in job.filters:
        own = [path for path in paths if not WORKFLOW.fullmatch(path)]
        assert own == ([CHANGED[job.dialect]] if MONOREPO else [])


@each_job
def test_a_job_works_in_the_folder_of_the_project(job: Job) -> None:
    assert {step.folder for step in job.steps if step.command in COMMANDS} <= {FOLDER}
    if MONOREPO:
        assert [path for path in job.files if not f"{path}/".startswith(f"{FOLDER}/")] == []


@each_job
def test_no_lock_holds_up_another_project(job: Job) -> None:
    if job.dialect == "github":
        # The workflow's name is in it, which no two projects share.
        assert job.lock is None or job.lock.startswith("${{ github.workflow }}")
    else:
        assert job.lock is None or job.lock.startswith(PREFIX)


@each_job
def test_every_job_ends_in_time(job: Job) -> None:
    assert 0 < job.minutes <= MOST_MINUTES[job.dialect]


@each_dialect
@pytest.mark.parametrize("occasion", ["pull request", "push", "nightly"])
def test_integration_has_the_time_that_an_endpoint_takes(dialect: str, occasion: str) -> None:
    (first, called), *rest = [
        (job, command)
        for job in select(dialect, occasion)
        for command in job.commands()
        if command.startswith("make integration")
    ]
    if not rest:
        assert first.minutes >= ENDPOINT_MINUTES
        return
    # The first job ends by itself, before the shortest-lived agent does; the second waits on.
    ((second, resumed),) = rest
    assert called.endswith(" MINUTES=40")
    assert first.minutes == AGENT_MINUTES
    assert resumed.endswith(" RESUME=1")
    assert second.after == (first.name,)
    assert second.minutes >= ENDPOINT_MINUTES
    assert any(path.endswith("reports") for path in first.files)
    assert FOLDER in second.files


@each_job
def test_whoever_reaches_a_workspace_has_an_identity_of_one_target(job: Job) -> None:
    targets = {found for c in job.commands() for found in re.findall(r"(?:-t |TARGET=)(\w+)", c)}
    assert len(targets) <= 1
    assert job.identity is bool(targets)
    for target in targets:
        for step in job.steps:
            if target in step.command.replace("=", " ").split():
                assert step.variables["DATABRICKS_AUTH_TYPE"] == AUTH[job.dialect]
                assert bool(step.variables.get("BUNDLE_VAR_pull_request")) is (target == "test")
                assert job.dialect != "azure" or "SYSTEM_ACCESSTOKEN" in step.variables
        # On Azure a pipeline has the identity, whatever environment a job is for.
        if job.dialect == "azure":
            assert f"endsWith(variables['Build.DefinitionName'], '-{target}')" in job.condition
        else:
            assert job.environment in {target, f"{target}-plan"}


@each_job
def test_an_identity_is_kept_to_its_branch_and_from_forks(job: Job) -> None:
    text = " ".join(job.commands())
    if "prod" in text or (job.environment or "").startswith("prod"):
        assert job.occasions == {"release"}
        assert RELEASE in job.condition
    if "staging" in text or job.environment == "staging":
        assert job.occasions <= {"push", "nightly"}
        assert MAIN in job.condition
    if job.identity and "pull request" in job.occasions:
        assert NOT_FROM_A_FORK[job.dialect] in job.condition


@each_dialect
def test_a_deployment_to_prod_is_of_the_environment_that_reviewers_approve(dialect: str) -> None:
    release = [
        job for job in JOBS if job.dialect == dialect and ORDER["release"][3] in job.commands()
    ]
    assert [job.environment for job in release] == ["prod"]


@each_job
def test_what_is_released_comes_through_no_cache(job: Job) -> None:
    assert not (job.cached and "release" in job.occasions)


@each_dialect
def test_a_test_deployment_goes_whatever_happened_before(dialect: str) -> None:
    steps = [step for job in select(dialect, "pull request") for step in job.steps]
    always = [step.command for step in steps if step.always and step.command in COMMANDS]
    assert always == list(ORDER["pull request"][-2:])


@each_dialect
def test_runs_on_one_target_never_cross(dialect: str) -> None:
    for job in [*select(dialect, "push"), *select(dialect, "release")]:
        if any(re.search("deploy|release", command) for command in job.commands()):
            assert job.lock
    for job in select(dialect, "pull request"):
        for step in job.steps:
            if own := step.variables.get("BUNDLE_VAR_pull_request"):
                # Where no lock holds from deploy to destroy, names are the run's own.
                assert job.lock or re.search(r"_\$[({](Build\.BuildId|CI_PIPELINE_IID)", own)


@each_job
def test_a_branch_is_checked_out_by_its_own_name_before_it_is_deployed(job: Job) -> None:
    # GitHub checks out the branch itself; the others a commit alone.
    if job.dialect != "github" and job.occasions & {"push", "release"}:
        shell = [step.command for step in job.steps if step.command]
        named = [i for i, command in enumerate(shell) if command.startswith("git switch -C")]
        first = min(i for i, command in enumerate(shell) if command in COMMANDS)
        assert named
        assert named[0] < first


@each_text
def test_no_secret_is_named(name: str) -> None:
    assert re.findall(r"secrets\.|DATABRICKS_TOKEN\b|CLIENT_SECRET|PASSWORD", TEXTS[name]) == []


def test_the_cli_is_of_one_version_everywhere() -> None:
    pins = {
        name: set(re.findall(r"databricks/setup-cli[@/](\w+)", text))
        for name, text in TEXTS.items()
    }
    assert len(set().union(*pins.values())) == 1
    assert all(pins.values()), pins

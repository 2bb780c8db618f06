"""Another problem, put into a new project by following docs/your-problem.md as it stands."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from conformance.tests.projects import PATH, ROOT
from flight_delays.config.policy import Policy
from flight_delays.evaluation.model_types import regression
from scaffold.sentinel import PROJECT_NAME
from scaffold.tests.installed_projects import UNCOMPILED, add_framework_tests
from scaffold.tests.repositories import Engine, add_all

NAME = "afternoon"
PAGE = Path("docs", "your-problem.md")
RUN_IT = "\n## 9. Run it\n"
MAY_CHANGE = (f"src/{NAME}/problem/", f"src/{NAME}/conf/", "tests/problem/")
MODEL = f"dev.dev_laptop_{NAME}.dev_laptop_model"
# A file of the page under its path in bold, or a block of commands.
STEP = re.compile(r"\*\*`([^`]+)`\*\*\n\n```[a-z]+\n(.*?)```|```sh\n(.*?)```", re.DOTALL)
FOREIGN = (
    "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "PYTHONPATH", "LAPTOP_HOME", "UV_COMPILE_BYTECODE",
)  # fmt: skip

ASK = f"""
import json
from databricks.sdk import WorkspaceClient

reading = {{
    "reading_id": 1, "machine_id": 3, "load": 60.0, "heat": 75.0, "hours": 100.0,
    "read_at": "2025-12-29T09:00:00", "features_at": "2025-12-29T09:00:00",
}}
hotter = {{**reading, "heat": 95.0}}
answer = WorkspaceClient().serving_endpoints.query(
    "{MODEL.replace(".", "-")}", dataframe_records=[reading, hotter]
)
print(json.dumps(answer.predictions))
"""


@dataclass(frozen=True)
class Afternoon:
    """A project with an environment of its own."""

    root: Path

    def run(self, command: str) -> str:
        """Run commands that must succeed, and return what they print."""
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        done = subprocess.run(
            ["sh", "-eu", "-c", command],
            cwd=self.root,
            env={**kept, "PATH": PATH, "MAKEFLAGS": UNCOMPILED},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


def follow(project: Afternoon, page: str) -> int:
    """Do what a part of the page says, and return in how many steps."""
    steps = list(STEP.finditer(page))
    for path, content, commands in (step.groups() for step in steps):
        if path:
            (project.root / path).parent.mkdir(parents=True, exist_ok=True)
            (project.root / path).write_text(content)
        else:
            project.run(commands)
    return len(steps)


@pytest.fixture(scope="module")
def written(bundle: Engine, tmp_path_factory: pytest.TempPathFactory) -> Afternoon:
    """Return a new project in which the page has been followed until lint and tests have passed."""
    project = Afternoon(bundle.make(tmp_path_factory.mktemp("project"), {"project_name": NAME}))
    add_all(project.root)
    project.run("git -c user.name=a -c user.email=a@example.com commit --quiet -m New")
    project.run("make setup")
    before, _, _ = (project.root / PAGE).read_text().partition(RUN_IT)
    assert follow(project, before) >= 11
    return project


@pytest.fixture(scope="module")
def afternoon(written: Afternoon) -> Iterator[Afternoon]:
    """Yield the same project when the page has been followed to its last step."""
    _, _, rest = (written.root / PAGE).read_text().partition(RUN_IT)
    try:
        assert follow(written, rest) >= 1
        yield written
    finally:
        written.run("uv run laptop down")


@pytest.mark.nightly
def test_nothing_has_changed_but_the_problem_its_configuration_and_its_tests(
    written: Afternoon,
) -> None:
    written.run("git add --all")
    changed = written.run("git diff --cached --name-only").splitlines()
    assert {path for path in changed if not path.startswith(MAY_CHANGE)} == set()
    assert {f"src/{NAME}/problem/sources.py", f"src/{NAME}/conf/policy.yml"} <= set(changed)
    package = written.root / "src" / NAME
    left = [path for path in package.rglob("*.py") if "nycflights" in path.read_text()]
    assert left == []


@pytest.mark.nightly
def test_the_first_model_beat_the_guess_and_is_champion(
    afternoon: Afternoon,
) -> None:
    status = json.loads(afternoon.run("uv run laptop status -o json"))
    (model,) = (model for model in status["models"] if model["name"] == MODEL)
    (version,) = model["versions"]
    assert sorted(version["aliases"]) == ["Challenger", "Champion"]
    assert version["tags"]["decision"] == "promote"
    reason = version["tags"]["decision_reason"]
    assert re.search(r"log_loss [\d,.e+]+ against [\d,.e+]+ nats on \d+ held-out", reason)
    (endpoint,) = status["endpoints"]
    assert [entity["entity_version"] for entity in endpoint["served"]] == ["1"]


@pytest.mark.nightly
def test_batch_and_endpoint_give_probabilities(afternoon: Afternoon) -> None:
    scored = json.loads(
        afternoon.run(
            "uv run laptop sql -o json 'SELECT count(*) AS rows, min(prediction) AS lowest, "
            f"max(prediction) AS highest FROM dev.dev_laptop_{NAME}.predictions'"
        )
    )
    assert int(scored[0]["rows"]) > 100
    assert 0 < float(scored[0]["lowest"]) < float(scored[0]["highest"]) < 1
    (afternoon.root / ".laptop" / "ask.py").write_text(ASK)
    printed = afternoon.run('eval "$(uv run laptop up)"; uv run python .laptop/ask.py')
    usual, hotter = json.loads(printed.splitlines()[-1])
    assert 0 < usual < hotter < 1


def test_limits_that_the_page_gives_for_a_number_are_those_of_a_regression() -> None:
    page = (ROOT / PAGE).read_text().partition("\n## A number instead\n")[2]
    (limits,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    policy = yaml.safe_load((ROOT / "src/flight_delays/conf/policy.yml").read_text())
    given = yaml.safe_load(limits)
    policy["validation"] |= given["validation"] | {"slices": None}
    read = Policy.model_validate({**policy, "comparison": given["comparison"]})
    hours = regression("hours", lowest=0)
    assert {*read.validation.metrics} <= {*hours.metrics}
    assert read.comparison.loss in hours.losses


@pytest.mark.nightly
def test_the_jobs_of_any_problem_pass_their_slow_tests_with_this_one(afternoon: Afternoon) -> None:
    add_framework_tests(afternoon.root, {PROJECT_NAME: NAME, "serving": "yes", "streaming": "no"})
    printed = afternoon.run(
        "uv run pytest -q -n 2 --dist loadfile -m 'not nightly' "
        "tests/local/test_running_lifecycle.py tests/framework/local/test_recovery.py "
        "tests/framework/local/test_notebook.py"
    )
    assert re.search(r"\d+ passed", printed)

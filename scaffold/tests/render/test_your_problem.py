"""Another problem, put into a new project by following docs/your-problem.md as it stands."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from conformance.tests.projects import PATH
from scaffold.sentinel import PROJECT_NAME
from scaffold.tests.installed_projects import UNCOMPILED, add_framework_tests
from scaffold.tests.repositories import Engine, add_all

NAME = "afternoon"
PAGE = Path("docs", "your-problem.md")
RUN_IT = "\n## 8. Run it\n"
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

patient = {{
    "patient_id": 400, "sex": "one", "age": 50.0, "bmi": 32.0, "bp": 101.0,
    "visited_at": "2014-08-11T09:00:00", "features_at": "2014-08-11T09:00:00",
}}
heavier = {{**patient, "bmi": 42.0}}
answer = WorkspaceClient().serving_endpoints.query(
    "{MODEL.replace(".", "-")}", dataframe_records=[patient, heavier]
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
def test_the_first_model_beat_the_guess_in_its_own_unit_and_is_champion(
    afternoon: Afternoon,
) -> None:
    status = json.loads(afternoon.run("uv run laptop status -o json"))
    (model,) = (model for model in status["models"] if model["name"] == MODEL)
    (version,) = model["versions"]
    assert sorted(version["aliases"]) == ["Challenger", "Champion"]
    assert version["tags"]["decision"] == "promote"
    reason = version["tags"]["decision_reason"]
    assert re.search(r"squared_error [\d,.e+]+ against [\d,.e+]+ points² on \d+ held-out", reason)
    (endpoint,) = status["endpoints"]
    assert [entity["entity_version"] for entity in endpoint["served"]] == ["1"]


@pytest.mark.nightly
def test_batch_and_endpoint_give_numbers_and_no_probabilities(afternoon: Afternoon) -> None:
    scored = json.loads(
        afternoon.run(
            "uv run laptop sql -o json 'SELECT count(*) AS rows, count(DISTINCT patient_id) AS "
            f"patients, min(prediction) AS lowest FROM dev.dev_laptop_{NAME}.predictions'"
        )
    )
    assert [(row["rows"], row["patients"]) for row in scored] == [("8", "8")]
    assert float(scored[0]["lowest"]) > 20
    (afternoon.root / ".laptop" / "ask.py").write_text(ASK)
    printed = afternoon.run('eval "$(uv run laptop up)"; uv run python .laptop/ask.py')
    usual, heavier = json.loads(printed.splitlines()[-1])
    assert 50 < usual < heavier < 400


@pytest.mark.nightly
def test_a_sample_of_a_table_of_ones_own_is_brought_as_the_page_says(afternoon: Afternoon) -> None:
    visits = {"patient_id": [1, 2], "visited_at": ["2026-01-01", "2026-01-02"], "bmi": [22.5, 31.0]}
    pd.DataFrame(visits).astype({"visited_at": "datetime64[ns, UTC]"}).to_parquet(
        afternoon.root / "visits.parquet"
    )
    (block,) = re.findall(r"```shell\n(.*?)```", (afternoon.root / PAGE).read_text(), re.DOTALL)
    afternoon.run(block)
    question = "SELECT * FROM prod.clinic.visits WHERE visited_at < TIMESTAMP '2026-01-02 00:00:00'"
    rows = json.loads(afternoon.run(f'uv run laptop sql -o json "{question}"'))
    assert [(row["patient_id"], row["bmi"]) for row in rows] == [("1", "22.5")]


@pytest.mark.nightly
def test_the_jobs_of_any_problem_pass_their_slow_tests_with_this_one(afternoon: Afternoon) -> None:
    add_framework_tests(afternoon.root, {PROJECT_NAME: NAME, "serving": "yes"})
    printed = afternoon.run(
        "uv run pytest -q -n 2 --dist loadfile tests/local/test_running_lifecycle.py "
        "tests/framework/local/test_recovery.py tests/framework/local/test_notebook.py"
    )
    assert re.search(r"\d+ passed", printed)

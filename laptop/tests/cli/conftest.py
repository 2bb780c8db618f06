import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from laptop.connection import Connection

from ..conftest import Shown, Toy, write_toy

DASHBOARD: dict[str, list[dict[str, Any]]] = {
    "datasets": [{"name": "ones", "displayName": "Ones", "queryLines": ["SELECT 1 AS n"]}],
    "pages": [{"name": "only", "displayName": "Only"}],
}

TOOLS = Path(__file__).parents[3] / ".tools" / "bin"

BUNDLE = """
bundle:
  name: toy
include: [jobs/*.yml]
sync:
  paths: [src]
artifacts:
  wheel:
    type: whl
    build: uv build --wheel --clear
variables:
  deployer:
    default: laptop@localhost
  warehouse:
    lookup: {warehouse: Serverless Starter Warehouse}
resources:
  alerts:
    low:
      display_name: low
      warehouse_id: ${var.warehouse}
      query_text: SELECT 1 AS n
      evaluation:
        source: {name: n, aggregation: MAX}
        comparison_operator: LESS_THAN
        threshold: {value: {double_value: 0}}
        empty_result_state: TRIGGERED
        notification: {notify_on_ok: true, subscriptions: [{user_email: ann@example.com}]}
      schedule: {quartz_cron_schedule: "0 0 7 * * ?", timezone_id: UTC}
  dashboards:
    seen:
      display_name: seen
      file_path: seen.lvdash.json
      warehouse_id: ${var.warehouse}
      dataset_catalog: ${resources.schemas.lake.catalog_name}
      dataset_schema: ${resources.schemas.lake.name}
  schemas:
    lake:
      catalog_name: dev
      name: lake
  registered_models:
    late:
      catalog_name: ${resources.schemas.lake.catalog_name}
      schema_name: ${resources.schemas.lake.name}
      name: late
  volumes:
    shelf:
      catalog_name: ${resources.schemas.lake.catalog_name}
      schema_name: ${resources.schemas.lake.name}
      name: shelf
      comment: Files.
  experiments:
    training:
      name: /Users/${workspace.current_user.userName}/toy
targets:
  dev:
    default: true
    mode: development
  prod:
    mode: production
    workspace:
      host: WORKSPACE
      root_path: /Workspace/Users/${var.deployer}/.bundle/toy/prod
    run_as:
      service_principal_name: ${var.deployer}
    permissions:
      - {service_principal_name: "${var.deployer}", level: CAN_MANAGE}
      - {group_name: readers, level: CAN_VIEW}
    resources:
      schemas:
        lake:
          catalog_name: prod
          grants:
            - {principal: readers, privileges: [USE_SCHEMA, SELECT]}
          lifecycle:
            prevent_destroy: true
"""


@dataclass(frozen=True)
class Databricks:
    """The `databricks` CLI, in the folder of a bundle and over one workspace."""

    binary: str
    toy: Toy
    there: Connection

    def call(self, *arguments: str, **environment: str) -> Shown:
        """Run a command."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("DATABRICKS_", "BUNDLE"))}
        done = subprocess.run(
            [self.binary, *arguments],
            cwd=self.toy.root,
            env={
                **clean,
                "HOME": str(self.toy.root.parent),
                "DATABRICKS_CONFIG_FILE": os.devnull,
                "DATABRICKS_HOST": self.there.address,
                "DATABRICKS_TOKEN": self.there.token,
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Shown(done.returncode, done.stdout, done.stderr)

    def succeed(self, *arguments: str, **environment: str) -> str:
        """Run a command that must succeed, and return what it printed for whoever reads it on."""
        shown = self.call(*arguments, **environment)
        assert shown.status == 0, shown.out + shown.err
        return shown.out

    def read(self, *arguments: str) -> Any:
        """Return the JSON that a command gives."""
        return json.loads(self.succeed(*arguments, "-o", "json"))


@pytest.fixture(scope="session")
def binary() -> str:
    found = shutil.which("databricks", path=f"{os.environ.get('PATH', '')}{os.pathsep}{TOOLS}")
    if found:
        return found
    reason = f"The databricks CLI is neither on the PATH nor in {TOOLS}. Next: make databricks-cli"
    if os.environ.get("REQUIRE_DATABRICKS_CLI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def databricks(binary: str, folder: Path, there: Connection) -> Databricks:
    """Return the CLI in a bundle that is not deployed yet."""
    toy = write_toy(folder / "deployed" / "toy")
    (toy.root / "databricks.yml").write_text(BUNDLE.replace("WORKSPACE", there.address))
    (toy.root / "seen.lvdash.json").write_text(json.dumps(DASHBOARD))
    # Names that no job of the tests beside these has, in the one workspace.
    jobs = toy.root / "jobs" / "toy.yml"
    jobs.write_text(re.sub(r"^( {6}name:) ", r"\1 deployed ", jobs.read_text(), flags=re.M))
    return Databricks(binary, toy, there)


@pytest.fixture(scope="module")
def deployed(databricks: Databricks) -> Iterator[Databricks]:
    """Yield the bundle's dev target, deployed, and destroyed at the end."""
    databricks.succeed("bundle", "deploy")
    yield databricks
    databricks.succeed("bundle", "destroy", "--auto-approve")

"""A dev deployment whose feature tables are production's, as the CLI resolves it."""

from typing import Any

import pytest
from laptop.bundle import resolve

from conformance.tests.cli.test_resolution import describe, find_differences
from conformance.tests.deployments import DEV, Deployment, Open
from conformance.tests.workspaces import WAREHOUSES

SOURCE = {"source_catalog": "prod", "source_schema": "flight_delays", "as_of": ""}
FLAG = ",".join(f"{name}={value}" for name, value in SOURCE.items())
OWN = "${resources.schemas.flight_delays.id}"
MODEL = "${resources.registered_models.model.id}"


@pytest.fixture(scope="module")
def deployment(open_target: Open) -> Deployment:
    return open_target(DEV)


def read_parameters(job: dict[str, Any]) -> dict[str, str]:
    """Return the parameters of the tasks of a job."""
    return dict(
        parameter.removeprefix("--").split("=", 1)
        for task in job["tasks"]
        for parameter in task.get("python_wheel_task", {}).get("parameters", [])
    )


def test_the_cli_takes_the_source_and_resolves_it_as_the_laptop_does(
    deployment: Deployment,
) -> None:
    validated = deployment("validate", "--strict", "--var", FLAG, "--output", "json").succeed().json
    bundle = resolve(
        deployment.project.root,
        target=DEV.name,
        variables=SOURCE,
        identity=describe(DEV.identity),
        warehouses=WAREHOUSES,
    )
    assert list(find_differences(validated, bundle.config)) == []
    parameters = {key: read_parameters(job) for key, job in validated["resources"]["jobs"].items()}
    readers = {key for key, names in parameters.items() if "source" in names}
    assert readers == {
        "batch_inference",
        "deployment",
        "model_comparison",
        "model_training",
        "monitoring",
        "rollback",
        "rollout",
        "stream_inference",
    }
    assert {parameters[key]["source"] for key in readers} == {"prod.flight_delays"}
    for names in parameters.values():
        assert names.get("target", OWN) == OWN
        assert names.get("model", MODEL) == MODEL


def test_what_dev_deploys_then_reads_there_and_writes_to_its_own(deployment: Deployment) -> None:
    deployment("deploy", "--var", FLAG).succeed()
    state = deployment.workspace.read_state()
    (schema,), (model,) = state["schemas"], state["registered_models"]
    assert schema.startswith("dev.dev_")
    assert model.startswith(f"{schema}.dev_")
    jobs = [job["settings"] for job in state["jobs"].values()]
    parameters = [read_parameters(job) for job in jobs]
    assert {names["source"] for names in parameters if "source" in names} == {"prod.flight_delays"}
    assert {names["target"] for names in parameters if "target" in names} == {schema}
    assert {names["model"] for names in parameters if "model" in names} == {model}
    (comparison,) = (job for job in jobs if job["name"].endswith("model_comparison"))
    defaults = {each["name"]: each["default"] for each in comparison["parameters"]}
    assert defaults["champion_of"] == "prod.flight_delays.model"

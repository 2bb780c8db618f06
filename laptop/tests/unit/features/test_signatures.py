import importlib
import inspect
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup
from databricks.feature_engineering.absent import METHODS, Absent
from databricks.feature_engineering.training_set import TrainingSet
from laptop.features.spec import FeatureSpec
from laptop.features.tables import FeatureTable
from laptop.state_dir import file_lock

from .published import PACKAGE, UNREAD, Definition, Shape, Source, classes

REPOSITORY = Path(__file__).parents[4]
RELEASE = "0.18.2"
BUILT = ("DatabricksOnlineStore", "FeatureEngineeringClient", "FeatureFunction", "FeatureLookup")
# Nobody calls these: the client returns what they make.
MADE_BY_THE_CLIENT = ("FeatureTable", "TrainingSet")


@pytest.fixture(scope="session")
def source() -> Source:
    """Return the package's source, fetched once; its licence lets nothing of it run here."""
    tools = REPOSITORY / ".tools"
    folder = tools / f"databricks-feature-engineering-{RELEASE}"
    tools.mkdir(exist_ok=True)
    with file_lock(tools / "feature-engineering.lock"):
        if not folder.is_dir():
            uv = shutil.which("uv", path=f"{os.environ['PATH']}:{tools / 'bin'}") or "uv"
            package = f"databricks-feature-engineering=={RELEASE}"
            command = f"{uv} pip install -q --no-deps --python={sys.executable}".split()
            try:
                subprocess.run([*command, f"--target={folder}.new", package], check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                reason = f"{package} could not be fetched: {error}"
                if os.environ.get("REQUIRE_FEATURE_ENGINEERING") == "1":
                    pytest.fail(reason)
                pytest.skip(reason)
            Path(f"{folder}.new").rename(folder)
    return Source(folder)


def shape_of(function: Any) -> Shape:
    return [
        (parameter.name, parameter.kind.name, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


def differ(theirs: Shape, ours: Shape) -> bool:
    if [part[:2] for part in theirs] != [part[:2] for part in ours]:
        return True
    return any(
        ours_default is inspect.Parameter.empty
        if theirs_default is UNREAD
        else repr(theirs_default) != repr(ours_default)
        for (*_, theirs_default), (*_, ours_default) in zip(theirs, ours, strict=True)
    )


def test_every_name_can_be_imported_from_where_it_is(source: Source) -> None:
    missing = [
        f"{module}.{name}"
        for module in source.modules()
        for name in source.names(module)
        if not hasattr(importlib.import_module(module), name)
    ]

    assert missing == []


def test_the_client_has_the_methods_of_databricks_and_no_other(source: Source) -> None:
    definition = source.find(f"{PACKAGE}.client", "FeatureEngineeringClient")
    assert isinstance(definition, Definition)
    theirs = source.methods(definition)
    ours = {
        name: shape_of(function)
        for name, function in inspect.getmembers(FeatureEngineeringClient, callable)
        if not name.startswith("_")
    }

    assert sorted([*ours, *METHODS]) == sorted(theirs)
    assert len(ours) > 15
    assert [name for name in ours if differ(theirs[name], ours[name])] == []


def test_constructors_of_what_is_built_take_what_databricks_takes(source: Source) -> None:
    compared, different = 0, []
    for module, name, definition in classes(source):
        theirs = source.constructor(definition)
        if theirs is None or name in MADE_BY_THE_CLIENT:
            continue
        ours = getattr(importlib.import_module(module), name)
        if isinstance(ours, Absent):
            continue
        compared += 1
        if differ(theirs, shape_of(ours.__init__)[1:]):
            different.append(f"{module}.{name}")

    assert different == []
    assert compared >= 3


@pytest.mark.parametrize(
    "value",
    [FeatureLookup("c.s.t", "k"), TrainingSet(FeatureSpec((), (), ()), {}, None, {})],
    ids=lambda value: type(value).__name__,
)
def test_what_is_built_has_the_members_of_databricks(source: Source, value: Any) -> None:
    name = type(value).__name__
    (definition, *_) = [found for _, known, found in classes(source) if known == name]
    theirs = source.methods(definition)

    assert [member for member in theirs if not hasattr(value, member)] == []
    assert theirs


def test_a_feature_table_answers_or_refuses_all_that_databricks_knows(source: Source) -> None:
    definition = source.find(f"{PACKAGE}.entities", "FeatureTable")
    assert isinstance(definition, Definition)
    table = FeatureTable("c.s.t", "1", "", ["k"], [], ["k"], None, {}, {})
    ours = {field.name for field in fields(FeatureTable)}

    for name, *_ in source.constructor(definition) or []:
        if name not in ours:
            with pytest.raises(NotImplementedError, match=f"FeatureTable.{name} is not"):
                getattr(table, name)


def test_what_is_not_built_refuses_by_its_own_name(source: Source) -> None:
    given = {
        name: getattr(importlib.import_module(module), name) for module, name, _ in classes(source)
    }
    refused = {name: ours for name, ours in given.items() if isinstance(ours, Absent)}

    assert len(refused) > 40
    assert set(given) - set(refused) == {*BUILT, *MADE_BY_THE_CLIENT}
    for name, ours in refused.items():
        with pytest.raises(NotImplementedError, match=f"^{name} is not supported on the laptop"):
            ours()
        with pytest.raises(
            NotImplementedError, match=rf"^{name}\.all_time is not supported on the laptop"
        ):
            _ = ours.all_time


def test_absent_methods_of_the_client_refuse_by_their_own_names() -> None:
    client: Any = FeatureEngineeringClient()

    for name in METHODS:
        with pytest.raises(
            NotImplementedError, match=rf"^\w+\.{name} is not supported on the laptop"
        ):
            getattr(client, name)()
    assert not hasattr(client, "invented")

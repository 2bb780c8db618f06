"""Models packaged with their feature specification."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PyFuncModel
from mlflow.types import ColSpec, Schema, TensorSpec

from .errors import FeatureError
from .spec import MODEL_DATA, RAW_MODEL, FeatureSpec, SourceColumn
from .types import model_frame, signature_type

LOADER_MODULE = "databricks.feature_store.mlflow_model"


class _PackagedModel:
    """Saves the outer model as a pyfunc; the `flavor` argument of `Model.log`.

    `mlflow.pyfunc.log_model` would validate the saved model with the input example, which fails
    without the feature tables.
    """

    __name__ = "mlflow.pyfunc"

    @staticmethod
    def save_model(path: str, *, validate_serving_input: bool, **kwargs: Any) -> None:
        """Save the model without validation."""
        assert not validate_serving_input
        mlflow.pyfunc.save_model(path, **kwargs)


def log_model(
    model: Any,
    name: str,
    flavor: ModuleType,
    spec: FeatureSpec,
    *,
    outputs: Schema,
    example: pa.Table | None = None,
    **kwargs: Any,
) -> ModelInfo:
    """Log a model with its feature specification.

    The plain model is under `data/feature_store/raw_model` and can be loaded separately.

    Args:
        model: A model that `flavor` can save.
        name: Name of the logged model.
        flavor: MLflow module, `mlflow.sklearn` for instance.
        spec: The model's inputs.
        outputs: Schema of the predictions.
        example: Rows with the source columns, of which the first is stored.
        kwargs: Passed to `flavor.save_model`.

    Raises:
        FeatureError: A source column has a type that no signature can express.
    """
    signature = ModelSignature(Schema(_inputs(spec)), outputs)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / MODEL_DATA.name
        raw = data / RAW_MODEL
        # The inner model's inputs include looked-up columns, the outer model's do not.
        inner = Model(signature=ModelSignature(outputs=outputs))
        if flavor is mlflow.pyfunc:
            # Only the pyfunc flavor does not take the model as its first argument.
            flavor.save_model(str(raw), python_model=model, mlflow_model=inner, **kwargs)
        else:
            flavor.save_model(model, str(raw), mlflow_model=inner, **kwargs)
        if mlflow.pyfunc.FLAVOR_NAME not in inner.flavors:
            raise FeatureError(f"{flavor.__name__} saves no python_function, which scoring needs.")
        spec.write(data)
        environment = (raw / "conda.yaml").read_text(encoding="utf-8")
        info: ModelInfo = Model.log(
            artifact_path=None,
            name=name,
            flavor=_PackagedModel(),
            loader_module=LOADER_MODULE,
            data_path=str(data),
            conda_env=yaml.safe_load(environment),
            signature=signature,
            input_example=None if example is None else _example(example, signature),
            validate_serving_input=False,
        )
        return info


def label_schema(types: Mapping[str, str]) -> Schema:
    """Return the output schema of a model trained on labels of these Spark types."""
    if not types:
        raise FeatureError(
            "The type of the predictions is unknown: the training set has no label. Give "
            "output_schema."
        )
    return Schema([_column(name, kind, required=True) for name, kind in types.items()])


@dataclass(frozen=True)
class FeatureModel:
    """A packaged model, loaded for prediction in this process.

    Attributes:
        spec: The model's inputs and their sources.
        raw: The plain model inside.
    """

    spec: FeatureSpec
    raw: PyFuncModel

    def predict(self, columns: pa.Table, params: Mapping[str, Any] | None = None) -> Any:
        """Return the plain model's predictions, one per row."""
        frame = model_frame(columns.select(self.spec.model_columns))
        return self.raw.predict(frame, params=None if params is None else dict(params))


def load_model(folder: Path) -> FeatureModel:
    """Load a model logged by `log_model` from its artifact folder."""
    spec = FeatureSpec.read(folder)
    return FeatureModel(spec, mlflow.pyfunc.load_model(str(folder / MODEL_DATA / RAW_MODEL)))


def _inputs(spec: FeatureSpec) -> list[ColSpec | TensorSpec]:
    # A request may contain a feature, which then replaces the look-up.
    return [
        _column(column.name, column.data_type, required=isinstance(column, SourceColumn))
        for column in spec.columns
        if isinstance(column, SourceColumn) or signature_type(column.data_type)
    ]


def _column(name: str, data_type: str, *, required: bool) -> ColSpec:
    kind = signature_type(data_type)
    if kind is None:
        raise FeatureError(
            f"Column {name} is {data_type}, which a model signature cannot express. Cast it, or "
            "exclude it from the training set."
        )
    return ColSpec(kind, name, required=required)


def _example(rows: pa.Table, signature: ModelSignature) -> dict[str, Any] | None:
    # As on Databricks: one row as a dictionary, in the exact types of MLflow's schema.
    frame = model_frame(rows)
    if frame.empty:
        return None
    kinds = signature.inputs.input_dict()
    row = dict(zip(frame.columns, frame.iloc[0], strict=True))
    return {
        name: None if pd.isna(value) else kinds[name].type.to_numpy().type(value)
        for name, value in row.items()
    }

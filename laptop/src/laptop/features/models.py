"""Models packaged with the specification of what they look up."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
import pyarrow as pa
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PyFuncModel
from mlflow.types import ColSpec, Schema

from .errors import FeatureError
from .spec import MODEL_DATA, RAW_MODEL, FeatureSpec
from .types import model_frame, signature_type

if TYPE_CHECKING:
    from .training import TrainingSet

LOADER_MODULE = "databricks.feature_store.mlflow_model"


class _PackagedModel:
    """Saves the outer model as a pyfunc; what `Model.log` takes for a flavor.

    `mlflow.pyfunc.log_model` would predict the input example on the model it has just saved,
    and this one cannot predict without its tables.
    """

    __name__ = "mlflow.pyfunc"

    @staticmethod
    def save_model(path: str, *, validate_serving_input: bool, **kwargs: Any) -> None:
        """Save without a trial."""
        assert not validate_serving_input
        mlflow.pyfunc.save_model(path, **kwargs)


def log_model(
    model: Any,
    name: str,
    flavor: ModuleType,
    training_set: "TrainingSet",
    *,
    output_schema: Schema | None,
    infer_input_example: bool,
    **kwargs: Any,
) -> ModelInfo:
    """Log a model with the specification of its features.

    The plain model lies inside under `data/feature_store/raw_model` and loads alone.

    Args:
        model: What `flavor` saves.
        name: Name of the logged model.
        flavor: MLflow module, `mlflow.sklearn` for instance.
        training_set: What the model was trained on.
        output_schema: What it predicts; taken from the labels when None.
        infer_input_example: Whether to store the first row that was trained on.
        kwargs: Passed to `flavor.save_model`.

    Raises:
        FeatureError: A column a caller must bring has a type no signature can express.
    """
    spec = training_set.feature_spec
    signature = _signature(spec, output_schema, training_set.label_types)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / MODEL_DATA.name
        raw = data / RAW_MODEL
        # The inner model sees looked-up columns, which the signature of the outer does not hold.
        inner = Model(signature=ModelSignature(outputs=signature.outputs))
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
            input_example=_example(training_set, signature) if infer_input_example else None,
            validate_serving_input=False,
        )
        return info


@dataclass(frozen=True)
class FeatureModel:
    """A packaged model, ready to predict in this process.

    Attributes:
        spec: What it takes and where that comes from.
        raw: The plain model inside.
    """

    spec: FeatureSpec
    raw: PyFuncModel

    def predict(self, columns: pa.Table, params: Mapping[str, Any] | None = None) -> Any:
        """Return the plain model's predictions, one for each row."""
        frame = model_frame(columns.select(self.spec.model_columns))
        return self.raw.predict(frame, params=None if params is None else dict(params))


def load_model(folder: Path) -> FeatureModel:
    """Load a model that `log_model` has logged from the folder of its artifact.

    Raises:
        FeatureError: The model holds no feature specification.
    """
    spec = FeatureSpec.read(folder)
    return FeatureModel(spec, mlflow.pyfunc.load_model(str(folder / MODEL_DATA / RAW_MODEL)))


def _signature(
    spec: FeatureSpec, output_schema: Schema | None, labels: Mapping[str, str]
) -> ModelSignature:
    inputs = [_column(column.name, column.data_type, True) for column in spec.sources]
    inputs += [
        _column(column.name, column.data_type, False)
        for column in spec.features
        if signature_type(column.data_type)
    ]
    outputs = [_column(name, kind, True) for name, kind in labels.items()]
    if output_schema is None and not outputs:
        raise FeatureError(
            "What the model predicts is open: the training set has no label. Give output_schema."
        )
    return ModelSignature(Schema([*inputs]), output_schema or Schema([*outputs]))


def _column(name: str, data_type: str, required: bool) -> ColSpec:
    kind = signature_type(data_type)
    if kind is None:
        raise FeatureError(
            f"Column {name} is {data_type}, which a model signature cannot express. Cast it, or "
            "exclude it from the training set."
        )
    return ColSpec(kind, name, required=required)


def _example(training_set: "TrainingSet", signature: ModelSignature) -> dict[str, Any] | None:
    # As on Databricks one row as a dictionary, in the exact types that MLflow checks it for.
    rows = model_frame(training_set.first_row())
    if rows.empty:
        return None
    kinds = signature.inputs.input_dict()
    row = dict(zip(rows.columns, rows.iloc[0], strict=True))
    return {
        name: None if pd.isna(value) else kinds[name].type.to_numpy().type(value)
        for name, value in row.items()
    }

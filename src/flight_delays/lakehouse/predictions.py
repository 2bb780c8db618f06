"""Predictions of held-out rows, kept as an artifact whose digest is a tag of the version."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd

from ..promotion.model_version import ModelVersion
from .errors import LakehouseError
from .registry import tag_version

FILE = "holdout_predictions.parquet"
DIGEST_TAG = "holdout_predictions_sha256"


class PredictionsChangedError(LakehouseError):
    """The artifact is not the one that validate has recorded."""

    def __init__(self, version: ModelVersion, digest: str) -> None:
        super().__init__(
            f"The artifact {FILE} of version {version.version} of {version.model} has the digest "
            f"{digest}; validate recorded {version.tags[DIGEST_TAG]}. Run validate again."
        )


def write_predictions(
    registry: mlflow.MlflowClient, version: ModelVersion, rows: pd.DataFrame
) -> None:
    """Log rows with their predictions to the version's run, then record their digest."""
    with TemporaryDirectory() as folder:
        file = Path(folder, FILE)
        rows.to_parquet(file, index=False)
        registry.log_artifact(version.run_id, str(file))
        tag_version(registry, version, **{DIGEST_TAG: compute_digest(file)})


def read_predictions(version: ModelVersion) -> pd.DataFrame | None:
    """Return the rows that validate has logged; None where it has recorded none.

    Raises:
        PredictionsChangedError: The artifact is another than validate has recorded.
    """
    if DIGEST_TAG not in version.tags:
        return None
    with TemporaryDirectory() as folder:
        file = Path(
            mlflow.artifacts.download_artifacts(
                run_id=version.run_id, artifact_path=FILE, dst_path=folder
            )
        )
        digest = compute_digest(file)
        if digest != version.tags[DIGEST_TAG]:
            raise PredictionsChangedError(version, digest)
        return pd.read_parquet(file)


def compute_digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()

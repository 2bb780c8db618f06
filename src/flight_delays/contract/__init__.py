"""What the tasks ask of a problem: the shapes in which it declares its data, model and words."""

from .configuration import load_configuration, load_policy, read_configuration
from .errors import ColumnMissingError, ConfigurationError, DeclarationError
from .intake import IntakePolicy, load_intake
from .problem import FEATURES_AT, Estimator, Label, Problem, Spine
from .refresh import Refresh
from .rules import Rule
from .selection import select_labelled_rows, select_open_rows, select_rows
from .serving import Serving, load_serving
from .tables import QUARANTINE, WATERMARKS, FeatureTable, Qualify, Source
from .training import Explanations, TrainingPolicy, load_training
from .tuning import (
    MODEL_FILE,
    load_tuning,
    replace_hyperparameters,
    require_hyperparameters,
    write_hyperparameters,
)

__all__ = [
    "FEATURES_AT",
    "MODEL_FILE",
    "QUARANTINE",
    "WATERMARKS",
    "ColumnMissingError",
    "ConfigurationError",
    "DeclarationError",
    "Estimator",
    "Explanations",
    "FeatureTable",
    "IntakePolicy",
    "Label",
    "Problem",
    "Qualify",
    "Refresh",
    "Rule",
    "Serving",
    "Source",
    "Spine",
    "TrainingPolicy",
    "load_configuration",
    "load_intake",
    "load_policy",
    "load_serving",
    "load_training",
    "load_tuning",
    "read_configuration",
    "replace_hyperparameters",
    "require_hyperparameters",
    "select_labelled_rows",
    "select_open_rows",
    "select_rows",
    "write_hyperparameters",
]

"""What the tasks ask of a problem: the shapes in which it declares its data, model and words."""

from .configuration import load_configuration, load_policy
from .errors import ColumnMissingError, ConfigurationError, DeclarationError
from .intake import IntakePolicy, load_intake
from .problem import Estimator, Label, Problem, Spine
from .rules import Rule
from .selection import select_labelled_rows, select_rows
from .serving import Serving, load_serving
from .tables import QUARANTINE, FeatureTable, Qualify, Source

__all__ = [
    "QUARANTINE",
    "ColumnMissingError",
    "ConfigurationError",
    "DeclarationError",
    "Estimator",
    "FeatureTable",
    "IntakePolicy",
    "Label",
    "Problem",
    "Qualify",
    "Rule",
    "Serving",
    "Source",
    "Spine",
    "load_configuration",
    "load_intake",
    "load_policy",
    "load_serving",
    "select_labelled_rows",
    "select_rows",
]

"""What the tasks ask of a problem: the shapes in which it declares its data, model and words."""

from .configuration import load_configuration, load_policy
from .errors import ConfigurationError, DeclarationError
from .problem import Estimator, Label, Problem, Spine
from .selection import select_labelled_rows, select_rows
from .serving import Serving, load_serving
from .tables import FeatureTable, Qualify, Source

__all__ = [
    "ConfigurationError",
    "DeclarationError",
    "Estimator",
    "FeatureTable",
    "Label",
    "Problem",
    "Qualify",
    "Serving",
    "Source",
    "Spine",
    "load_configuration",
    "load_policy",
    "load_serving",
    "select_labelled_rows",
    "select_rows",
]

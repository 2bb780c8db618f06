"""What is decided about a model, from plain facts alone."""

from .checks import Check
from .comparison import Comparison, compare
from .decisions import Decision, Failed, Keep, Passed, Promote, Reject, Verdict
from .errors import UnusableInputError
from .gate import Evidence, ValidationPolicy, judge
from .metrics import Metrics, largest_difference, log_losses, measure
from .promotion import CHALLENGER, CHAMPION, Candidate, decide, screen

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Candidate",
    "Check",
    "Comparison",
    "Decision",
    "Evidence",
    "Failed",
    "Keep",
    "Metrics",
    "Passed",
    "Promote",
    "Reject",
    "UnusableInputError",
    "ValidationPolicy",
    "Verdict",
    "compare",
    "decide",
    "judge",
    "largest_difference",
    "log_losses",
    "measure",
    "screen",
]

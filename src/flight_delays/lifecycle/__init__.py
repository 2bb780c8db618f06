"""What is decided about a model, from plain facts alone."""

from .availability import Availability, Missing, compare_availability
from .checks import Check, show
from .comparison import Comparison, compare
from .contrasts import Contrast, SliceContrast, contrast_metrics, contrast_slices
from .decisions import Decision, Failed, Keep, Passed, Promote, Reject, Verdict
from .errors import InstantWithoutZoneError, UnusableInputError, WindowError
from .freshness import Freshness, measure_figures
from .gate import TOLERANCE, Evidence, judge
from .importance import Importance, Predict, measure_importance
from .intake import Intake, Limits, find_objections
from .kinds import BINARY, Kind, Loss, Metric, number
from .metrics import largest_difference
from .policy import Bounds, Policy, Section, Slices, ValidationPolicy, Window, Windows
from .promotion import CHALLENGER, CHAMPION, Candidate, decide, foresee, screen
from .rehearsal import Rehearsal, RehearsalPolicy, draw_rows, rehearse
from .search import Range, TuningPolicy
from .shapley import Explanation, explain
from .windows import BEGINNING, Interval, Split, reach_batch, split

__all__ = [
    "BEGINNING",
    "BINARY",
    "CHALLENGER",
    "CHAMPION",
    "TOLERANCE",
    "Availability",
    "Bounds",
    "Candidate",
    "Check",
    "Comparison",
    "Contrast",
    "Decision",
    "Evidence",
    "Explanation",
    "Failed",
    "Freshness",
    "Importance",
    "InstantWithoutZoneError",
    "Intake",
    "Interval",
    "Keep",
    "Kind",
    "Limits",
    "Loss",
    "Metric",
    "Missing",
    "Passed",
    "Policy",
    "Predict",
    "Promote",
    "Range",
    "Rehearsal",
    "RehearsalPolicy",
    "Reject",
    "Section",
    "Slices",
    "SliceContrast",
    "Split",
    "TuningPolicy",
    "UnusableInputError",
    "ValidationPolicy",
    "Verdict",
    "Window",
    "WindowError",
    "Windows",
    "compare",
    "compare_availability",
    "contrast_metrics",
    "contrast_slices",
    "decide",
    "draw_rows",
    "explain",
    "find_objections",
    "foresee",
    "judge",
    "largest_difference",
    "measure_figures",
    "measure_importance",
    "number",
    "reach_batch",
    "rehearse",
    "screen",
    "show",
    "split",
]

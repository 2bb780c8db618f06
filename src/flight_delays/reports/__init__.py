"""Report pages and model cards: jinja2 templates with matplotlib plots."""

from .comparison_report import (
    ComparedVersion,
    ComparisonReport,
    write_comparison,
    write_comparison_page,
)
from .training_report import TrainingResult, write_model_card, write_training_page
from .validation_report import Incumbent, Report, write_report

__all__ = [
    "ComparedVersion",
    "ComparisonReport",
    "Incumbent",
    "Report",
    "TrainingResult",
    "write_comparison",
    "write_comparison_page",
    "write_model_card",
    "write_report",
    "write_training_page",
]

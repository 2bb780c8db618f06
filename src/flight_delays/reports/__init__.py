"""What people read: pages of plots that need nothing from elsewhere, and model cards."""

from .comparison_report import (
    ComparedVersion,
    ComparisonReport,
    write_comparison,
    write_comparison_page,
)
from .model_card import Card, Score, write_card
from .training_page import TrainingPage, write_training_page
from .validation_report import Incumbent, Report, write_report

__all__ = [
    "Card",
    "ComparisonReport",
    "Incumbent",
    "Report",
    "ComparedVersion",
    "Score",
    "TrainingPage",
    "write_card",
    "write_comparison",
    "write_comparison_page",
    "write_report",
    "write_training_page",
]

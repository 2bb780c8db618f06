"""What people read: pages of plots that need nothing from elsewhere, and model cards."""

from .contest import Contest, Rival, write_contest, write_contest_page
from .model_card import Card, Score, write_card
from .training_page import TrainingPage, write_training_page
from .validation_report import Opponent, Report, write_report

__all__ = [
    "Card",
    "Contest",
    "Opponent",
    "Report",
    "Rival",
    "Score",
    "TrainingPage",
    "write_card",
    "write_contest",
    "write_contest_page",
    "write_report",
    "write_training_page",
]

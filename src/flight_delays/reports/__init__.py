"""What people read: pages of plots that need nothing from elsewhere, and model cards."""

from .contest import Contest, Rival, write_contest, write_contest_page
from .validation_report import Opponent, Report, write_report

__all__ = [
    "Contest",
    "Opponent",
    "Report",
    "Rival",
    "write_contest",
    "write_contest_page",
    "write_report",
]

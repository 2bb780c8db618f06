"""What people read: pages of plots that need nothing from elsewhere, and model cards."""

from .validation_report import Opponent, Report, write_report

__all__ = ["Opponent", "Report", "write_report"]

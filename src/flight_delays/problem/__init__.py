"""The sample problem: sources, features and model, to be replaced by your own."""

from datetime import timedelta

from ..spec import BINARY_CLASSIFICATION, Label, Problem, Refresh, Spine
from .features import FEATURE_TABLES
from .model import SPINE_FEATURES, Hyperparameters, build_model, heuristic_baseline
from .sources import SOURCES

PROBLEM = Problem(
    description=(
        "Probability, at scheduled departure, that a flight from New York arrives 15 minutes late "
        "or more, from timetable, weather, aircraft and recent delays."
    ),
    intended_use=(
        "For travellers and dispatchers who plan around delays of single flights from Newark, "
        "Kennedy and LaGuardia, asked at scheduled departure. It is a sample on public data."
    ),
    limits=(
        "It says nothing of cancelled or diverted flights, of other airports, or of how long a "
        "delay is. Learned from 2013 alone: other years, carriers and timetables are unknown to "
        "it. Weather is what was observed, not forecast, and not that at the destination. Not for "
        "decisions on safety or on crews."
    ),
    model_type=BINARY_CLASSIFICATION,
    sources=SOURCES,
    feature_tables=FEATURE_TABLES,
    # The schedule of feature_refresh, and the duration of its three tasks and the sync.
    refresh=Refresh(every=timedelta(hours=1), delay=timedelta(minutes=15)),
    time_zone="America/New_York",
    spine=Spine(
        source="flights",
        decision_at="decision_at",
        features=SPINE_FEATURES,
        lookups=("tailnum",),
    ),
    # Cancelled and diverted flights never arrive at their destination and have no label.
    label=Label(source="outcomes", column="late", known_at="known_at", where="status = 'landed'"),
    # 99.99 % of the flights of 2013 landed within 16 hours.
    label_maturity=timedelta(days=1),
    hyperparameters=Hyperparameters,
    build_model=build_model,
    heuristic_baseline=heuristic_baseline,
    requirements=("mlflow", "cloudpickle", "numpy", "pandas", "scikit-learn"),
)

"""Features computed by a function at lookup."""

from typing import NoReturn


class FeatureFunction:
    """Not on the laptop: it would need Unity Catalog functions."""

    def __new__(
        cls,
        *,
        udf_name: str,
        input_bindings: dict[str, str] | None = None,
        output_name: str | None = None,
    ) -> NoReturn:
        """Refuse by name."""
        raise NotImplementedError(
            f"FeatureFunction({udf_name!r}) is not on the laptop. Compute the column before "
            "create_training_set, or inside the model's own pipeline."
        )

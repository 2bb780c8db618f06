"""Loader of packaged models; loading works, direct predictions raise an error."""

from typing import Any, NoReturn


class PackagedModel:
    """A packaged model, which needs feature look-ups to predict."""

    def predict(self, *_: Any, **__: Any) -> NoReturn:
        """Raise an error: only score_batch and the endpoint look up features."""
        raise NotImplementedError(
            "A model logged by FeatureEngineeringClient.log_model does not predict alone on the "
            "laptop. Score it with FeatureEngineeringClient.score_batch or a serving endpoint, or "
            "load the plain model in its folder data/feature_store/raw_model."
        )


def _load_pyfunc(_: str) -> PackagedModel:
    return PackagedModel()

"""Loader of packaged models: it loads, and says where such a model is scored."""

from typing import Any, NoReturn


class PackagedModel:
    """A model that predicts only where its features can be looked up."""

    def predict(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: features are looked up by score_batch and by the endpoint."""
        raise NotImplementedError(
            "A model logged by FeatureEngineeringClient.log_model does not predict alone on the "
            "laptop. Score it with FeatureEngineeringClient.score_batch or a serving endpoint, or "
            "load the plain model in its folder data/feature_store/raw_model."
        )


def _load_pyfunc(_: str) -> PackagedModel:
    return PackagedModel()

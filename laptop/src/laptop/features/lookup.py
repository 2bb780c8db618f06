"""FeatureLookup: a table's features and the columns to look them up by."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from .errors import FeatureError

Default = bool | int | float | str


class FeatureLookup:
    """Features of one table, looked up by columns of the DataFrame.

    Args:
        table_name: Feature table, `catalog.schema.table`.
        lookup_key: Columns of the DataFrame, in the order of the table's primary keys.
        feature_names: Features to take; all except the keys if None.
        rename_outputs: New name by feature name.
        timestamp_lookup_key: Timestamp column of the DataFrame; required if and only if
            the table has a timeseries column.
        lookback_window: Greatest age of a matching row.
        default_values: Replacement for a null, by feature name after renaming.

    Raises:
        FeatureError: The arguments are inconsistent.
    """

    def __init__(
        self,
        table_name: str,
        lookup_key: str | list[str],
        *,
        feature_names: str | list[str] | None = None,
        rename_outputs: dict[str, str] | None = None,
        timestamp_lookup_key: str | None = None,
        lookback_window: timedelta | None = None,
        default_values: dict[str, Default] | None = None,
        **kwargs: object,
    ) -> None:
        if unknown := sorted(set(kwargs) - {"feature_name", "output_name"}):
            raise TypeError(f"FeatureLookup() got unexpected keyword arguments: {unknown}")
        if kwargs:
            raise NotImplementedError(
                f"FeatureLookup arguments {sorted(kwargs)}, which are deprecated, are not on the "
                "laptop. Use feature_names and rename_outputs."
            )
        self.table_name = table_name
        self.lookup_key = lookup_key
        self.feature_names: list[str] = _listed(feature_names)
        self.rename_outputs: Mapping[str, str] = dict(rename_outputs or {})
        self.timestamp_lookup_key = timestamp_lookup_key
        self.lookback_window = lookback_window
        self.default_values: Mapping[str, Default] = dict(default_values or {})
        self._check_window()
        self._check_defaults()

    @property
    def lookup_keys(self) -> tuple[str, ...]:
        """The key columns as a tuple."""
        return tuple(_listed(self.lookup_key))

    @property
    def feature_name(self) -> None:
        """Deprecated; use `feature_names`."""
        return None

    @property
    def output_name(self) -> None:
        """Deprecated; use `rename_outputs`."""
        return None

    def rename(self, feature: str) -> str:
        """Return the output column of a feature."""
        return self.rename_outputs.get(feature, feature)

    def _check_window(self) -> None:
        if self.lookback_window is None:
            return
        if not self.timestamp_lookup_key:
            raise FeatureError(
                f"The lookup in {self.table_name} has a lookback_window and no "
                "timestamp_lookup_key: a window bounds the age at a time. Give both or neither."
            )
        if self.lookback_window < timedelta(0):
            raise FeatureError(
                f"lookback_window of the lookup in {self.table_name} is {self.lookback_window}. "
                "Allowed: zero or more."
            )

    def _check_defaults(self) -> None:
        outputs = [self.rename(name) for name in self.feature_names]
        for name, value in self.default_values.items():
            if value is None or value == "":
                raise FeatureError(
                    f"The default of {name} is {value!r}, which on Databricks is none and leaves "
                    "the null. Leave it out, or give another value."
                )
            if name in self.rename_outputs:
                raise FeatureError(
                    f"default_values names {name}, which is renamed to "
                    f"{self.rename_outputs[name]}: use the new name."
                )
            if outputs and name not in outputs:
                raise FeatureError(
                    f"default_values names {name}, which the lookup in {self.table_name} does "
                    f"not take. It takes: {', '.join(outputs)}."
                )


def _listed(names: str | Sequence[str] | None) -> list[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)

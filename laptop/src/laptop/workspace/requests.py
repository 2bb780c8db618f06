"""What requests bring: JSON objects, and the fields they must have."""

from typing import Annotated, Any

from fastapi import Body

from .errors import ApiError

JsonBody = Annotated[dict[str, Any], Body()]


def required(body: dict[str, Any], *keys: str) -> list[str]:
    """Return the values of string fields that a request must have.

    Raises:
        ApiError: 400, for a field that is absent, empty or no string.
    """
    values = []
    for key in keys:
        value = body.get(key)
        if not isinstance(value, str) or not value:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Field '{key}' is required.")
        values.append(value)
    return values

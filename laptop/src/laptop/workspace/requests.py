"""Request parsing: JSON bodies, required fields and pagination."""

from typing import Annotated, Any, TypeVar

from fastapi import Body

from .errors import ApiError

JsonBody = Annotated[dict[str, Any], Body()]
Item = TypeVar("Item")


def required(body: dict[str, Any], *keys: str) -> list[str]:
    """Return the values of required string fields."""
    values = []
    for key in keys:
        value = body.get(key)
        if not isinstance(value, str) or not value:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Field '{key}' is required.")
        values.append(value)
    return values


def identifier(body: dict[str, Any], key: str) -> int:
    """Return the value of a required integer field."""
    try:
        return int(body[key])
    except (KeyError, TypeError, ValueError):
        text = f"Field '{key}' must be a number."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text) from None


def page(items: list[Item], limit: int, token: str) -> tuple[list[Item], dict[str, Any]]:
    """Return one page of a list and its pagination fields.

    Args:
        items: The whole list.
        limit: Length of a page.
        token: `next_page_token` of the page before; empty for the first.

    Raises:
        ApiError: 400 for an invalid limit or token.
    """
    if limit < 1 or not (token or "0").isdecimal():
        text = (
            f"A page needs a positive limit and a token of an earlier page; got {limit} and "
            f"'{token}'."
        )
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
    end = int(token or 0) + limit
    more = end < len(items)
    after = {"next_page_token": str(end)} if more else {}
    return items[int(token or 0) : end], {"has_more": more, **after}

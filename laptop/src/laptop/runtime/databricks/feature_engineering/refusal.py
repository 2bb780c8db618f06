"""What Databricks' package offers and the laptop does not: there, and refused by name."""

import functools
from collections.abc import Callable, Mapping
from inspect import isfunction
from typing import Any, NoReturn


def refuse(name: str, shape: Callable[..., Any]) -> Callable[..., NoReturn]:
    """Return a function with the signature of a shape, that raises NotImplementedError."""

    @functools.wraps(shape)
    def refused(*_: Any, **__: Any) -> NoReturn:
        raise not_built(name)

    return refused


def refuse_methods(shapes: type) -> type:
    """Make every public method of a class of shapes refuse."""
    for name, shape in public_functions(shapes).items():
        setattr(shapes, name, refuse(f"FeatureEngineeringClient.{name}", shape))
    return shapes


class Refused(type):
    """A class that can be imported, and neither made nor asked for anything."""

    def __getattr__(cls, name: str) -> Any:
        """Refuse a class method or a member."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise not_built(f"{cls.__name__}.{name}")


def refuse_classes(shapes: type) -> dict[str, type]:
    """Return a class for each method of a class of shapes, which is its constructor."""
    return {
        name: Refused(name, (), {"__init__": refuse(name, shape), "__doc__": "Not on the laptop."})
        for name, shape in public_functions(shapes).items()
    }


def public_functions(shapes: type) -> Mapping[str, Callable[..., Any]]:
    """Return the methods of a class that are no one's private business."""
    return {k: v for k, v in vars(shapes).items() if isfunction(v) and not k.startswith("_")}


def not_built(what: str) -> NotImplementedError:
    """Return the error of what is not there."""
    return NotImplementedError(
        f"{what} is not on the laptop. Its README lists what of feature engineering is."
    )

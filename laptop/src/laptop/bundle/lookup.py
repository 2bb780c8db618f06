"""Look-up of references in a bundle."""

from typing import Any

from .documents import Block
from .errors import BundleError, Position
from .references import LEAVE, LookUp, is_reference, split, step_into
from .schema import BUNDLE_FACTS, RESOURCES, WORKSPACE
from .schema_types import MapOf, Record, Shape

DERIVED = {
    "schemas": ("catalog_name", "name"),
    "registered_models": ("catalog_name", "schema_name", "name"),
    "volumes": ("catalog_name", "schema_name", "name"),
}
"""The fields whose values, joined by dots, are a securable's id and full name."""

_ROOTS = ("var", "variables", "bundle", "workspace", "resources", "artifacts")
_SHAPES: dict[str, Shape] = {"bundle": BUNDLE_FACTS, "workspace": WORKSPACE}


class Lookup:
    """Looks up `${var.…}`, `${bundle.…}` and `${workspace.…}`; leaves other references."""

    def __init__(self, tree: Block) -> None:
        self._tree = tree

    def __call__(self, reference: str, at: Position | None) -> Any:
        """Return the value, or `LEAVE` for `${resources.…}`, `${artifacts.…}` and `${NAME}`."""
        head, *rest = split(reference)
        head = str(head)
        if head == "var" and rest:
            head, rest = "variables", [rest[0], "value", *rest[1:]]
        if head == "resources":
            self._check_resource(rest, reference, at)
            return LEAVE
        if head == "artifacts" or not rest:
            return LEAVE
        if head not in _ROOTS:
            raise BundleError("unknown reference", got=f"${{{reference}}}", allowed=_ROOTS, at=at)
        if head == "variables" and "value" not in self._tree.get(head, {}).get(rest[0], {"value"}):
            return LEAVE
        return self._walk(head, rest, reference, at)

    def _walk(self, head: str, rest: list[str | int], reference: str, at: Position | None) -> Any:
        value: Any = self._tree.get(head, Block())
        shape = _SHAPES.get(head)
        for step in rest:
            unset = shape.fields if isinstance(shape, Record) else {}
            shape = unset.get(str(step))
            try:
                value = step_into(value, step)
            except KeyError:
                if step not in unset:
                    known = {*unset, *value} if isinstance(value, dict) else ()
                    what = f"${{{reference}}} does not exist"
                    raise BundleError(what, got=step, allowed=known, at=at) from None
                value = Block() if isinstance(shape, Record) else ""
        return value

    def _check_resource(self, rest: list[str | int], reference: str, at: Position | None) -> None:
        resources = self._tree.get("resources") or {}
        text = f"${{{reference}}}"
        if len(rest) < 3:
            raise BundleError("a reference names resources.TYPE.KEY.FIELD", got=text, at=at)
        kind, key, field = rest[:3]
        if kind not in resources:
            raise BundleError(f"{text}: no such resources", got=kind, allowed=resources, at=at)
        if key not in (resources[kind] or ()):
            raise BundleError(f"{text} does not exist", got=key, allowed=resources[kind], at=at)
        shape = RESOURCES.fields[str(kind)]
        if isinstance(shape, MapOf) and isinstance(shape.item, Record):
            known = {*shape.item.fields, "id", "url"}
            known |= {"full_name"} if kind in DERIVED else set()
            known |= {"volume_path"} if kind == "volumes" else set()
            if field not in known:
                raise BundleError(f"{text}: no such field", got=field, allowed=known, at=at)


def look_up_volume_path(tree: Block) -> LookUp:
    """Set each volume's path in place; return a look-up for `….volume_path` only."""
    resources = tree["resources"]

    def follow(text: str) -> str:
        steps = split(text[2:-1]) if is_reference(text) else []
        if len(steps) == 4 and steps[0] == "resources":
            return str(resources[steps[1]][steps[2]].get(steps[3], text))
        return text

    for volume in resources.get("volumes", {}).values():
        names = "/".join(follow(volume.get(field, "")) for field in DERIVED["volumes"])
        volume["volume_path"] = f"/Volumes/{names}"

    def look_up(reference: str, at: Position | None) -> Any:  # noqa: ARG001
        steps = split(reference)
        if steps[0] == "resources" and steps[1] == "volumes" and steps[3:] == ["volume_path"]:
            return resources["volumes"][steps[2]]["volume_path"]
        return LEAVE

    return look_up

"""Permission strings such as `read("user:ann")`: parsing, splitting, and who holds what. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, invalid_param
from .kernel import is_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROW_ACTIONS = ("read", "update", "delete")
TABLE_ACTIONS = ("create", "read", "update", "delete")
_KNOWN_ACTIONS = (*TABLE_ACTIONS, "write")
_LABEL = re.compile(r"[A-Za-z0-9]{1,36}\Z")
_PLAIN_ROLES = ("any", "guests", "users")
_ROLES = (*_PLAIN_ROLES, "user", "team", "member", "label")
_MOST = 100


@dataclass(frozen=True, slots=True)
class Permission:
    """One action for one role."""

    action: str
    role: str

    def __str__(self) -> str:
        return f'{self.action}("{self.role}")'


@lru_cache(maxsize=4096)
def parse(text: str) -> Permission:
    """`text` as a permission, as loosely as the server reads it: `read("user:a:b")` is for user:a.

    Raises ValueError, worded as the server does, when it is none.
    """
    action, *rest = text.split('("')
    if len(rest) != 1:
        raise ValueError(f'Invalid permission string format: "{text}".')
    if action not in _KNOWN_ACTIONS:
        raise ValueError(f'Invalid permission type: "{action}".')
    full = rest[0].replace('")', "")
    role, *identifiers = full.split(":")
    if "/" not in full:
        return Permission(action, f"{role}:{identifiers[0]}" if identifiers and identifiers[0] else role)
    name, *dimensions = (identifiers[0] if identifiers else full).split("/")
    if len(dimensions) != 1:
        raise ValueError("Only one dimension can be provided")
    if not dimensions[0]:
        raise ValueError("Dimension must not be empty")
    named = f"{role}:{name}" if identifiers else name
    return Permission(action, f"{named}/{dimensions[0]}")


def split(permissions: Iterable[str], allowed: Sequence[str] = ROW_ACTIONS) -> list[str]:
    """`write` replaced by the actions it stands for, in order, without repeats; other actions are kept in place."""
    found: dict[str, None] = {}
    for text in permissions:
        permission = parse(text)
        if permission.action == "write":
            for action in ("create", "update", "delete"):
                if action in allowed:
                    found[str(Permission(action, permission.role))] = None
        else:
            found[str(permission)] = None
    return list(found)


def holders(permissions: Iterable[str], action: str) -> set[str]:
    """The roles that `permissions` allow `action`; malformed entries (transactions store them) allow nothing."""
    prefix = f'{action}("'
    return {text[len(prefix) : -2] for text in permissions if text.startswith(prefix)}


def allows(permissions: Iterable[str], action: str, roles: frozenset[str]) -> bool:
    """Whether one of `roles` may do `action`."""
    return not roles.isdisjoint(holders(permissions, action))


def checked(value: object, allowed: Sequence[str] = (*ROW_ACTIONS, "write"), name: str = "permissions") -> list[str]:
    """`value` of a request as a list of valid permission strings.

    Raises AppwriteError (400) in the wording of the server.
    """
    why = _fault(value, allowed)
    if why:
        raise invalid_param(name, f"{why} or null" if name == "permissions" else why)
    return [str(parse(text)) for text in as_list(value) or []]


def as_list(value: object) -> list[Any] | None:
    """A JSON list, or an object whose keys count from 0 (PHP does not tell them apart); otherwise None."""
    if isinstance(value, dict) and list(value) == [str(n) for n in range(len(value))]:
        return list(value.values())
    return value if isinstance(value, list) else None


def _fault(value: object, allowed: Sequence[str]) -> str | None:
    entries = as_list(value)
    if entries is None:
        return "Permissions must be an array of strings."
    if len(entries) > _MOST:
        return f"You can only provide up to {_MOST} permissions."
    for entry in entries:
        if not isinstance(entry, str):
            return "Every permission must be of type string."
        if entry == "*":
            return 'Wildcard permission "*" has been replaced. Use "any" instead.'
        if "role:" in entry:
            return 'Permissions using the "role:" prefix have been replaced. Use "users", "guests", or "any" instead.'
        if not entry.startswith(tuple(allowed)):
            return f'Permission "{entry}" is not allowed. Must be one of: {", ".join(allowed)}.'
        try:
            permission = parse(entry)
        except ValueError as error:
            return str(error)
        why = role_fault(permission.role)
        if why:
            return why
    return None


def role_fault(role: str) -> str | None:
    """What is wrong with the role `role`, or None."""
    name, _, rest = role.partition(":")
    name, _, plain_dimension = name.partition("/")
    identifier, _, dimension = rest.partition("/")
    dimension = dimension or plain_dimension
    if name not in _ROLES:
        return f'Role "{name}" is not allowed. Must be one of: {", ".join(_ROLES)}.'
    if name in _PLAIN_ROLES and identifier:
        return f'Role "{name}" can not have an ID value.'
    if name not in _PLAIN_ROLES and not identifier:
        return f'Role "{name}" must have an ID value.'
    if name == "label" and identifier and not _LABEL.match(identifier):
        return (
            f'Role "{name}" identifier value is invalid: Value must be a valid string between 1 and 36 chars '
            "containing only alphanumeric chars"
        )
    if identifier and not is_id(identifier):
        return (
            f'Role "{name}" identifier value is invalid: Parameter must contain at most 36 chars. Valid chars are a-z, '
            "A-Z, 0-9, period, hyphen, and underscore. Can't start with a special char"
        )
    if dimension and name in ("user", "users") and dimension not in ("verified", "unverified"):
        return f'Role "{name}" dimension value is invalid. Must be one of: verified, unverified.'
    if dimension and name in ("any", "guests", "label", "member"):
        return f'Role "{name}" can not have a dimension value.'
    return None


def refuse_foreign_roles(permissions: Iterable[str], roles: Sequence[str]) -> None:
    """A user grants only roles that she holds.

    The server looks for read, create, update and delete. Row routes have divided a "write" into these before; in a
    transaction's operations the word stands as it is, and whose role it names is checked by nobody.

    Raises AppwriteError (401) that lists them.
    """
    for text in permissions:
        permission = parse(text)
        if permission.action != "write" and permission.role not in roles:
            raise AppwriteError("user_unauthorized", message=f"Permissions must be one of: ({', '.join(roles)})")

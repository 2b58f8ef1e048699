"""What the routes of rows have in common: the table in the path, parameters, failures, announcements, staging."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .dates import DateError, parse_date
from .errors import AppwriteError, invalid_param
from .permissions import checked, refuse_foreign_roles, split
from .routing import Call, Reply
from .tablestore import DuplicateError, Table
from .writes import ConflictError, ForbiddenError, StructureError, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dialect import Dialect
    from .sqlite import Document

READ = ("rows.read", "documents.read")
WRITE = ("rows.write", "documents.write")


def table_of(call: Call, dialect: Dialect) -> Table:
    """The table in the path, as far as this caller may know it."""
    return call.emulator.catalogue.find_table(
        call.params["databaseId"],
        call.params["tableId"],
        privileged=call.identity.privileged,
        missing=dialect.missing_table,
    )


def data_of(value: object) -> dict[str, Any]:
    """The `data` parameter: an object, or a text with JSON in it. A JSON null is a 500 on the server."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise invalid_param("data", "Value must be a valid JSON object or array") from error
    if isinstance(value, dict):
        return value
    if value is None:
        raise AppwriteError("general_unknown")
    if isinstance(value, list):
        return {str(n): item for n, item in enumerate(value)}  # PHP knows one kind of array
    raise invalid_param("data", "Value must be a valid JSON object or array")


def given_permissions(call: Call) -> list[str] | None:
    """The `permissions` parameter, `write` split; None when it was not given. Raises AppwriteError (400)."""
    given = call.body.get("permissions")
    return None if given is None else split(checked(given))


def refuse_foreign(call: Call, permissions: list[str] | None) -> None:
    """Raise AppwriteError (401) when a user grants roles that she does not hold."""
    if permissions and not call.identity.privileged:
        refuse_foreign_roles(permissions, call.identity.role_list)


def default_permissions(call: Call) -> list[str]:
    """What a user's own new row carries when she names no permissions."""
    user = call.identity.user_id
    return [f'{action}("user:{user}")' for action in ("read", "update", "delete")] if user else []


def writer_for(call: Call, *, since: datetime | None = None) -> Writer:
    """A writer with the caller's rights; only keys may set dates."""
    return Writer(call.emulator.clock, call.identity, keep_dates=call.identity.privileged, since=since)


def request_moment(call: Call) -> datetime | None:
    """The moment in `X-Appwrite-Timestamp`."""
    text = call.headers.get("x-appwrite-timestamp")
    if not text:
        return None
    try:
        return datetime.fromisoformat(parse_date(text, call.emulator.clock))
    except DateError as error:
        raise AppwriteError("general_argument_invalid", message="Invalid X-Appwrite-Timestamp header value") from error


def publish(call: Call, table: Table, action: str, row: Document, dialect: Dialect, *, bulk: bool = False) -> None:
    """Announce a committed write."""
    emulator = call.emulator
    emulator.announce_row(table, action, row, legacy=dialect.legacy, bulk=bulk, acting_user_id=call.identity.user_id)


def guarded(dialect: Dialect, id: str, work: Callable[[], Any]) -> Any:
    """`work` with the failures of a write as the API words them."""
    try:
        return work()
    except StructureError as error:
        raise dialect.error("invalid_structure", message=str(error)) from error
    except DuplicateError as error:
        raise dialect.error("already_exists", id) from error
    except ConflictError as error:
        raise dialect.error("update_conflict") from error
    except ForbiddenError as error:
        raise AppwriteError("user_unauthorized") from error


def answer(table: Table, row: Document, dialect: Dialect, status: int = 200) -> Reply:
    """One row as an answer."""
    place = "$collectionId" if dialect.legacy else "$tableId"
    return Reply({**row, "$databaseId": table.database_id, place: table.id}, status)


def stage(call: Call, table: Table, action: str, row_id: str | None, data: Any) -> bool:
    """Whether the call belongs to a transaction; if so the write is staged instead."""
    transaction_id = call.body.get("transactionId")
    if transaction_id is None:
        return False
    call.emulator.transactions.stage(call.identity, transaction_id, table, action, row_id, data)
    return True


def current_row(call: Call, table: Table, row_id: str) -> Document | None:
    """The row that a write is about. With a transaction it is read inside that, and only by who may read it."""
    transaction_id = call.body.get("transactionId")
    if transaction_id is None:
        return table.row(row_id)
    inside = call.emulator.transactions.view(transaction_id)
    return call.emulator.transactions.row_inside(inside, table, row_id, call.identity)

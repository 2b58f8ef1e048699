"""An Appwrite in memory that answers requests as values: rows, transactions, and fates for each request.

It knows just what the use cases ask of it, and can do what no server can be told to: let a commit take effect any
number of requests after its caller was told that nothing came back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from massage_link.client.credentials import Secret
from massage_link.client.flow import Request, RetryPolicy, Session, perform
from massage_link.domain.money import Money
from massage_link.domain.wish import BookingWish
from massage_link.errors import ConnectionFailed, MassageLinkError, NoAnswer
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow, Reply, Sleep

T = TypeVar("T")
Row = dict[str, Any]
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
_UNIQUE = {"chat_messages": ("roomId", "clientId"), "commission_entries": ("bookingId", "reference")}


class Fate(StrEnum):
    """What becomes of a request."""

    FINE = "fine"
    UNREACHED = "no connection"
    REFUSED = "409, and it had no effect"
    FAILED = "500, and it had no effect"
    LOST = "no answer, and it had no effect"
    DENIED = "401, and it had no effect"
    DONE_BUT_REFUSED = "409, and it took effect"
    DONE_BUT_FAILED = "500, and it took effect"
    DONE_BUT_LOST = "no answer, and it took effect"
    LATE = "no answer, and it takes effect later"


_STATUS = {
    Fate.REFUSED: (409, "transaction_conflict"),
    Fate.FAILED: (500, "general_unknown"),
    Fate.DENIED: (401, "user_unauthorized"),
    Fate.DONE_BUT_REFUSED: (409, "transaction_conflict"),
    Fate.DONE_BUT_FAILED: (500, "general_unknown"),
}
_EFFECTIVE = {Fate.FINE, Fate.DONE_BUT_REFUSED, Fate.DONE_BUT_FAILED, Fate.DONE_BUT_LOST}
_SILENT = {Fate.LOST, Fate.DONE_BUT_LOST, Fate.LATE}


class RefusedError(Exception):
    """The server answers with an error."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(kind)
        self.status, self.kind = status, kind


def _not_imagined(request: Request) -> object:
    raise AssertionError(f"nothing imagined for {request.method} {request.url}")


@dataclass
class ImaginaryAppwrite:
    """Rows by table and id, open transactions, and what is still to happen.

    Attributes:
        fates: what becomes of each write to come; then all is fine.
        reading: what becomes of each read to come.
        delay: after how many requests a late write takes effect.
        before_each: told of each request before it is looked at; what it raises is the answer.
        other: answers what is not imagined here.

    """

    fates: Iterator[Fate] = field(default_factory=lambda: iter(()))
    reading: Iterator[Fate] = field(default_factory=lambda: iter(()))
    delay: int = 2
    before_each: Callable[[Request], object] = lambda _: None
    other: Callable[[Request], object] = _not_imagined
    tables: dict[str, dict[str, Row]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    _transactions: dict[str, list[Row]] = field(default_factory=dict)
    _staged_at: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    _late: list[tuple[int, Callable[[], object]]] = field(default_factory=list)
    _between: tuple[int, Callable[[], object]] = (-1, lambda: None)
    _writes: int = 0

    def rows(self, table: str) -> dict[str, Row]:
        """The rows of a table by id."""
        return self.tables.setdefault(table, {})

    def settle(self) -> None:
        """Let everything happen that is late; from now on all is fine."""
        self.fates = self.reading = iter(())
        for _, effect in self._late:
            self._attempt(effect)
        self._late.clear()

    def between(self, number: int, act: Callable[[], object]) -> None:
        """Let something else happen before the request after so many."""
        self._between = (number, act)

    def answer(self, request: Request) -> Reply:
        """The reply to a request, or the transport's error, as its fate wants it."""
        self.before_each(request)
        number, act = self._between
        if len(self.requests) == number:
            self._between = (-1, lambda: None)
            with self._undisturbed():
                act()
        self.requests.append(request.shown)
        self._let_late_ones_happen()
        fate = next(self.reading if request.method == "GET" else self.fates, Fate.FINE)
        if fate is Fate.UNREACHED:
            raise ConnectionFailed("no connection", request=request.shown)
        reply = self._attempt(lambda: self._handle(request)) if fate in _EFFECTIVE else None
        if fate is Fate.LATE:
            self._late.append((len(self.requests) + self.delay, lambda: self._handle(request)))
        if fate in _SILENT:
            raise NoAnswer("no answer", request=request.shown)
        if fate in _STATUS:
            return _error(*_STATUS[fate])
        assert reply is not None
        return reply

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        fates, reading = self.fates, self.reading
        self.fates = self.reading = iter(())
        try:
            yield
        finally:
            self.fates, self.reading = fates, reading

    def _let_late_ones_happen(self) -> None:
        due = [effect for when, effect in self._late if when <= len(self.requests)]
        self._late = [(when, effect) for when, effect in self._late if when > len(self.requests)]
        for effect in due:
            self._attempt(effect)

    def _attempt(self, effect: Callable[[], object]) -> Reply:
        before = deepcopy(self.tables)
        try:
            return _reply(200, effect())
        except RefusedError as refused:
            self.tables = before
            return _error(refused.status, refused.kind)

    # --- routes
    def _handle(self, request: Request) -> object:
        url = urlsplit(request.url)
        parts = [unquote(part) for part in url.path.split("/")[2:]]
        body = json.loads(request.content) if request.content else {}
        match request.method, parts:
            case "POST", ["tablesdb", "transactions"]:
                transaction = f"transaction{len(self._transactions)}"
                self._transactions[transaction] = []
                self._staged_at[transaction] = {}
                return {"$id": transaction}
            case "POST", ["tablesdb", "transactions", transaction, "operations"]:
                return self._stage(transaction, body["operations"])
            case "PATCH", ["tablesdb", "transactions", transaction]:
                return self._commit(transaction)
            case "GET", ["tablesdb", _, "tables", table, "rows"]:
                return {"total": 0, "rows": self._listed(table, parse_qs(url.query).get("queries[]", []))}
            case "POST", ["tablesdb", _, "tables", table, "rows"]:
                return self._create(table, body["rowId"], {**body["data"], "$permissions": body["permissions"]})
            case "PATCH", ["tablesdb", _, "tables", table, "rows", row_id]:
                return self._patch(table, row_id, body["data"], request.headers["X-Appwrite-Timestamp"])
        return self.other(request)

    def _stage(self, transaction: str, operations: list[Row]) -> object:
        for operation in operations:
            if operation["action"] == "update":
                row = self.rows(operation["tableId"]).get(operation["rowId"])
                if row is None:
                    raise RefusedError(404, "document_not_found")
                self._staged_at[transaction][operation["tableId"], operation["rowId"]] = row["#"]
            self._transactions[transaction].append(operation)
        return {"$id": transaction}

    def _commit(self, transaction: str) -> object:
        operations = self._transactions.pop(transaction, None)
        if operations is None:
            raise RefusedError(400, "transaction_not_ready")
        self._transactions[f"done {transaction}"] = []
        for operation in operations:
            self._apply(transaction, operation)
        return {"$id": transaction, "status": "committed"}

    def _apply(self, transaction: str, operation: Row) -> None:
        table, data = operation["tableId"], operation["data"]
        match operation["action"]:
            case "create":
                self._create(table, operation["rowId"], data)
            case "update":
                row = self.rows(table)[operation["rowId"]]
                if row["#"] != self._staged_at[transaction][table, operation["rowId"]]:
                    raise RefusedError(409, "transaction_conflict")
                row.update(data, **self._stamp())
            case "bulkCreate":
                for each in data:
                    self._create(table, each["$id"], {name: value for name, value in each.items() if name != "$id"})
            case "bulkDelete":
                for row in self._listed(table, [*data["queries"], '{"method":"limit","values":[5000]}']):
                    del self.rows(table)[row["$id"]]
            case other:
                raise AssertionError(f"nothing imagined for the operation {other}")

    # --- rows
    def _stamp(self) -> Row:
        self._writes += 1
        stamp = NOW + timedelta(milliseconds=self._writes)
        return {"#": self._writes, "$updatedAt": stamp.isoformat(timespec="milliseconds")}

    def _create(self, table: str, row_id: str, data: Mapping[str, Any]) -> Row:
        columns = _UNIQUE.get(table, ())
        value = tuple(data.get(column) for column in columns)
        taken = columns and any(tuple(row[each] for each in columns) == value for row in self.rows(table).values())
        if row_id in self.rows(table) or taken:
            raise RefusedError(409, "row_already_exists")
        stamp = self._stamp()
        self.rows(table)[row_id] = {**data, "$id": row_id, "$createdAt": stamp["$updatedAt"], **stamp}
        return self.rows(table)[row_id]

    def _patch(self, table: str, row_id: str, data: Mapping[str, Any], unless_changed: str) -> Row:
        if row_id not in self.rows(table):
            raise RefusedError(404, "row_not_found")
        if self.rows(table)[row_id]["$updatedAt"] > unless_changed:
            raise RefusedError(409, "row_update_conflict")
        self.rows(table)[row_id].update(data, **self._stamp())
        return self.rows(table)[row_id]

    def _listed(self, table: str, queries: Iterable[str]) -> list[Row]:
        rows, limit = list(self.rows(table).values()), 25
        for query in map(json.loads, queries):
            column, values = query.get("attribute", ""), query.get("values", [])
            match query["method"]:
                case "equal":
                    rows = [row for row in rows if row.get(column) in values]
                case "notEqual":
                    rows = [row for row in rows if row.get(column) not in values]
                case "greaterThan":
                    rows = [row for row in rows if row[column] > values[0]]
                case "lessThanEqual":
                    rows = [row for row in rows if row.get(column) is not None and row[column] <= values[0]]
                case "orderAsc":
                    rows.sort(key=lambda row: row[column])
                case "orderDesc":
                    rows.sort(key=lambda row: row[column], reverse=True)
                case "limit":
                    limit = values[0]
                case "cursorAfter":
                    rows = rows[[row["$id"] for row in rows].index(values[0]) + 1 :]
                case other:
                    raise AssertionError(f"nothing imagined for the query {other}")
        return rows[:limit]


def _reply(status: int, body: object) -> Reply:
    return Reply(status, {}, json.dumps(body).encode())


def _error(status: int, kind: str) -> Reply:
    return _reply(status, {"message": "Imagined.", "code": status, "type": kind, "version": "1.9.6"})


def ports() -> Ports:
    """Surroundings in which time stands still, ids count up and nobody waits."""
    numbers = iter(range(1, 10**6))
    return Ports(now=lambda: NOW, new_id=lambda: f"{next(numbers):028x}", jitter=lambda _: 0.0)


def wish(**changes: Any) -> BookingWish:
    """A request for tomorrow's noon."""
    start = NOW + timedelta(days=1, hours=4)
    facts: dict[str, Any] = {
        "customer_id": "carla",
        "therapist_id": "theo",
        "service": "Deep tissue",
        "starts_at": start,
        "ends_at": start + timedelta(hours=1),
        "price": Money(9_505, "EUR"),
    }
    return BookingWish(**{**facts, **changes})


def session() -> Session:
    """A session with a key."""
    return Session("http://imagined/v1", "project", Secret("key", "secret"), RetryPolicy())


def run(server: ImaginaryAppwrite, flow: Flow[T]) -> T:
    """Run a flow on the imagined server, without waiting."""
    exchange = perform(session(), flow)
    reply: Reply | None = None
    error: MassageLinkError | None = None
    while True:
        try:
            step = exchange.send(reply) if error is None else exchange.throw(error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        reply = error = None
        if not isinstance(step, Sleep):
            try:
                reply = server.answer(step)
            except MassageLinkError as failure:
                error = failure

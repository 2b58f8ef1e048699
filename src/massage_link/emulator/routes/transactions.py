"""Transactions, in both spellings: each API takes the operations of the other's transactions."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError, ServerFailure, invalid_param
from massage_link.emulator.pages import page
from massage_link.emulator.params import boolean
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.transactions import wire

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document

_TTL_LEAST, _TTL_MOST = 60, 3600


def create(call: Call) -> Reply:
    """Begin a transaction of `ttl` seconds (300)."""
    ttl = call.body.get("ttl", 300)
    if "ttl" in call.body and ttl is None:
        raise AppwriteError("general_unknown")
    if isinstance(ttl, str) and ttl.isdigit():
        ttl = int(ttl)
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not _TTL_LEAST <= ttl <= _TTL_MOST:
        raise invalid_param("ttl", f"Value must be a valid range between {_TTL_LEAST} and {_TTL_MOST:,}")
    return Reply(wire(call.emulator.transactions.create(call.identity, ttl)), 201)


def _found(call: Call) -> Document:
    return call.emulator.transactions.find(call.params["transactionId"], call.identity)


def get(call: Call) -> Reply:
    """One transaction of the caller's."""
    return Reply(wire(_found(call)))


def list_all(call: Call) -> Reply:
    """The caller's transactions."""
    shown, total = page(
        call, call.emulator.transactions.all_for(call.identity), {"status": "string", "expiresAt": "datetime"}
    )
    return Reply({"total": total, "transactions": shown})


def delete(call: Call) -> Reply:
    """Forget a transaction."""
    call.emulator.transactions.remove(_found(call)["$id"])
    return Reply(None, 204)


def stage(call: Call, dialect: Dialect) -> Reply:
    """Stage operations."""
    operations = call.body.get("operations", [])
    if operations is None:
        raise ServerFailure("null for operations")
    staged = call.emulator.transactions.stage_operations(
        call.params["transactionId"], operations, call.identity, legacy=dialect.legacy
    )
    return Reply(wire(staged), 201)


async def finish(call: Call) -> Reply:
    """Commit or roll back."""
    commit, rollback = boolean(call, "commit", default=False), boolean(call, "rollback", default=False)
    if not commit and not rollback:
        raise AppwriteError("general_bad_request", message="Either commit or rollback must be true")
    if commit and rollback:
        raise AppwriteError("general_bad_request", message="Cannot commit and rollback at the same time")
    transactions = call.emulator.transactions
    transaction = _found(call)
    transactions.ready(transaction)
    if rollback:
        return Reply(wire(transactions.rollback(transaction)))
    moment = None
    delay = call.emulator.faults.commit_delay()
    if delay:
        moment = call.emulator.clock.stamp()
        await asyncio.sleep(delay)
        transactions.ready(transaction)
    return Reply(wire(transactions.commit(transaction, call.identity, moment=moment)))


_READ, _WRITE = ("documents.read", "rows.read"), ("documents.write", "rows.write")


def _routes(dialect: Dialect, base: str) -> list[Route]:
    one = base + "/{transactionId}"
    return [
        Route("POST", base, create, _WRITE),
        Route("GET", base, list_all, _READ),
        Route("GET", one, get, _READ),
        Route("PATCH", one, finish, _WRITE),
        Route("DELETE", one, delete, _WRITE),
        Route("POST", one + "/operations", partial(stage, dialect=dialect), _WRITE),
    ]


routes = [*_routes(ROWS, "tablesdb/transactions"), *_routes(DOCUMENTS, "databases/transactions")]

"""The running emulator as one object: stores, clock, bus and settings, handed to every route."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .bus import Bus
from .catalogue import Catalogue
from .console import Console
from .events import ResourceChange, RowChange
from .faults import Faults
from .functions.host import FunctionHost
from .identity import Identities, Identity
from .kernel import Clock
from .presences import Presences
from .realtime import Hub
from .sqlite import Database, Document
from .transactions import Transactions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from .tablestore import Table


@dataclass(frozen=True, slots=True)
class Settings:
    """How an emulator is started.

    `data_dir` None keeps everything in memory; `begins_at` is the moment from which its clock runs, None the present.
    """

    project: str = "massage-link"
    key: str = field(default_factory=lambda: "standard_" + secrets.token_hex(32))
    control_token: str = field(default_factory=lambda: secrets.token_hex(16))
    data_dir: Path | None = None
    functions_dir: Path | None = None
    rate_limits: bool = False
    begins_at: datetime | None = None


class Emulator:
    """All state of one server. `endpoint` is set once the server knows its port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.endpoint = "http://127.0.0.1/v1"
        self.clock = Clock()
        if settings.begins_at is not None:
            self.clock.offset = settings.begins_at - self.clock.now()
        self.database = Database(settings.data_dir)
        self.bus = Bus()
        self._load()
        self.hub = Hub(self.clock, self._identity_of)
        self.presences = Presences(self)
        self.functions = FunctionHost(self)
        self.bus.subscribe(self.hub.publish)
        self.bus.subscribe(self.functions.publish)

    def _load(self) -> None:
        self.identities = Identities(self.database, self.clock, project=self.settings.project, key=self.settings.key)
        self.console = Console(self.database, self.clock, key=self.settings.key)
        self.catalogue = Catalogue(self.database, self.clock)
        self.transactions = Transactions(self)
        self.faults = Faults()

    def announce_row(
        self,
        table: Table,
        action: str,
        row: Document,
        *,
        legacy: bool = False,
        bulk: bool = False,
        in_transaction: bool = False,
        acting_user_id: str | None = None,
    ) -> None:
        """Publish a committed write of `row` (as stored); the keys that name its place depend on how it was written."""
        if not in_transaction:
            self.faults.refresh(table, row["$id"])
        if in_transaction:
            place = {"$collection": table.internal_name, "$tableId": table.id, "$collectionId": table.id}
        else:
            place = {"$databaseId": table.database_id, "$collectionId" if legacy else "$tableId": table.id}
            if bulk and action != "create":
                place["$collection"] = table.internal_name
        self.bus.publish(
            RowChange(
                database_id=table.database_id,
                table_id=table.id,
                action=action,
                row={**row, **place},
                table_permissions=tuple(table.permissions),
                row_security=table.row_security,
                in_transaction=in_transaction,
                acting_user_id=acting_user_id,
                api="databases" if legacy else "tablesdb",
            )
        )

    def announce(
        self,
        pattern: str,
        ids: Mapping[str, str],
        payload: Mapping[str, object],
        *,
        acting_user_id: str | None = None,
        rebinds_user_id: str | None = None,
    ) -> None:
        """Publish any other committed write, such as `users.[userId].create`."""
        self.bus.publish(ResourceChange(pattern, ids, payload, acting_user_id, rebinds_user_id))

    def reset(self) -> None:
        """Drop all data."""
        listeners = self.identities.listeners
        self.database.clear()
        self._load()
        self.identities.listeners.extend(listeners)
        self.presences.reset()
        self.functions.reset()

    def _identity_of(self, user_id: str) -> Identity | None:
        user = self.identities.users.get(user_id)
        return self.identities.as_user(user_id) if user and user["status"] else None

    def close(self) -> None:
        """Give up the data directory."""
        self.database.close()

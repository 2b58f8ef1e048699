"""The Appwrite Functions of this project, as ``appwrite push functions`` deploys them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from massage_link.domain.tables import BOOKINGS, DATABASE

if TYPE_CHECKING:
    from massage_link.schema.columns import Definition

__all__ = ["ADMIT_BOOKING", "FUNCTIONS", "Function", "functions_of"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function. Its folder is ``functions/{id}``.

    Attributes:
        events: patterns of the events that start it.
        scopes: what its key may do. A TablesDB transaction asks for the same scopes as its rows.
        execute: roles that may call it.
        schedule: cron expression, UTC.
        timeout: seconds after which an execution is ended.

    """

    id: str
    events: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("rows.read", "rows.write")
    execute: tuple[str, ...] = ()
    schedule: str = ""
    timeout: int = 15

    def definition(self) -> Definition:
        """As the Appwrite CLI writes it."""
        return {
            "$id": self.id,
            "name": self.id,
            "runtime": "python-3.12",
            "path": f"functions/{self.id}",
            "entrypoint": "main.py",
            "commands": "pip install -r requirements.txt",
            "execute": list(self.execute),
            "events": list(self.events),
            "schedule": self.schedule,
            "timeout": self.timeout,
            "enabled": True,
            "logging": True,
            "scopes": list(self.scopes),
            "specification": "s-0.5vcpu-512mb",
        }


_BOOKING_CREATED = f"databases.{DATABASE}.tables.{BOOKINGS.id}.rows.*.create"

_BOOKING_WRITTEN = f"databases.{DATABASE}.tables.{BOOKINGS.id}.rows.*"

#: Those that every deployment has.
FUNCTIONS = (
    Function("create_chat_room", events=(_BOOKING_CREATED,)),
    Function("compute_commission", events=(_BOOKING_CREATED,)),
    # users.read: whether a caller who has no part in a booking carries the label of ops.
    # presences.write: who is typing in a room, readable by its other side.
    Function("commands", execute=("users",), scopes=("rows.read", "rows.write", "users.read", "presences.write")),
    Function("sweep", schedule="* * * * *", timeout=55),
)
#: For direct-write mode alone. Appwrite knows no pattern for upserts, so it runs for every write to a booking row.
ADMIT_BOOKING = Function("admit_booking", events=(_BOOKING_WRITTEN,))


def functions_of(*, direct_write: bool = False) -> tuple[Function, ...]:
    """The functions of a deployment."""
    return (*FUNCTIONS, ADMIT_BOOKING) if direct_write else FUNCTIONS

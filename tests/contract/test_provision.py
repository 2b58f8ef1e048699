"""Pushing the schema: adds what is missing, changes nothing that is there, and says what differs."""

from __future__ import annotations

import pytest

from marketplace import Server, own_database
from massage_link.domain.tables import BOOKING_TERMS, TABLES
from massage_link.errors import SchemaError
from massage_link.usecases.provision import push_schema
from massage_link.wire.control import create_column, create_table, get_table


def test_pushing_again_makes_nothing(server: Server) -> None:
    with server.link() as link:
        told: list[str] = []
        assert link.run(push_schema(link.ports, progress=told.append)) == 0
        assert told == [table.id for table in TABLES]


def test_a_table_that_differs_is_named_and_left_alone(server: Server) -> None:
    with own_database(server, tables=()) as other, other.link() as link:
        address = link.ports.address(BOOKING_TERMS)
        link.send(create_table(address, "Booking terms", ['read("label:ops")']))
        different = {"key": "commissionBps", "type": "integer", "required": True, "array": False, "min": 0, "max": 5}
        link.send(create_column(address, different))
        with pytest.raises(SchemaError, match=r"column booking_terms\.commissionBps: max is 5, the model says"):
            link.run(push_schema(link.ports, tables=[BOOKING_TERMS]))
        (column,) = link.send(get_table(address))["columns"]
        assert column["max"] == 5

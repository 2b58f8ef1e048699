"""`massage-link schema check` finds what was planted, and `schema push` mends what may be mended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from massage_link import MassageLink, Money
from massage_link.cli.app import app
from massage_link.domain.tables import BOOKINGS, SLOTS, SYSTEM_STATE, Table
from massage_link.schema import functions_of, table_definition
from massage_link.testing import Emulator, running_emulator
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.control import (
    create_column,
    create_database,
    delete_column,
    delete_index,
    get_table,
    update_column,
    update_function,
    update_table,
)

RUNNER = CliRunner()
ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
_DEFINITIONS = {table.id: table_definition(table) for table in (BOOKINGS, SLOTS, SYSTEM_STATE)}
_FUNCTIONS = {function.id: function.definition() for function in functions_of()}


@dataclass(frozen=True)
class Shop:
    """A server with tables and functions, a link with its key, and a folder that leads there."""

    link: MassageLink
    folder: Path

    def run(self, *arguments: str) -> Result:
        """A command in the folder."""
        places = ["--root", str(self.folder), "--env-file", str(self.folder / ".env")]
        return RUNNER.invoke(app, [*arguments, *places])

    def differences(self, *options: str) -> list[dict[str, Any]]:
        """What the check says to programs."""
        found: list[dict[str, Any]] = json.loads(self.run("schema", "check", "--json", *options).stdout)["differences"]
        return found

    def send(self, call: Call[None]) -> None:
        """Plant something, and wait until the server has done it."""
        self.link.send(call)

    def table(self, table: Table[Any]) -> dict[str, Any]:
        """A table as the server has it now."""
        return self.link.send(get_table(self.link.ports.address(table)))


def _folder(folder: Path, server: Emulator) -> Path:
    shutil.copyfile(ROOT / "appwrite.json", folder / "appwrite.json")
    settings = f"APPWRITE_ENDPOINT={server.endpoint}\nAPPWRITE_PROJECT_ID={server.project_id}\n"
    (folder / ".env").write_text(f"{settings}APPWRITE_API_KEY={server.api_key}\n")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with running_emulator(functions=FUNCTIONS) as server, server.link() as link:
        yield Shop(link, _folder(tmp_path, server))


def _column(table: Table[Any], key: str, **changes: Any) -> dict[str, Any]:
    (column,) = [column for column in _DEFINITIONS[table.id]["columns"] if column["key"] == key]
    return {**column, **changes}


Planting = Callable[[Shop], None]


def _drop_a_column(shop: Shop) -> None:
    shop.send(delete_column(shop.link.ports.address(BOOKINGS), "note"))


def _shorten_a_size(shop: Shop) -> None:
    shop.send(update_column(shop.link.ports.address(BOOKINGS), _column(BOOKINGS, "statusReason", size=5)))


def _narrow_an_enum(shop: Shop) -> None:
    column = _column(BOOKINGS, "status", elements=["pending", "accepted"])
    shop.send(update_column(shop.link.ports.address(BOOKINGS), column))


def _drop_an_index(shop: Shop) -> None:
    shop.send(delete_index(shop.link.ports.address(SLOTS), "by_bookingId"))


def _widen_a_permission(shop: Shop) -> None:
    table = _DEFINITIONS[BOOKINGS.id]
    wider = {**table, "$permissions": [*table["$permissions"], 'read("any")']}
    shop.send(update_table(shop.link.ports.address(BOOKINGS), wider))


def _switch_row_security_off(shop: Shop) -> None:
    table = {**_DEFINITIONS[BOOKINGS.id], "rowSecurity": False}
    shop.send(update_table(shop.link.ports.address(BOOKINGS), table))


def _change_a_function(function: str, **changes: Any) -> Planting:
    return lambda shop: shop.send(update_function({**_FUNCTIONS[function], **changes}))


def _drop_a_function(shop: Shop) -> None:
    shop.send(Call("DELETE", path("functions", "sweep"), nothing))


def _drop_a_table(shop: Shop) -> None:
    shop.send(Call("DELETE", path("tablesdb", "massage_link", "tables", "slots"), nothing))


#: What is planted → what the check says of it: the thing, what is the matter, the fact, and a word of the advice.
PLANTED: Mapping[str, tuple[Planting, tuple[str, str, str, str]]] = {
    "a dropped column": (_drop_a_column, ("column bookings.note", "missing", "", "schema push")),
    "a shortened size": (
        _shorten_a_size,
        ("column bookings.statusReason", "different", "size", "--allow-destructive"),
    ),
    "a narrower enum": (_narrow_an_enum, ("column bookings.status", "different", "elements", "--allow-destructive")),
    "a missing index": (_drop_an_index, ("index slots.by_bookingId", "missing", "", "schema push")),
    "a missing table": (_drop_a_table, ("table slots", "missing", "", "schema push")),
    "a wider permission": (_widen_a_permission, ("table bookings", "different", "$permissions", 'read("any") lets')),
    "no row security": (_switch_row_security_off, ("table bookings", "different", "rowSecurity", "schema push")),
    "a missing event": (
        _change_a_function("create_chat_room", events=[]),
        ("function create_chat_room", "different", "events", "appwrite push functions"),
    ),
    "a wrong scope": (
        _change_a_function("commands", scopes=["rows.read", "users.write"]),
        ("function commands", "different", "scopes", "appwrite push functions"),
    ),
    "another schedule": (
        _change_a_function("sweep", schedule="0 * * * *"),
        ("function sweep", "different", "schedule", "appwrite push functions"),
    ),
    "callers that shall not be": (
        _change_a_function("sweep", execute=["any"]),
        ("function sweep", "different", "execute", "appwrite push functions"),
    ),
    "a missing function": (_drop_a_function, ("function sweep", "missing", "", "appwrite push functions")),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server for all plantings: each is found beside those before it."""
    with running_emulator(functions=FUNCTIONS) as server, server.link() as link:
        yield Shop(link, _folder(tmp_path_factory.mktemp("shop"), server))


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found_and_said_with_what_to_do(kept: Shop, planted: str) -> None:
    plant, (what, kind, fact, advice) = PLANTED[planted]
    before = kept.differences()
    plant(kept)
    new = [each for each in kept.differences() if each not in before]
    (found,) = [each for each in new if (each["what"], each["fact"]) == (what, fact)]
    assert (found["where"], found["kind"], found["matters"]) == ("server", kind, True)
    assert advice in found["action"]
    result = kept.run("schema", "check")
    assert result.exit_code == 1
    assert f"server: {what}: " in result.stdout
    assert advice in result.stdout


def test_a_server_as_the_models_say_passes(shop: Shop) -> None:
    result = shop.run("schema", "check")
    assert (result.exit_code, result.stdout) == (0, "The server is as the models say.\n")
    assert json.loads(shop.run("schema", "check", "--json").stdout) == {"ok": True, "differences": []}


def test_a_file_that_differs_is_told_from_a_server_that_differs(shop: Shop) -> None:
    file = shop.folder / "appwrite.json"
    content = json.loads(file.read_text())
    content["functions"][0]["events"] = []
    file.write_text(json.dumps(content))
    (found,) = shop.differences()
    assert (found["where"], found["what"], found["fact"]) == ("appwrite.json", "function create_chat_room", "events")
    assert found["action"] == "run `massage-link schema generate`"
    file.write_text("{")
    (broken,) = shop.differences()
    assert (broken["what"], broken["kind"]) == ("the file", "broken")


def test_what_is_not_ours_is_told_and_fails_only_where_it_does_harm(shop: Shop) -> None:
    address = shop.link.ports.address(SYSTEM_STATE)
    shop.send(create_database("other", "Other"))
    shop.send(create_column(address, {"key": "theirs", "type": "boolean", "required": False, "array": False}))
    result = shop.run("schema", "check")
    assert result.exit_code == 0
    assert "database other: is not in the model.\n    → `appwrite push tables` would delete it" in result.stdout
    assert "column system_state.theirs: is not in the model." in result.stdout
    shop.send(create_column(address, {"key": "needed", "type": "boolean", "required": True, "array": False}))
    assert shop.run("schema", "check").exit_code == 1


def test_a_push_mends_what_is_missing_and_warns_of_the_clis_trap(shop: Shop) -> None:
    _drop_a_column(shop)
    _drop_an_index(shop)
    _drop_a_table(shop)
    shop.send(create_database("other", "Other"))
    result = shop.run("schema", "push")
    assert result.exit_code == 0, result.output
    assert "+ column bookings.note: is missing" in result.stderr
    assert "+ table slots: is missing" in result.stderr
    assert "`appwrite push tables` would delete the database other" in result.stderr
    assert [each for each in shop.differences() if each["matters"]] == []


def test_a_push_changes_what_differs_only_when_it_is_told_to(shop: Shop) -> None:
    booking = _booked(shop)
    _shorten_a_size(shop)
    _widen_a_permission(shop)
    _drop_an_index(shop)
    refused = shop.run("schema", "push")
    assert refused.exit_code == 2
    assert "~ column bookings.statusReason: size is 5" in refused.stderr
    assert [index["key"] for index in shop.table(SLOTS)["indexes"]] == ["by_therapistId"]
    forced = shop.run("schema", "push", "--allow-destructive")
    assert forced.exit_code == 0, forced.output
    assert shop.differences() == []
    assert shop.link.bookings.get(booking).id == booking


def test_a_column_of_another_type_is_made_anew_with_the_index_on_it(shop: Shop) -> None:
    address = shop.link.ports.address(SLOTS)
    for index in _DEFINITIONS[SLOTS.id]["indexes"]:
        shop.send(delete_index(address, index["key"]))
    shop.send(delete_column(address, "bookingId"))
    shop.send(create_column(address, {"key": "bookingId", "type": "integer", "required": False, "array": False}))
    assert shop.run("schema", "push").exit_code == 2
    assert shop.run("schema", "push", "--allow-destructive").exit_code == 0
    assert shop.differences() == []


def test_a_push_that_was_interrupted_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    with running_emulator(schema=False, functions=FUNCTIONS) as server, server.link() as link:
        shop = Shop(link, _folder(tmp_path, server))
        server.control("POST", "faults", {"method": "POST", "path": "*/columns/*", "skip": 20, "times": None,
                                          "action": {"status": 500}})  # fmt: skip
        assert shop.run("schema", "push").exit_code == 1
        server.control("DELETE", "faults")
        assert shop.run("schema", "push").exit_code == 0
        assert [each for each in shop.differences() if not each["what"].startswith("function")] == []


def _booked(shop: Shop) -> str:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    return shop.link.bookings.request(
        customer_id="zoe",
        therapist_id="mara",
        service="Deep tissue",
        starts_at=start,
        ends_at=start + timedelta(hours=1),
        price=Money(9_505, "EUR"),
        note="Left",
    ).id

"""`massage-link listen` end to end: in a terminal, in a pipe, with signals, crashes and faults of the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployed import FUNCTIONS
from listen_screen import picture, same_picture, shown_in_docs
from listening import COMMAND, PATIENCE, Listening, at_the_desk, environment, listening
from marketplace import Market, Server
from massage_link import AsyncMassageLink, Booking, Status
from massage_link.domain.people import Therapist
from massage_link.domain.tables import THERAPISTS
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.ports import create_derived
from massage_link.wire.users import create_user, set_labels, sign_in

pytestmark = pytest.mark.emulator_only


def _people(server: Emulator) -> None:
    with server.link() as link:
        for name in ("ana", "mia", "ops"):
            link.send(create_user(name, f"{name}@example.com", "password-1", name.title()))
        link.send(set_labels("ops", ["ops"]))


@pytest.fixture(scope="module")
def own() -> Iterator[Emulator]:
    """A server of this module's own."""
    with running_emulator() as server:
        _people(server)
        yield server


@pytest.fixture(scope="module")
def deployed() -> Iterator[Emulator]:
    """A server with our functions, on which clients may write bookings."""
    with running_emulator(functions=FUNCTIONS, direct_write=True) as server:
        _people(server)
        yield server


@pytest.fixture
async def link(own: Emulator) -> AsyncIterator[AsyncMassageLink]:
    async with own.async_link() as link:
        yield link


@pytest.fixture
def market(own: Emulator) -> Iterator[Market]:
    """Nothing of a test is left to the next one."""
    with own.link() as link:
        market = Market(Server(own.endpoint, own.project_id, own.api_key, "massage_link", own), link)
        yield market
        market.empty()


async def request(link: AsyncMassageLink, market: Market, **changes: Any) -> Booking:
    """Mia asks Ana."""
    facts = {"customer_id": "mia", "therapist_id": "ana", "customer_name": "Mia Keller", **changes}
    return await link.bookings.request(**market.wish(**facts))


async def status(link: AsyncMassageLink, booking: Booking) -> Status:
    return (await link.bookings.get(booking.id)).status


# --- in a terminal ----------------------------------------------------------------------------------------------------
async def test_a_request_appears_rings_and_is_accepted_by_a_key(
    own: Emulator, link: AsyncMassageLink, market: Market
) -> None:
    async with at_the_desk(own, "--therapist", "ana") as desk:
        await desk.until("● live")
        assert "No request waits for an answer." in desk.screen.text
        assert desk.screen.bells == 0
        booking = await request(link, market)
        await desk.until("▸")
        assert "Mia Keller" in desk.screen.text
        await desk.until(lambda screen: screen.bells == 1)
        desk.type("a")
        await desk.until("accepted: Deep tissue")
        await desk.until("0 requests")
        (_, event) = [event async for event in link.bookings.history(booking.id)]
        assert (event.actor, event.actor_role, event.to_status) == ("ana", "therapist", "accepted")
        desk.type("q")
        assert await desk.ended() == 0
        assert not desk.screen.is_alternate
        assert desk.screen.shows_cursor


async def test_a_request_is_declined_with_a_reason(own: Emulator, link: AsyncMassageLink, market: Market) -> None:
    booking = await request(link, market)
    other = await request(link, market)
    async with at_the_desk(own, "--therapist", "ana") as desk:
        await desk.until("2 requests")
        desk.type("\x1b[A\x1b[Bd")  # from wherever it is to the top, and one down
        await desk.until("Reason for declining")
        desk.type("Ill, aöd\x7f\x7f\x7f\x7f\x7f\r")
        await desk.until("(Ill)")
        declined = {each.id: await link.bookings.get(each.id) for each in (booking, other)}
        assert sorted(each.status for each in declined.values()) == ["declined", "pending"]
        assert {each.status_reason for each in declined.values()} == {"Ill", ""}


async def test_a_request_that_was_moved_meanwhile_is_not_accepted_unseen(
    own: Emulator, link: AsyncMassageLink, market: Market
) -> None:
    async with at_the_desk(own, "--therapist", "ana") as desk:
        await desk.until("● live")
        booking = await request(link, market)
        await desk.until("▸")
        await asyncio.to_thread(own.control, "POST", "realtime", {"lose": 1.0})
        try:
            await link.bookings.reschedule(booking.id, market.start(), by="mia")
            desk.type("a")
            await desk.until("not answered: booking")
        finally:
            await asyncio.to_thread(own.control, "POST", "realtime", {"lose": 0})
        assert await status(link, booking) is Status.PENDING
        desk.type("a")  # the new time has been seen now
        await desk.until("0 requests")
        assert await status(link, booking) is Status.ACCEPTED


@pytest.mark.long
async def test_a_broken_connection_is_shown_and_what_was_missed_is_counted(
    own: Emulator, link: AsyncMassageLink, market: Market
) -> None:
    async with at_the_desk(own, "--therapist", "ana") as desk:
        await desk.until("● live")
        await asyncio.to_thread(own.control, "POST", "realtime", {"refuse": 2, "drop": True})
        await desk.until("● reconnecting")
        await request(link, market)
        await desk.until("missed changes replayed")
        await desk.until("● live")
        assert "1 request" in desk.screen.text


@pytest.mark.long
async def test_the_requests_that_are_open_are_on_the_desk_at_every_start(
    own: Emulator, link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    await request(link, market)
    options = ("--therapist", "ana", "--checkpoint", str(tmp_path / "progress"))
    for _ in range(2):
        async with at_the_desk(own, *options) as desk:
            await desk.until("1 request ")
            desk.process.terminate()
            assert await desk.ended() == 0


@pytest.mark.long
async def test_the_picture_in_the_docs_is_what_one_sees() -> None:
    assert same_picture(await picture()) == same_picture(shown_in_docs()), "run tests/listen_screen.py"


async def test_a_therapist_who_signed_in_answers_through_the_function(deployed: Emulator) -> None:
    async with deployed.async_link() as link:
        secret = await link.send(sign_in(deployed.project_id, "ana@example.com", "password-1"))
        with deployed.link() as blocking:
            wishes = Market(Server(deployed.endpoint, deployed.project_id, deployed.api_key), blocking)
            booking = await request(link, wishes)
        settings = {"APPWRITE_API_KEY": "", "APPWRITE_SESSION": secret}
        async with at_the_desk(deployed, settings=settings) as desk:
            await desk.until("1 request ")
            assert desk.screen.text.startswith("Ana · ")
            await desk.until("● live")
            desk.type("a" if "▸" in desk.screen.text else "ja")
            await desk.until("accepted: ")
        (_, event) = [event async for event in link.bookings.history(booking.id)]
        assert (event.actor, event.actor_role) == ("ana", "therapist")


async def test_ops_watch_everybody_and_what_is_being_checked(deployed: Emulator) -> None:
    services = [{"name": "Deep tissue", "minutes": 60, "priceMinor": 9_505, "currency": "EUR"}]
    whole_day = [["00:00", "24:00"]]
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), whole_day)
    hours = {"weekly": week, "horizonDays": 730}
    catalogue = Therapist(
        id="ana", name="Ana Berg", timezone="UTC", hours=json.dumps(hours), services=json.dumps(services)
    )
    async with deployed.async_link() as link:
        await link.run(create_derived(link.ports, THERAPISTS, catalogue, []))
        async with listening(deployed, "--all", "--as", "ops", "--json") as watching:
            await watching.until_live()
            with deployed.link() as blocking:
                starts_at = Market(Server(deployed.endpoint, deployed.project_id, deployed.api_key), blocking).start()
            row = {"customerId": "mia", "therapistId": "ana", "service": "Deep tissue"}
            await _write_as_client(link, {**row, "startsAt": starts_at.isoformat()})
            seen: list[tuple[str, str]] = []
            while ("commissions", "created") not in seen or ("chat_messages", "created") not in seen:
                change = await watching.change()
                seen.append((change["watch"], change["kind"]))
    assert seen[0] == ("drafts", "created")
    assert ("bookings", "created") in seen or ("bookings", "updated") in seen


async def _write_as_client(link: AsyncMassageLink, data: dict[str, Any]) -> None:
    from massage_link.wire.call import Call, nothing, path

    rows = path("tablesdb", "massage_link", "tables", "bookings", "rows")
    await link.as_user("mia").send(Call("POST", rows, nothing, {"rowId": "draft1", "data": data}))


# --- in a pipe --------------------------------------------------------------------------------------------------------
async def test_json_is_one_object_a_line_and_nothing_else(
    own: Emulator, link: AsyncMassageLink, market: Market
) -> None:
    before = await request(link, market)
    async with listening(own, "--therapist", "ana", "--json") as watching:
        first = await watching.change()
        assert (first["row_id"], first["source"]) == (before.id, "replay")
        await watching.until_live()
        booking = await request(link, market)
        await request(link, market, therapist_id="eva")  # somebody else's
        change = await watching.change()
        assert Booking.model_validate(change["row"]).columns() == booking.columns()
        assert (change["id"], change["kind"], change["table"]) == (f"bookings/{booking.id}/1", "created", "bookings")
        await link.chat.send(booking.id, "Is there parking?", sender_id="mia")
        texts = [(await watching.change())["row"]["body"] for _ in range(2)]
        assert texts[1] == "Is there parking?"
        await link.bookings.accept(booking.id, by="ana")
        changes = {change["table"]: change for change in [await watching.change() for _ in range(2)]}
        assert (changes["bookings"]["row"]["status"], changes["bookings"]["version"]) == ("accepted", 2)
        assert changes["chat_messages"]["row"]["body"] == "Accepted by the therapist."
        watching.process.terminate()
        assert await watching.ended() == (0, "", "")


async def test_without_json_each_change_is_a_line_for_people(
    own: Emulator, link: AsyncMassageLink, market: Market
) -> None:
    async with listening(own, "--therapist", "ana") as watching:
        await watching.until_live()
        booking = await request(link, market)
        line = await watching.line()
    assert "Z request: Deep tissue, " in line
    assert line.endswith(f"Mia Keller, 95.05 EUR [{booking.id}]\n")


async def test_a_terminal_that_lacks_a_letter_is_no_error(
    own: Emulator, link: AsyncMassageLink, market: Market
) -> None:
    async with listening(own, "--therapist", "ana", settings={"PYTHONIOENCODING": "ascii"}) as watching:
        await watching.until_live()
        await request(link, market, customer_name="Zoë")
        assert "Zo?" in await watching.line()


@pytest.mark.parametrize("reader", ["head -n 1", '(read -r line; echo "$line")'])
async def test_who_has_read_enough_may_leave(
    own: Emulator, link: AsyncMassageLink, market: Market, reader: str
) -> None:
    booking = await request(link, market)
    script = f'set -o pipefail; "$@" | {reader}; echo status $?'
    arguments = ("bash", "-c", script, "bash", *COMMAND, "--therapist", "ana", "--json")
    process = await asyncio.create_subprocess_exec(*arguments, stdout=PIPE, stderr=PIPE, env=environment(own), cwd="/")
    async with asyncio.timeout(PATIENCE):
        out, notes = await process.communicate()
    lines = out.decode().splitlines()
    assert json.loads(lines[0])["row_id"] == booking.id
    assert lines[1:] == ["status 0"]
    assert b"Traceback" not in notes
    assert b"Broken" not in notes


# --- commands and rules -----------------------------------------------------------------------------------------------
async def test_a_command_gets_each_request_and_nothing_else(
    own: Emulator, link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    async with listening(own, "--therapist", "ana", "--json", "--exec", f"cat >> {told}; echo noted") as watching:
        await watching.until_live()
        bookings = [await request(link, market) for _ in range(2)]
        for _ in bookings:
            await watching.until_noted("noted")
        await link.bookings.accept(bookings[0].id, by="ana")
        while (await watching.request(bookings[0].id))["version"] != 2:
            pass
        watching.process.terminate()
        assert (await watching.ended())[0] == 0
    rows = [json.loads(line) for line in told.read_text("utf-8").splitlines()]
    assert sorted((row["$id"], row["status"]) for row in rows) == sorted((each.id, "pending") for each in bookings)


async def test_a_command_that_fails_is_said_and_run_again(
    own: Emulator, link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    command = f"[ -e {once} ] && echo it worked || {{ touch {once}; echo no paper >&2; exit 3; }}"
    async with listening(own, "--therapist", "ana", "--json", "--exec", command) as watching:
        await watching.until_live()
        await request(link, market)
        failure = await watching.until_noted("is run again")
        assert "ended with status 3. no paper" in failure
        await watching.until_noted("it worked")


async def test_the_rules_accept_what_they_allow_and_leave_the_rest(
    own: Emulator, link: AsyncMassageLink, market: Market
) -> None:
    rules = ("--auto-accept", "--service", "deep tissue", "--hours", "12:00-14:00", "--gap", "30")
    noon = market.start()
    late, another_day = noon.replace(hour=15), market.start()
    async with listening(own, "--therapist", "ana", "--json", *rules) as watching:
        await watching.until_live()

        async def asked(said: str, **facts: Any) -> Status:
            booking = await request(link, market, **facts)
            assert said in await watching.until_noted(booking.id)
            return await status(link, booking)

        assert await asked("is accepted by the rules", starts_at=noon) is Status.ACCEPTED
        assert await asked("is not among the services", service="Thai", starts_at=another_day) is Status.PENDING
        assert await asked("is not within 12:00-14:00", starts_at=late) is Status.PENDING
        hour = noon.replace(hour=13)
        assert await asked("is 0 minutes away", starts_at=hour, ends_at=hour.replace(minute=30)) is Status.PENDING


# --- ending -----------------------------------------------------------------------------------------------------------
async def _running(fifo: Path) -> None:
    """Wait until the command has said through the fifo that it runs."""
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(fifo.read_text)


@pytest.fixture
def fifos(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Through the first a command says that it runs, through the second it is let go on; it writes the third."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    return begun, go, tmp_path / "finished"


def _slow(fifos: tuple[Path, Path, Path]) -> str:
    begun, go, finished = fifos
    return f"echo > {begun}; cat {go}; cat >> {finished}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_the_running_command_finish_and_that_counts(
    own: Emulator,
    link: AsyncMassageLink,
    market: Market,
    fifos: tuple[Path, Path, Path],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    begun, go, finished = fifos
    options = ("--therapist", "ana", "--json", "--checkpoint", str(tmp_path / "progress"))
    async with listening(own, *options, "--exec", _slow(fifos)) as watching:
        await watching.until_live()
        first = await request(link, market)
        await _running(begun)
        watching.process.send_signal(number)
        await asyncio.to_thread(go.write_text, "")
        assert (await watching.ended())[0] == 0
    assert json.loads(finished.read_text())["$id"] == first.id
    second = await request(link, market)
    async with listening(own, *options) as watching:
        assert (await watching.change())["row_id"] == second.id


async def test_a_second_signal_ends_at_once(
    own: Emulator, link: AsyncMassageLink, market: Market, fifos: tuple[Path, Path, Path]
) -> None:
    async with listening(own, "--therapist", "ana", "--json", "--exec", _slow(fifos)) as watching:
        await watching.until_live()
        await request(link, market)
        await _running(fifos[0])
        watching.process.send_signal(signal.SIGTERM)
        watching.process.send_signal(signal.SIGINT)
        assert (await watching.ended())[0] in {128 + signal.SIGINT, 128 + signal.SIGTERM}  # in either order
    assert not fifos[2].exists()


@pytest.mark.long
async def test_after_a_kill_what_was_not_finished_comes_again_and_nothing_else(
    own: Emulator, link: AsyncMassageLink, market: Market, fifos: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    progress = ("--therapist", "ana", "--checkpoint", str(tmp_path / "progress"))
    async with listening(own, *progress, "--json") as watching:
        await watching.until_live()
        done = await request(link, market)
        assert (await watching.change())["row_id"] == done.id
        watching.process.terminate()
        await watching.ended()
    async with listening(own, *progress, "--json", "--exec", _slow(fifos)) as watching:
        await watching.until_live()
        open_one = await request(link, market)
        before = await watching.change()
        await _running(fifos[0])
        watching.process.send_signal(signal.SIGKILL)
        await watching.ended()
    missed = await request(link, market)
    async with listening(own, *progress, "--json") as watching:
        again = [await watching.change() for _ in range(2)]
    assert sorted(each["row_id"] for each in again) == sorted([open_one.id, missed.id])
    assert before["id"] in {each["id"] for each in again}


# --- what can be wrong at the start -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "settings", "code", "said"),
    [
        (["--therapist", "nobody"], {}, 1, "there is no user 'nobody' in project 'massage-link'"),
        (["--therapist", "ana"], {"APPWRITE_API_KEY": "wrong"}, 1, "Check the credential"),
        (["--therapist", "ana"], {"APPWRITE_PROJECT_ID": "other"}, 1, "Check APPWRITE_PROJECT_ID"),
        ([], {}, 2, "--therapist ID is missing"),
        (["--all"], {}, 2, "--as USER, a user with the label ops, is missing"),
        (["--all", "--as", "ana"], {}, 2, "user ana does not have the label 'ops'"),
        (["--all", "--therapist", "ana"], {}, 2, "leave --therapist out"),
        (["--therapist", "ana", "--as", "ops"], {}, 2, "--as belongs to --all"),
        (["--therapist", "ana"], {"APPWRITE_API_KEY": ""}, 2, "set APPWRITE_API_KEY or APPWRITE_SESSION"),
        (
            [],
            {"APPWRITE_API_KEY": "", "APPWRITE_SESSION": "wrong"},
            1,
            "does not accept this session (any more): sign in",
        ),
        (["--therapist", "ana", "--hours", "9-18"], {}, 2, "are rules for --auto-accept"),
        (["--therapist", "ana", "--auto-accept", "--hours", "9-18"], {}, 2, "'9-18' are no hours"),
        (["--all", "--as", "ops", "--auto-accept"], {}, 2, "--auto-accept is for one therapist"),
        (["--therapist", "ana", "--checkpoint", "/nowhere/at/all"], {}, 2, "cannot be opened"),
    ],
)
async def test_what_is_wrong_is_one_sentence(
    own: Emulator, options: list[str], settings: dict[str, str], code: int, said: str
) -> None:
    async with listening(own, *options, "--json", settings=settings) as watching:
        status, out, notes = await watching.ended()
    assert (status, out) == (code, "")
    assert said in notes
    assert notes.startswith("massage-link: ")
    assert notes.count("\n") == 1


async def test_a_session_of_somebody_else_is_refused(own: Emulator, link: AsyncMassageLink) -> None:
    secret = await link.send(sign_in(own.project_id, "mia@example.com", "password-1"))
    settings = {"APPWRITE_API_KEY": "", "APPWRITE_SESSION": secret}
    async with listening(own, "--therapist", "ana", settings=settings) as watching:
        status, _, notes = await watching.ended()
    assert status == 2
    assert "the credential is mia's, not ana's" in notes
    assert secret not in notes


async def test_a_wrong_id_at_the_desk_gives_the_terminal_back(own: Emulator) -> None:
    async with at_the_desk(own, "--therapist", "nobody") as desk:
        assert await desk.ended() == 1
        await desk.until("there is no user 'nobody'")
        assert not desk.screen.is_alternate


async def test_when_the_terminal_is_gone_so_is_the_process(own: Emulator) -> None:
    async with at_the_desk(own, "--therapist", "ana") as desk:
        await desk.until("● live")
        desk.hang_up()
        assert await desk.ended() == 0


async def test_a_checkpoint_serves_one_process_at_a_time(own: Emulator, tmp_path: Path) -> None:
    options = ("--therapist", "ana", "--checkpoint", str(tmp_path / "progress"))
    async with listening(own, *options) as first:
        await first.until_live()
        async with listening(own, *options) as second:
            status, _, notes = await second.ended()
    assert status == 2
    assert "is in use by another process" in notes


@pytest.mark.long
async def test_a_server_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    with running_emulator(data_dir=tmp_path) as server:
        _people(server)
        port = int(server.endpoint.split(":")[2].split("/")[0])
        server.kill()
        async with listening(server, "--therapist", "ana", "--json") as watching:
            assert "no connection" in await watching.until_noted("Trying again in")
            with running_emulator(data_dir=tmp_path, port=port, api_key=server.api_key, schema=False):
                await watching.until_live()
                assert "Traceback" not in "".join(watching.notes)
                await _ends_cleanly(watching)


@pytest.mark.long
async def test_waiting_for_a_server_can_be_broken_off(tmp_path: Path) -> None:
    with running_emulator(schema=False) as server:
        server.kill()
        async with listening(server, "--therapist", "ana", "--json") as watching:
            await watching.until_noted("Trying again in")
            await _ends_cleanly(watching)


async def _ends_cleanly(watching: Listening) -> None:
    watching.process.terminate()
    assert (await watching.ended())[:2] == (0, "")

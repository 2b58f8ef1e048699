"""Who a link acts as: key, user by short JWTs, session, nobody; on the emulator or a real server, with both links."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from marketplace import LinkMaker, Market, People, Server, all_of
from massage_link import AsyncMassageLink, MassageLink
from massage_link.client.credentials import MintedJwt, Secret
from massage_link.domain.tables import BOOKINGS
from massage_link.errors import (
    CredentialRequired,
    InvalidInput,
    MassageLinkError,
    NotFound,
    RowNotFound,
    SettingsError,
    StatusError,
    Unauthorized,
    UsageError,
)
from massage_link.wire.rows import create_row
from massage_link.wire.users import user_jwt


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


async def test_a_user_s_jwt_is_minted_once_and_renewed_before_it_ends(
    link: AsyncMassageLink, server: Server, people: People, market: Market
) -> None:
    booking = await link.bookings.request(**market.wish(customer_id=people.customer.id))
    clock = Clock()
    credential = MintedJwt(people.customer.id, Secret("key", server.api_key), clock)
    user = link._sharing(link._acting_as(credential))
    assert (await user.bookings.get(booking.id)).id == booking.id
    minted_at = clock.seconds
    until = credential._fresh_until
    assert until < minted_at + 3_600
    clock.seconds = until - 1
    await user.bookings.get(booking.id)
    assert credential._fresh_until == until
    clock.seconds = until
    await user.bookings.get(booking.id)
    assert credential._fresh_until == until + (until - minted_at)


async def test_a_jwt_that_the_server_refuses_is_replaced_at_once(
    link: AsyncMassageLink, server: Server, people: People, market: Market
) -> None:
    booking = await link.bookings.request(**market.wish(customer_id=people.customer.id))
    credential = MintedJwt(people.customer.id, Secret("key", server.api_key))
    credential._token, credential._fresh_until = "header.payload.signature", time.monotonic() + 3_000
    user = link._sharing(link._acting_as(credential))
    assert (await user.bookings.get(booking.id)).id == booking.id


@pytest.mark.emulator_only
async def test_a_jwt_that_has_run_out_on_the_server_is_replaced(
    link: AsyncMassageLink, server: Server, people: People, market: Market
) -> None:
    assert server.emulator is not None
    booking = await link.bookings.request(**market.wish(customer_id=people.customer.id))
    user = link.as_user(people.customer.id)
    await user.bookings.get(booking.id)
    server.emulator.control("POST", "clock", {"offsetSeconds": 4_000})
    try:
        assert (await user.bookings.get(booking.id)).id == booking.id
    finally:
        server.emulator.control("POST", "clock", {"offsetSeconds": 0})


async def test_acting_as_somebody_needs_a_key_and_a_user_who_is_there(
    links: LinkMaker, people: People, market: Market
) -> None:
    with pytest.raises(CredentialRequired, match="as_user needs an API key"):
        links(api_key=None).as_user(people.customer.id)
    with pytest.raises(InvalidInput, match="not an id"):
        links().as_user("not an id!")
    with pytest.raises(NotFound):
        await links().as_user(market.someone()).bookings.get("any")


async def test_signing_in_acts_as_the_user(links: LinkMaker, people: People, market: Market) -> None:
    booking = await links().bookings.request(**market.wish(customer_id=people.customer.id))
    user = await links(api_key=None).sign_in(people.customer.email, people.customer.password)
    assert user.credential.kind == "session"
    assert booking.id in {each.id async for each in user.bookings.list()}


async def test_a_wrong_password_says_what_to_check(links: LinkMaker, people: People) -> None:
    with pytest.raises(Unauthorized, match="Check email and password") as refused:
        await links(api_key=None).sign_in(people.customer.email, "not-the-password")
    assert "not-the-password" not in str(refused.value)


async def test_a_session_that_is_none_sees_nothing(links: LinkMaker, market: Market) -> None:
    # The server takes whoever sends one for a guest.
    booking = await links().bookings.request(**market.wish())
    with pytest.raises(NotFound, match="not visible to this credential"):
        await links(api_key=None, session="nonsense").bookings.get(booking.id)


async def test_a_session_s_cookie_does_not_travel_with_the_key_or_with_other_users(
    links: LinkMaker, people: People, market: Market
) -> None:
    key = links()
    own = await key.bookings.request(**market.wish(customer_id=people.customer.id))
    user = await key.sign_in(people.customer.email, people.customer.password)
    assert (await user.bookings.get(own.id)).id == own.id
    # All of these share one connection pool.
    other = await key.bookings.request(**market.wish())
    assert (await key.bookings.get(other.id)).id == other.id
    with pytest.raises(NotFound):
        await key.as_user(people.other_customer.id).bookings.get(own.id)
    nobody = links(api_key=None)
    await nobody.sign_in(people.customer.email, people.customer.password)
    assert await all_of(nobody.bookings.list()) == []


async def test_a_wrong_key_says_what_to_check(links: LinkMaker, market: Market) -> None:
    link = links(api_key="standard_wrong")
    for work in (link.bookings.get("any"), link.bookings.request(**market.wish())):
        with pytest.raises(Unauthorized, match="Check the") as refused:
            await work
        assert "standard_wrong" not in str(refused.value)


async def test_a_wrong_project_says_what_to_check(links: LinkMaker, market: Market) -> None:
    link = links(project_id="no-such-project")
    for work in (link.bookings.get("any"), link.bookings.request(**market.wish())):
        with pytest.raises(StatusError, match="APPWRITE_PROJECT_ID"):
            await work


async def test_a_wrong_database_says_what_to_do(links: LinkMaker, market: Market) -> None:
    link = links(database="no-such-database")
    with pytest.raises(RowNotFound, match="schema"):
        await link.bookings.get("any")
    with pytest.raises(MassageLinkError, match="schema"):
        await link.bookings.request(**market.wish())


async def test_a_row_that_is_there_is_a_conflict_with_its_type(link: AsyncMassageLink, market: Market) -> None:
    booking = await link.bookings.request(**market.wish())
    call = create_row(link.ports.address(BOOKINGS), BOOKINGS.model, booking.id, booking.columns(), [])
    with pytest.raises(StatusError) as refused:
        await link.send(call)
    assert (refused.value.status, refused.value.type) == (409, "row_already_exists")
    assert refused.value.request.startswith("POST /tablesdb/")


def test_from_env_reads_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPWRITE_ENDPOINT", server.endpoint)
    monkeypatch.setenv("APPWRITE_PROJECT_ID", server.project_id)
    monkeypatch.setenv("APPWRITE_API_KEY", server.api_key)
    monkeypatch.setenv("MASSAGE_LINK_DATABASE", server.database)
    with MassageLink.from_env(None) as link:
        assert (link.credential.kind, link.ports.database) == ("key", server.database)
        with pytest.raises(NotFound):
            link.bookings.get("any")


async def test_from_env_reads_a_file_and_serves_async_links(server: Server, people: People, tmp_path: Path) -> None:
    with server.link() as link:
        jwt = link.send(user_jwt(people.customer.id))
    assert jwt
    env = tmp_path / ".env"
    env.write_text(
        f"APPWRITE_ENDPOINT={server.endpoint}\nAPPWRITE_PROJECT_ID={server.project_id}\n"
        f"APPWRITE_API_KEY={server.api_key}\nMASSAGE_LINK_DATABASE={server.database}\n"
    )
    async with AsyncMassageLink.from_env(env) as alink:
        assert alink.endpoint == server.endpoint
        with pytest.raises(NotFound):
            await alink.bookings.get("any")


def test_from_env_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="APPWRITE_ENDPOINT is not set; APPWRITE_PROJECT_ID is not set"):
        MassageLink.from_env(tmp_path / ".env")


def test_two_credentials_are_one_too_many(server: Server) -> None:
    with pytest.raises(UsageError, match="give one credential"):
        server.link(session="a-session")

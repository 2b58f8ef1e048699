"""Who is signed in; signing out; and the therapists whom anybody may see."""

from __future__ import annotations

import pytest

from marketplace import LinkMaker, Market, People, all_of
from massage_link import AsyncMassageLink
from massage_link.domain.people import Therapist
from massage_link.domain.tables import THERAPISTS
from massage_link.errors import CredentialRequired, StatusError
from massage_link.usecases.ports import create_derived
from massage_link.wire.call import Call, nothing, path


async def test_a_session_says_whose_it_is(link: AsyncMassageLink, people: People) -> None:
    ops = await link.sign_in(people.ops.email, people.ops.password)
    account = await ops.account.get()
    assert (account.id, account.name, account.labels) == (people.ops.id, "Ops", frozenset({"ops"}))


async def test_a_session_that_was_signed_out_is_of_no_use(link: AsyncMassageLink, people: People) -> None:
    customer = await link.sign_in(people.customer.email, people.customer.password)
    await customer.account.sign_out()
    with pytest.raises(StatusError) as refused:
        await customer.account.get()
    assert refused.value.status == 401


async def test_neither_a_key_nor_a_guest_is_somebody(link: AsyncMassageLink, links: LinkMaker) -> None:
    for nobody in (link, links(api_key=None)):
        with pytest.raises(CredentialRequired, match="about who is signed in"):
            await nobody.account.get()
        with pytest.raises(CredentialRequired, match="about who is signed in"):
            await nobody.account.sign_out()


async def test_anybody_sees_the_therapists_who_take_bookings(market: Market, links: LinkMaker) -> None:
    working, resting = market.someone("therapist"), market.someone("therapist")
    for user_id, active in ((working, True), (resting, False)):
        row = Therapist(id=user_id, name="Thea", timezone="UTC", active=active)
        market.link.run(create_derived(market.link.ports, THERAPISTS, row, []))
    try:
        seen = {each.id for each in await all_of(links(api_key=None).availability.therapists())}
        assert working in seen
        assert resting not in seen
    finally:
        for user_id in (working, resting):
            row_path = path("tablesdb", market.server.database, "tables", THERAPISTS.id, "rows", user_id)
            market.link.send(Call("DELETE", row_path, nothing))

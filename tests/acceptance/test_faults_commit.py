"""Every way a commit can be answered, before and after it took effect: the caller is told the truth each time."""

from __future__ import annotations

import pytest

from faults import ANSWERS, COMMIT, READ, TRANSACTIONS, WORK, Faults, error_body
from marketplace import LinkMaker, Market, all_of
from massage_link import AsyncMassageLink, Status
from massage_link.domain.rows import Row
from massage_link.errors import (
    BadRequest,
    Conflict,
    MassageLinkError,
    OutcomeUnknown,
    RateLimited,
    StatusError,
    Unauthorized,
)

pytestmark = pytest.mark.emulator_only


def same(one: Row, other: Row) -> bool:
    """Whether two rows tell the same, apart from what the server adds."""
    metadata = {"created_at", "updated_at", "permissions"}
    return one.model_dump(exclude=metadata) == other.model_dump(exclude=metadata)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", WORK)
async def test_one_bad_answer_is_survived_and_the_work_is_done_once(
    hasty: AsyncMassageLink, market: Market, faults: Faults, name: str, answer: str, when: str
) -> None:
    work = WORK[name]
    it = await work.set_up(hasty, market)
    faults.plant(work.write, ANSWERS[answer], when=when)
    result = await work.do(hasty, it)
    assert faults.met() == 1
    (stored,) = await work.found(hasty, it)
    assert same(stored, result)
    market.check()


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", WORK)
async def test_when_every_answer_is_bad_after_the_effect_the_effect_is_found(
    hasty: AsyncMassageLink, market: Market, faults: Faults, name: str, answer: str
) -> None:
    work = WORK[name]
    it = await work.set_up(hasty, market)
    faults.plant(work.write, ANSWERS[answer], when="after", times=None)
    result = await work.do(hasty, it)
    assert faults.met() >= 1
    (stored,) = await work.found(hasty, it)
    assert same(stored, result)
    market.check()


#: What is raised when nothing ever takes effect: unknown is all that an unclear answer allows to say.
_TRUTH: dict[str, type[MassageLinkError]] = {
    "409": Conflict,
    "429": RateLimited,
    "500": OutcomeUnknown,
    "503": OutcomeUnknown,
    "dropped": OutcomeUnknown,
}


@pytest.mark.parametrize("answer", _TRUTH)
@pytest.mark.parametrize("name", WORK)
async def test_when_every_answer_is_bad_and_nothing_takes_effect_nothing_is_there(
    hasty: AsyncMassageLink, market: Market, faults: Faults, name: str, answer: str
) -> None:
    work = WORK[name]
    it = await work.set_up(hasty, market)
    before = market.contents()
    faults.plant(work.write, ANSWERS[answer], times=None)
    with pytest.raises(_TRUTH[answer]):
        await work.do(hasty, it)
    assert market.contents() == before
    market.check()
    faults.clear()
    result = await work.do(hasty, it)
    (stored,) = await work.found(hasty, it)
    assert same(stored, result)
    market.check()


@pytest.mark.parametrize("name", ["request by key", "accept"])
async def test_commits_that_all_come_too_late_take_effect_at_most_once(
    hasty: AsyncMassageLink, market: Market, faults: Faults, name: str
) -> None:
    work = WORK[name]
    it = await work.set_up(hasty, market)
    faults.plant(work.write, ANSWERS["too late"], times=None)
    try:
        result = await work.do(hasty, it)
    except OutcomeUnknown:
        result = None
    faults.clear()
    stored = await work.found(hasty, it)
    assert len(stored) <= 1
    assert result is None or same(stored[0], result)
    market.check()


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [(400, "document_invalid_structure", BadRequest), (401, "user_unauthorized", Unauthorized)],
)
@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_a_refusal_of_the_server_is_passed_on_unless_the_commit_took_effect(
    hasty: AsyncMassageLink,
    market: Market,
    faults: Faults,
    name: str,
    status: int,
    kind: str,
    error: type[StatusError],
) -> None:
    work = WORK[name]
    it = await work.set_up(hasty, market)
    before = market.contents()
    answer = {"status": status, "body": error_body(status, kind)}
    faults.plant(COMMIT, answer)
    with pytest.raises(error) as refused:
        await work.do(hasty, it)
    assert refused.value.type == kind
    assert market.contents() == before
    faults.plant(COMMIT, answer, when="after")
    result = await work.do(hasty, it)
    assert faults.met() == 2
    (stored,) = await work.found(hasty, it)
    assert same(stored, result)
    market.check()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_outcome_that_can_not_be_read_is_called_unknown_and_a_repeat_tells_it(
    hasty: AsyncMassageLink, market: Market, faults: Faults, when: str
) -> None:
    wish = market.wish(idempotency_key="unknown")
    faults.plant(COMMIT, {"drop": True}, when=when)
    # Three attempts to read the key row, and one each for the catalogue and the terms, go well before the commit.
    faults.plant(READ, {"status": 500}, times=None, skip=3)
    with pytest.raises(OutcomeUnknown, match="same idempotency key"):
        await hasty.bookings.request(**wish)
    faults.clear()
    made = await all_of(hasty.bookings.list(therapist_id=wish["therapist_id"]))
    assert len(made) == (1 if when == "after" else 0)
    booking = await hasty.bookings.request(**wish)
    assert [each.id for each in made] in ([], [booking.id])
    market.check()


async def test_a_page_that_is_no_answer_of_appwrite_s_does_not_pass_for_a_commit(
    hasty: AsyncMassageLink, market: Market, faults: Faults
) -> None:
    wish = market.wish()
    faults.plant(COMMIT, {"status": 200, "body": {"welcome": "to this hotel"}}, times=None)
    with pytest.raises(OutcomeUnknown, match="not what Appwrite documents"):
        await hasty.bookings.request(**wish)
    assert await all_of(hasty.bookings.list(therapist_id=wish["therapist_id"])) == []
    market.check()


async def test_completing_ensures_the_commission_through_a_bad_answer_of_either_commit(
    links: LinkMaker, market: Market, faults: Faults
) -> None:
    link = links()
    for skip in (0, 1):
        for when in ("before", "after"):
            booking = await link.bookings.request(**market.wish())
            await link.bookings.accept(booking.id)
            faults.plant(COMMIT, {"drop": True}, when=when, skip=skip)
            completed = await link.bookings.complete(booking.id)
            assert faults.met() == 1
            faults.clear()
            assert completed.status is Status.COMPLETED
            assert (await link.commissions.get(booking.id)).status.value == "due"
    market.check()

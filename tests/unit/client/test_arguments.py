"""What a caller hands over by mistake is refused in our own words, before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from marketplace import all_of
from massage_link import AsyncMassageLink, CommissionStatus, Money, Status
from massage_link.errors import InvalidInput, SettingsError, UsageError
from massage_link.usecases.transitions import Quote

Make = Callable[..., AsyncMassageLink]
Call = Callable[[AsyncMassageLink, Any], Awaitable[Any] | AsyncIterator[Any]]

_AWARE = datetime(2030, 1, 1, 10, tzinfo=UTC)
_NAIVE = datetime(2030, 1, 1, 10)  # noqa: DTZ001 - the mistake
_NO_TEXTS = [5, 1.5, True, b"mara", ["mara"], _AWARE, {"id": "mara"}]

_BY_ID: dict[str, Call] = {
    "get": lambda link, it: link.bookings.get(it),
    "accept": lambda link, it: link.bookings.accept(it, by="mara"),
    "reschedule": lambda link, it: link.bookings.reschedule(it, _AWARE),
    "address": lambda link, it: link.bookings.address(it),
    "history": lambda link, it: link.bookings.history(it),
    "send": lambda link, it: link.chat.send(it, "Hello", sender_id="mara"),
    "room": lambda link, it: link.chat.room(it),
    "messages": lambda link, it: link.chat.messages(it),
    "commission": lambda link, it: link.commissions.get(it),
    "entries": lambda link, it: link.commissions.entries(it),
    "therapist": lambda link, it: link.availability.therapist(it),
}
_BY_FILTER: dict[str, Call] = {
    "customer's bookings": lambda link, it: link.bookings.list(customer_id=it),
    "therapist's bookings": lambda link, it: link.bookings.list(therapist_id=it),
    "rooms": lambda link, it: link.chat.rooms(customer_id=it),
    "commissions": lambda link, it: link.commissions.list(therapist_id=it),
    "totals": lambda link, it: link.commissions.totals(therapist_id=it),
}
_BY_NUMBER: dict[str, Call] = {
    "limit": lambda link, it: link.bookings.list(limit=it),
    "page_size": lambda link, it: link.bookings.list(page_size=it),
    "after": lambda link, it: link.chat.messages("b1", after=it),
    "expire_due": lambda link, it: link.bookings.expire_due(limit=it),
}
_BY_STATE: dict[str, Call] = {
    "bookings": lambda link, it: link.bookings.list(status=it),
    "commissions": lambda link, it: link.commissions.list(status=it),
}


_BY_VERSION: dict[str, Call] = {
    "accept": lambda link, it: link.bookings.accept("b1", expected_version=it),
    "cancel": lambda link, it: link.bookings.cancel("b1", expected_version=it),
    "reschedule": lambda link, it: link.bookings.reschedule("b1", _AWARE, expected_version=it),
    "no_show": lambda link, it: link.bookings.no_show("b1", "nobody came", expected_version=it),
}


async def outcome(made: Awaitable[Any] | AsyncIterator[Any]) -> Any:
    """The result of a call, or the list of what it iterates."""
    return await all_of(made) if isinstance(made, AsyncIterator) else await made


async def refused(make: Make, api: respx.MockRouter, call: Call, value: object) -> str:
    """What is said when a call is refused; nothing was sent."""
    with pytest.raises(InvalidInput) as error:
        await outcome(call(make(), value))
    assert not api.calls
    return str(error.value)


@pytest.mark.parametrize("value", ["1", 1.0, True], ids=repr)
@pytest.mark.parametrize("call", _BY_VERSION.values(), ids=_BY_VERSION)
async def test_a_version_that_is_no_whole_number_is_refused(
    make: Make, api: respx.MockRouter, call: Call, value: object
) -> None:
    assert repr(value) in await refused(make, api, call, value)


async def test_a_version_that_is_not_the_quotes_is_refused(make: Make, api: respx.MockRouter) -> None:
    quote = Quote(Money(0, "EUR"), None, 2)
    said = await refused(make, api, lambda link, it: link.bookings.cancel("b1", quoted=quote, expected_version=it), 1)
    assert "the quote is of version 2, not of 1" in said


@pytest.mark.parametrize("value", [None, *_NO_TEXTS], ids=repr)
@pytest.mark.parametrize("call", _BY_ID.values(), ids=_BY_ID)
async def test_an_id_that_is_no_text_is_refused(make: Make, api: respx.MockRouter, call: Call, value: object) -> None:
    assert repr(value) in await refused(make, api, call, value)


@pytest.mark.parametrize("value", _NO_TEXTS, ids=repr)
@pytest.mark.parametrize("call", _BY_FILTER.values(), ids=_BY_FILTER)
async def test_a_filter_that_is_no_text_is_refused(
    make: Make, api: respx.MockRouter, call: Call, value: object
) -> None:
    assert "_id is a text" in await refused(make, api, call, value)


@pytest.mark.parametrize("value", ["1", 1.5, True, float("nan"), [1]], ids=repr)
@pytest.mark.parametrize("call", _BY_NUMBER.values(), ids=_BY_NUMBER)
async def test_a_number_that_is_none_is_refused(make: Make, api: respx.MockRouter, call: Call, value: object) -> None:
    assert repr(value) in await refused(make, api, call, value)


@pytest.mark.parametrize("value", ["", "unheard-of", 5, ["unheard-of"], [], b"pending"], ids=repr)
@pytest.mark.parametrize("call", _BY_STATE.values(), ids=_BY_STATE)
async def test_a_state_that_is_none_is_refused(make: Make, api: respx.MockRouter, call: Call, value: object) -> None:
    assert await refused(make, api, call, value)


@pytest.mark.parametrize(
    ("call", "table", "state"),
    [
        (_BY_STATE["bookings"], "bookings", Status.PENDING),
        (_BY_STATE["commissions"], "commissions", CommissionStatus.DUE),
    ],
    ids=_BY_STATE,
)
async def test_a_state_may_be_named_by_its_text(
    make: Make, api: respx.MockRouter, call: Call, table: str, state: Status
) -> None:
    route = api.get(f"/tablesdb/massage_link/tables/{table}/rows").respond(json={"total": 0, "rows": []})
    for said in (state, state.value, [state], {state.value}):
        await outcome(call(make(), said))
    asked = [str(each.request.url.params) for each in route.calls]
    assert len(asked) == 4
    assert len(set(asked)) == 1


_KEY: dict[str, Any] = {}
_USER = {"api_key": None, "session": "s3ss10n"}
_WISH: dict[str, Any] = {"customer_id": "zoe", "therapist_id": "mara", "service": "x", "starts_at": _NAIVE}
_BY_NAIVE_TIME: dict[str, tuple[dict[str, Any], Call]] = {
    "reschedule as a user": (_USER, lambda link, it: link.bookings.reschedule("b1", it)),
    "request as a user": (_USER, lambda link, _: link.bookings.request(**_WISH)),
    "request with a key": (
        _KEY,
        lambda link, _: link.bookings.request(**_WISH, ends_at=_AWARE, price=Money(1, "EUR")),
    ),
    "slots from, as a user": (_USER, lambda link, it: link.availability.slots("mara", "x", it, _AWARE)),
    "slots until, as a user": (_USER, lambda link, it: link.availability.slots("mara", "x", _AWARE, it)),
    "slots from, with a key": (_KEY, lambda link, it: link.availability.slots("mara", "x", it, _AWARE)),
    "slots until, with a key": (_KEY, lambda link, it: link.availability.slots("mara", "x", _AWARE, it)),
    "list": (_USER, lambda link, it: link.bookings.list(starts_from=it)),
}


@pytest.mark.parametrize(("credential", "call"), _BY_NAIVE_TIME.values(), ids=_BY_NAIVE_TIME)
async def test_a_time_without_a_time_zone_never_leaves_this_machine(
    make: Make, api: respx.MockRouter, credential: dict[str, Any], call: Call
) -> None:
    catalogue = api.get("/tablesdb/massage_link/tables/therapists/rows").respond(json={"total": 0, "rows": []})
    with pytest.raises(InvalidInput, match=r"time zone|aware"):
        await outcome(call(make(**credential), _NAIVE))
    assert len(api.calls) == len(catalogue.calls)


@pytest.mark.parametrize("value", [b"mara", {1}, [1]], ids=repr)
async def test_what_no_command_can_be_told_is_refused(make: Make, api: respx.MockRouter, value: Any) -> None:
    with pytest.raises(InvalidInput, match="therapistId"):
        await make(api_key=None, session="s3ss10n").bookings.request(
            customer_id="zoe", therapist_id=value, service="x", starts_at=_AWARE
        )
    assert not api.calls


@pytest.mark.parametrize("value", [b"text", {1}, _AWARE], ids=repr)
async def test_what_no_body_can_hold_is_refused(make: Make, api: respx.MockRouter, value: Any) -> None:
    with pytest.raises(InvalidInput, match="nothing that can be sent"):
        await make(api_key=None).sign_in("zoe@example.com", value)
    assert not api.calls


@pytest.mark.parametrize("value", ["", 0, (1, "EUR"), Money(5, "EUR")], ids=repr)
async def test_a_quote_that_is_none_is_refused(make: Make, api: respx.MockRouter, value: Any) -> None:
    assert "quote_cancellation" in await refused(
        make, api, lambda link, it: link.bookings.cancel("b1", quoted=it), value
    )


@pytest.mark.parametrize("kind", ["api_key", "session", "jwt"])
@pytest.mark.parametrize("value", ["", " ", 5, b"key", "two\nlines"], ids=repr)
def test_a_credential_that_is_none_is_refused_instead_of_acting_as_a_guest(make: Make, kind: str, value: Any) -> None:
    with pytest.raises(SettingsError) as error:
        make(**{"api_key": None, kind: value})
    assert "two" not in str(error.value)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "5", [1]], ids=repr)
def test_a_timeout_that_is_none_is_refused(make: Make, value: Any) -> None:
    with pytest.raises(UsageError, match="timeout"):
        make(timeout=value)


@pytest.mark.parametrize("value", [1, 2.5, httpx.Timeout(3)], ids=repr)
async def test_a_timeout_is_seconds_or_all_of_httpx(make: Make, api: respx.MockRouter, value: Any) -> None:
    route = api.get("/tablesdb/massage_link/tables/bookings/rows").respond(json={"total": 0, "rows": []})
    assert await all_of(make(timeout=value).bookings.list()) == []
    assert route.calls.last.request.extensions["timeout"] == httpx.Timeout(value).as_dict()


@pytest.mark.parametrize("method", ["accept", "list", "watch"])
def test_help_shows_a_method_as_one_calls_it(method: str) -> None:
    link = AsyncMassageLink("http://appwrite.test/v1", "project", api_key="k")
    shown = inspect.signature(getattr(link.bookings, method))
    assert "self" not in shown.parameters
    assert shown.parameters

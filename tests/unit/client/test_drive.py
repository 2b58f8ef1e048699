"""The two drivers: from httpx's answers and errors to ours."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
import respx

from massage_link import AsyncMassageLink, MassageLink
from massage_link.client.drive import async_http, sync_http
from massage_link.errors import (
    ConnectionFailed,
    MassageLinkError,
    NoAnswer,
    NotAppwrite,
    ServerError,
    SettingsError,
    UsageError,
)
from massage_link.wire.call import Call, raw_json
from massage_link.wire.users import sign_in

Make = Callable[..., AsyncMassageLink]
READ = Call("GET", "/things", raw_json, repeatable=True)
WRITE = Call("POST", "/things", raw_json, {"name": "x"})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("refused"), ConnectionFailed),
        (httpx.ConnectTimeout(""), ConnectionFailed),
        (httpx.PoolTimeout(""), ConnectionFailed),
        (httpx.ReadTimeout(""), NoAnswer),
        (httpx.WriteError("broken pipe"), NoAnswer),
        (httpx.ReadError("reset"), NoAnswer),
        (httpx.RemoteProtocolError("disconnected"), NoAnswer),
        (httpx.ProxyError("bad gateway"), NoAnswer),
        (httpx.DecodingError("not gzip"), NoAnswer),
        (httpx.UnsupportedProtocol("no protocol"), SettingsError),
        (httpx.InvalidURL("no host"), SettingsError),
    ],
)
async def test_each_failure_of_the_transport_says_whether_the_call_can_have_been_processed(
    make: Make, api: respx.MockRouter, error: Exception, expected: type[MassageLinkError]
) -> None:
    api.post("/things").mock(side_effect=error)
    with pytest.raises(expected, match=r"POST http://appwrite\.test/v1/things") as raised:
        await make().send(WRITE)
    assert "s3cr3t-key" not in "".join(traceback.format_exception(raised.value))


async def test_a_read_is_repeated_after_a_dropped_connection(make: Make, api: respx.MockRouter) -> None:
    route = api.get("/things").mock(side_effect=[httpx.ReadError("reset"), httpx.Response(200, json={"a": 1})])
    assert await make().send(READ) == {"a": 1}
    assert route.call_count == 2


async def test_a_write_is_not_repeated_after_a_dropped_connection(make: Make, api: respx.MockRouter) -> None:
    route = api.post("/things").mock(side_effect=[httpx.ReadError("reset"), httpx.Response(200, json={})])
    with pytest.raises(NoAnswer):
        await make().send(WRITE)
    assert route.call_count == 1


async def test_a_write_is_repeated_when_there_was_no_connection(make: Make, api: respx.MockRouter) -> None:
    route = api.post("/things").mock(side_effect=[httpx.ConnectError("refused"), httpx.Response(201, json={"a": 1})])
    assert await make().send(WRITE) == {"a": 1}
    assert route.call_count == 2


async def test_a_page_is_no_answer_of_appwrite(make: Make, api: respx.MockRouter) -> None:
    api.get("/things").respond(404, html="<html>Not here</html>")
    with pytest.raises(NotAppwrite, match='which ends in "/v1"'):
        await make().send(READ)


async def test_a_broken_gateway_is_a_failure_of_the_server_and_repeated(make: Make, api: respx.MockRouter) -> None:
    route = api.get("/things").respond(502, html="<html>Bad gateway</html>")
    with pytest.raises(ServerError, match="502"):
        await make().send(READ)
    assert route.call_count == 3


async def test_a_redirect_is_not_followed(make: Make, api: respx.MockRouter) -> None:
    elsewhere = respx.get("https://elsewhere.test/v1/things").respond(200, json={})
    api.get("/things").respond(301, headers={"Location": "https://elsewhere.test/v1/things"})
    with pytest.raises(NotAppwrite, match="answered 301"):
        await make().send(READ)
    assert not elsewhere.called


async def test_cookies_are_neither_kept_nor_sent(make: Make, api: respx.MockRouter) -> None:
    cookie = {"Set-Cookie": "a_session_project=s3ssion; path=/; httponly"}
    api.post("/account/sessions/email").respond(201, json={"secret": ""}, headers=cookie)
    things = api.get("/things").respond(200, json={})
    link = make()
    user = await link.sign_in("maria@example.com", "pa55word")
    for each in (link, user, link.as_user("maria")):
        if each.credential.kind == "jwt":
            api.post("/users/maria/jwts").respond(201, json={"jwt": "t0ken"}, headers=cookie)
        await each.send(READ)
    sent = [call.request.headers for call in things.calls]
    assert [headers.get("cookie") for headers in sent] == [None] * 3
    assert [headers.get("x-appwrite-session") for headers in sent] == [None, "s3ssion", None]
    assert [headers.get("x-appwrite-key") for headers in sent] == ["s3cr3t-key", None, None]
    assert [headers.get("x-appwrite-jwt") for headers in sent] == [None, None, "t0ken"]


async def test_signing_in_sends_no_credential(make: Make, api: respx.MockRouter) -> None:
    route = api.post("/account/sessions/email").respond(
        201, json={"secret": ""}, headers={"Set-Cookie": "a_session_project=a%2Bb%3D; path=/"}
    )
    assert await make().send(sign_in("project", "maria@example.com", "pa55word")) == "a+b="
    assert "x-appwrite-key" not in route.calls.last.request.headers


async def test_no_secret_reaches_a_log(make: Make, api: respx.MockRouter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.post("/account/sessions/email").respond(
        201, json={"secret": ""}, headers={"Set-Cookie": "a_session_project=s3ssion"}
    )
    api.post("/users/maria/jwts").respond(201, json={"jwt": "t0ken"})
    api.get("/things").mock(side_effect=[httpx.ReadError("reset")] * 3 + [httpx.Response(200, json={})] * 3)
    link = make()
    with pytest.raises(NoAnswer):
        await link.send(READ)
    for each in (link, link.as_user("maria"), await link.sign_in("maria@example.com", "pa55word")):
        await each.send(READ)
    assert "GET /things: NoAnswer; again in" in caplog.text
    assert "GET /things: 200" in caplog.text
    for secret in ("s3cr3t-key", "t0ken", "s3ssion", "pa55word"):
        assert secret not in caplog.text


@pytest.mark.parametrize("secret", ["broken\nkey", "with blank ", " ", "schlüssel", "tab\tkey", "zero\0"])
async def test_a_credential_that_no_header_can_hold_is_refused_without_showing_it(make: Make, secret: str) -> None:
    link = make()
    for attempt in (partial(make, api_key=secret), partial(link.with_key, secret)):
        with pytest.raises(SettingsError, match="copy it again") as refused:
            attempt()
        assert secret.strip() == "" or secret not in "".join(traceback.format_exception(refused.value))


async def test_a_header_that_cannot_be_sent_is_not_quoted(make: Make, api: respx.MockRouter) -> None:
    """Whatever slips through every check: the transport's own words hold the header."""
    api.get("/things").mock(side_effect=httpx.LocalProtocolError("Illegal header value b's3cr3t'"))
    odd = Call("GET", "/others", raw_json, headers={"X-Odd": "s3cr3t schlüssel"})
    for call in (READ, odd):
        with pytest.raises(SettingsError, match="no header can hold") as refused:
            await make().send(call)
        assert "s3cr3t'" not in "".join(traceback.format_exception(refused.value))
        assert refused.value.__cause__ is None


async def test_a_closed_link_says_that_it_is_closed(make: Make) -> None:
    link = make()
    user = link.as_user("maria")
    await link.aclose()
    for each in (link, user):
        with pytest.raises(UsageError, match="is closed"):
            await each.send(READ)


def test_the_clients_have_time_outs_and_limits_and_follow_nothing() -> None:
    for http in (sync_http(), async_http()):
        assert not http.follow_redirects
        assert (http.timeout.connect, http.timeout.read) == (5.0, 15.0)
    assert sync_http(httpx.Timeout(1.0)).timeout.read == 1.0


def test_a_link_that_shares_connections_does_not_close_them(api: respx.MockRouter) -> None:
    api.get("/things").respond(200, json={"a": 1})
    with MassageLink("http://appwrite.test/v1", "project", api_key="s3cr3t-key") as link:
        with link.with_key("other") as other:
            other.send(READ)
        assert link.send(READ) == {"a": 1}


async def test_an_async_link_that_shares_connections_does_not_close_them(api: respx.MockRouter) -> None:
    api.get("/things").respond(200, json={"a": 1})
    async with AsyncMassageLink("http://appwrite.test/v1", "project", api_key="s3cr3t-key") as link:
        async with link.with_key("other") as other:
            await other.send(READ)
        answer: Any = await link.send(READ)
        assert answer == {"a": 1}

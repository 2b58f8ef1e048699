"""Bad bodies, unknown routes, abandoned sockets: right answers, no traceback, nothing leaked."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit

import httpx
import pytest

from emulator_fixture import KEY, PROJECT, TOKEN, Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.emulator_only

_ROWS = "/tablesdb/db/tables/t/rows"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served("--project", PROJECT, "--key", KEY, "--control-token", TOKEN) as running:
        running.call("POST", "/tablesdb", {"databaseId": "db", "name": "db"})
        running.call("POST", "/tablesdb/db/tables", {"tableId": "t", "name": "t"})
        yield running


@pytest.fixture
def http(server: Served) -> Iterator[httpx.Client]:
    headers = {"X-Appwrite-Project": PROJECT, "X-Appwrite-Key": KEY}
    with httpx.Client(base_url=server.endpoint, headers=headers, timeout=30) as client:
        yield client


def _type(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 600 + b"1" + b"}" * 600, b""])
def test_a_body_that_is_no_json_counts_as_empty(http: httpx.Client, raw: bytes) -> None:
    answer = http.post(_ROWS, content=raw, headers={"Content-Type": "application/json"})
    assert _type(answer) == (400, "row_missing_data")


def test_an_unknown_content_type_counts_as_an_empty_body(http: httpx.Client) -> None:
    answer = http.post(_ROWS, content=b'{"rowId":"a"}', headers={"Content-Type": "application/x-unheard-of"})
    assert _type(answer) == (400, "row_missing_data")


def test_a_body_of_ten_megabytes_is_read_and_a_larger_one_refused(http: httpx.Client) -> None:
    note = "x" * 10_000_000
    assert _type(http.post(_ROWS, json={"rowId": "a", "data": {"note": note}})) == (400, "row_invalid_structure")
    assert http.post(_ROWS, json={"rowId": "a", "data": {"note": note + "x" * 3_000_000}}).status_code == 413


def test_a_thousand_queries_are_refused(server: Served) -> None:
    texts = [quote('{"method":"limit"}')] * 1000
    with pytest.raises(HTTPError) as refused:  # httpx sends no address of this length
        server.call("GET", _ROWS + "?" + "&".join(f"queries[]={text}" for text in texts))
    with refused.value as answer:
        assert json.load(answer)["type"] == "general_argument_invalid"


def test_an_address_of_more_than_64_kilobytes_is_refused(server: Served) -> None:
    with pytest.raises(HTTPError) as refused:
        server.call("GET", f"{_ROWS}?search={'x' * 70_000}")
    with refused.value as answer:
        assert answer.code == 400


def test_a_deeply_nested_query_is_answered(http: httpx.Client) -> None:
    nested: dict[str, object] = {"method": "equal", "attribute": "$id", "values": ["a"]}
    for _ in range(40):
        nested = {"method": "or", "values": [nested, nested]} if len(json.dumps(nested)) < 1500 else nested
    assert http.get(_ROWS, params={"queries[]": json.dumps(nested)}).status_code == 200


@pytest.mark.parametrize("path", ["/storage/buckets", "/messaging/topics", "/tablesdb/db/nonsense", "/avatars/qr"])
def test_what_is_not_implemented_says_so(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert _type(answer) == (501, "emulator_not_implemented")
    assert path in answer.json()["message"]


def test_what_appwrite_does_not_have_is_not_found(http: httpx.Client) -> None:
    answer = http.get("/nonsense")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_the_control_plane_is_closed_without_its_token(server: Served) -> None:
    url = server.endpoint.removesuffix("/v1") + "/_emulator/reset"
    assert httpx.post(url).status_code == 401
    assert httpx.post(url, headers={"X-Emulator-Token": "guess"}).status_code == 401


def _handles(server: Served) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))  # noqa: PTH208 - no files, only their number


def _memory(server: Served) -> int:
    with open(f"/proc/{server.process.pid}/statm") as told:  # noqa: PTH123
        return int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _abandon(server: Served, times: int) -> None:
    """Open sockets, send a part of a request on every second one, and drop them without a word."""
    place = urlsplit(server.endpoint)
    for n in range(times):
        with contextlib.closing(socket.create_connection((place.hostname or "", place.port or 0))) as sock:
            if n % 2:
                sock.sendall(b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")


def _settled_handles(server: Served, http: httpx.Client) -> int:
    """The number of open handles once the server has noticed what was dropped: every answer is a turn of its loop."""
    counts = []
    for _ in range(200):
        http.get("/ping")
        counts.append(_handles(server))
        if len(counts) > 20 and len(set(counts[-20:])) == 1:
            break
    return counts[-1]


def _handles_falling_to(most: int, server: Served, http: httpx.Client) -> int:
    """The number of open handles once it is no more than this; on a busy machine the last sockets are noticed late."""
    until = time.monotonic() + 30
    while (handles := _settled_handles(server, http)) > most and time.monotonic() < until:
        pass
    return handles


def test_abandoned_sockets_leave_no_handles(server: Served, http: httpx.Client) -> None:
    before = _settled_handles(server, http)
    _abandon(server, 200)
    assert _handles_falling_to(before, server, http) <= before


@pytest.mark.long
def test_ten_thousand_abandoned_sockets_leak_neither_handles_nor_memory(server: Served, http: httpx.Client) -> None:
    _abandon(server, 2_000)
    handles, memory = _settled_handles(server, http), _memory(server)
    _abandon(server, 10_000)
    assert _handles_falling_to(handles, server, http) <= handles
    assert _memory(server) - memory < 10_000_000

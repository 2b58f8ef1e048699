"""Event patterns, uploads and records of functions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.functions.patterns import why_invalid
from massage_link.emulator.functions.records import shortened
from massage_link.emulator.functions.upload import CHUNK, Chunk, Uploads, read_chunk, read_form


@pytest.mark.parametrize(
    "pattern",
    [
        "databases.*.tables.*.rows.*.create",
        "databases.*.tables.*.rows.*.update",
        "databases.db.collections.c.documents.*.delete",
        "databases.*.tables.*.rows.*",
        "databases.*",
        "databases.*.create",
        "tablesdb.*.tables.*.rows.*.create",
        "users.*.create",
        "users.*.update.email",
        "users.*.sessions.*.create",
        "teams.*.memberships.*.update.status",
        "databases.*.tables.*.create",
    ],
)
def test_a_valid_event(pattern: str) -> None:
    assert why_invalid(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "databases",
        "databases.*.tables.*.rows.*.upsert",
        "databases.*.tables.*.rows.*.create.more",
        "databases.*.fly",
        "users.*.update.shoe",
        "users.*.sessions.*.update",
        "teams.*.memberships.*.fly.high",
        "teams.*.memberships..create",
        "planets.*.create",
        ".x",
        "",
        5,
    ],
)
def test_an_invalid_event(pattern: object) -> None:
    assert why_invalid(pattern) == "Event is not valid."


def test_functions_do_not_trigger_functions() -> None:
    assert why_invalid("functions.*.executions.*.create") == "Triggering a function on a function event is not allowed."


FORM = (
    b'--xyz\r\nContent-Disposition: form-data; name="entrypoint"\r\n\r\nmain.py\r\n'
    b'--xyz\r\ncontent-disposition: form-data; name="code"; filename="code.tar.gz"\r\n'
    b"Content-Type: application/gzip\r\n\r\n\x1f\x8b\r\n\x00--xy\r\n--xyz--\r\n"
)


def test_a_form_is_read_field_by_field() -> None:
    form = read_form("multipart/form-data; boundary=xyz", FORM)
    assert (form["entrypoint"].data, form["entrypoint"].filename) == (b"main.py", None)
    assert (form["code"].data, form["code"].filename) == (b"\x1f\x8b\r\n\x00--xy", "code.tar.gz")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=other"])
def test_what_is_no_form_has_no_fields(kind: str) -> None:
    assert read_form(kind, FORM) == {}


@given(st.binary(), st.text(min_size=1, alphabet="abcdef"))
def test_a_forms_content_survives(data: bytes, boundary: str) -> None:
    mark = f"----{boundary}".encode()
    body = b"--" + mark + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + data + b"\r\n--" + mark + b"--\r\n"
    found = read_form(f'multipart/form-data; boundary="{mark.decode()}"', body)
    assert mark in data or found["a"].data == data


@pytest.mark.parametrize("header", ["bytes", "bytes 5-9/7", "items 0-1/2"])
def test_a_bad_content_range_is_refused(header: str) -> None:
    with pytest.raises(AppwriteError):
        read_chunk(header, b"x")


@given(st.permutations(range(4)), st.integers(3 * CHUNK + 1, 4 * CHUNK))
def test_chunks_in_any_order_make_the_whole(order: list[int], size: int) -> None:
    uploads = Uploads()
    path = Path("/dev/null")
    done = [uploads.add("id", path, Chunk(n * CHUNK, size, b"")) for n in order]
    assert done == [False, False, False, True]


def test_a_repeated_chunk_does_not_complete_the_file(tmp_path: Path) -> None:
    uploads = Uploads()
    chunk = Chunk(0, CHUNK + 1, b"x" * CHUNK)
    assert [uploads.add("id", tmp_path / "a" / "code", chunk) for _ in range(2)] == [False, False]
    assert uploads.add("id", tmp_path / "a" / "code", Chunk(CHUNK, CHUNK + 1, b"y"))
    assert (tmp_path / "a" / "code").read_bytes() == b"x" * CHUNK + b"y"


def test_a_very_long_log_loses_its_beginning() -> None:
    text = shortened("a" * 600_000 + "b" * 600_000, "Logs")
    assert len(text) == 1_000_000
    assert text.startswith("[WARNING] Logs truncated.")
    assert text.endswith("b" * 600_000)
    assert shortened("short", "Errors") == "short"

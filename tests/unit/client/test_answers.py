"""From an error answer to the error that says what to do."""

from __future__ import annotations

import json

import pytest

from massage_link.client.answers import error_of
from massage_link.errors import (
    BadRequest,
    Conflict,
    NotAppwrite,
    NotFound,
    RateLimited,
    RowNotFound,
    ServerError,
    StatusError,
    Unauthorized,
)

ENDPOINT = "http://appwrite.test/v1"


def error(status: int, kind: str = "", message: str = "Said the server.", **headers: str) -> StatusError:
    """The error of an answer in Appwrite's format."""
    body = json.dumps({"message": message, "code": status, "type": kind, "version": "1.9.6"})
    return error_of(status, headers, body.encode(), request="GET /things", endpoint=ENDPOINT)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "row_invalid_structure", BadRequest),
        (401, "user_unauthorized", Unauthorized),
        (403, "general_access_forbidden", Unauthorized),
        (404, "row_not_found", RowNotFound),
        (409, "row_already_exists", Conflict),
        (409, "transaction_conflict", Conflict),
        (412, "", StatusError),
        (429, "general_rate_limit_exceeded", RateLimited),
        (500, "general_unknown", ServerError),
        (503, "general_service_disabled", ServerError),
        (501, "emulator_not_implemented", StatusError),
    ],
)
def test_each_status_has_its_error_with_type_and_request(status: int, kind: str, expected: type[StatusError]) -> None:
    found = error(status, kind)
    assert type(found) is expected
    assert (found.status, found.type, found.request) == (status, kind, "GET /things")
    assert str(found).startswith(f"GET /things: Said the server. ({status} {kind or 'no type'})")


def test_a_row_that_is_not_found_is_a_not_found() -> None:
    assert isinstance(error(404, "row_not_found"), NotFound)


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (404, "project_not_found", "APPWRITE_PROJECT_ID"),
        (401, "general_unauthorized_scope", "Check the API key"),
        (401, "user_invalid_credentials", "Check email and password"),
        (401, "user_jwt_invalid", "Sign in again"),
        (404, "database_not_found", "massage-link schema push"),
        (404, "table_not_found", "massage-link schema push"),
    ],
)
def test_the_message_says_what_to_do(status: int, kind: str, advice: str) -> None:
    assert advice in str(error(status, kind))


def test_advice_depends_on_the_type_and_never_on_the_text() -> None:
    assert "APPWRITE_PROJECT_ID" not in str(error(404, "row_not_found", "Project with the requested ID not found"))


@pytest.mark.parametrize(("reset", "expected"), [("1795415891", 1_795_415_891.0), ("", None), ("soon", None)])
def test_a_rate_limit_knows_its_reset(reset: str, expected: float | None) -> None:
    found = error(429, "general_rate_limit_exceeded", **{"x-ratelimit-reset": reset})
    assert isinstance(found, RateLimited)
    assert found.retry_at == expected


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'"x"', b"\xff\xfe", b'{"error": "not ours"}'])
@pytest.mark.parametrize(
    ("status", "expected"), [(404, NotAppwrite), (301, NotAppwrite), (401, NotAppwrite), (502, ServerError)]
)
def test_an_answer_in_another_format_did_not_come_from_appwrite(
    content: bytes, status: int, expected: type[StatusError]
) -> None:
    found = error_of(status, {}, content, request="GET /things", endpoint=ENDPOINT)
    assert type(found) is expected
    assert found.type == ""


def test_an_answer_that_is_not_appwrite_s_names_the_endpoint() -> None:
    found = error_of(404, {}, b"<html>", request="GET /things", endpoint="http://appwrite.test")
    assert "http://appwrite.test answered 404 without Appwrite's error format; check APPWRITE_ENDPOINT" in str(found)

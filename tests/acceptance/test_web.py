"""The web pages as a program meets them: addresses, cookies, refusals, and how `massage-link web` ends."""

from __future__ import annotations

import csv
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from marketplace import Person
from pages import Pages, started
from salon import Salon

SETTINGS = {"APPWRITE_ENDPOINT": "http://127.0.0.1:9/v1", "APPWRITE_PROJECT_ID": "nowhere"}


@pytest.fixture
def http(pages: Pages) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=pages.address) as client:
        yield client


def _sign_in(http: httpx.Client, salon: Salon, person: Person | None = None, **changes: str) -> httpx.Response:
    person = person or salon.people.customer
    return http.post("/sign-in", data={"email": person.email, "password": person.password, "next": "/mine", **changes})


@pytest.mark.parametrize("path", ["/desk", "/book", "/mine", "/bookings/nonsense"])
def test_a_guest_is_led_to_the_sign_in_and_back_to_where_they_wanted(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={path}"


def test_signing_in_gives_a_cookie_that_scripts_cannot_read_and_that_holds_no_session(
    http: httpx.Client, salon: Salon
) -> None:
    answer = _sign_in(http, salon)
    assert (answer.status_code, answer.headers["location"]) == (303, "/mine")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = http.cookies["massage_link_visitor"]
    refused = httpx.get(
        f"{salon.server.endpoint}/account",
        headers={"X-Appwrite-Project": salon.server.project_id, "X-Appwrite-Session": token},
    )
    assert refused.status_code == 401
    shown = http.get("/mine")
    assert shown.status_code == 200
    assert "My bookings" in shown.text


def test_a_cookie_is_kept_to_encrypted_connections_when_the_proxy_says_that_this_is_one(
    http: httpx.Client, salon: Salon
) -> None:
    person = salon.people.customer
    sent = {"email": person.email, "password": person.password}
    answer = http.post("/sign-in", data=sent, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("password", ["wrong", "", "x" * 300, "pass\x00word"])
def test_a_wrong_password_is_said_to_be_wrong_and_signs_nobody_in(
    http: httpx.Client, salon: Salon, password: str
) -> None:
    answer = _sign_in(http, salon, password=password)
    assert answer.headers["location"] == "/sign-in?fault=wrong&next=/mine"
    assert "set-cookie" not in answer.headers
    assert "No account has this email and password." in http.get(answer.headers["location"]).text


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "javascript:0"]
)
def test_signing_in_leads_nowhere_else(http: httpx.Client, salon: Salon, target: str) -> None:
    assert _sign_in(http, salon, next=target).headers["location"] == "/"


def test_another_site_can_sign_nobody_in_or_out(http: httpx.Client, salon: Salon) -> None:
    foreign = {"Origin": "https://elsewhere.example"}
    person = salon.people.customer
    answer = http.post("/sign-in", data={"email": person.email, "password": person.password}, headers=foreign)
    assert answer.headers["location"].startswith("/sign-in?fault=origin")
    _sign_in(http, salon)
    http.post("/sign-out", headers=foreign | {"Cookie": f"massage_link_visitor={http.cookies['massage_link_visitor']}"})
    _sign_in(http, salon)
    assert http.get("/mine").status_code == 200


def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(http: httpx.Client, salon: Salon) -> None:
    _sign_in(http, salon)
    kept = http.cookies["massage_link_visitor"]
    assert http.post("/sign-out").headers["location"] == "/sign-in?out=1"
    assert httpx.get(f"{http.base_url}/mine", cookies={"massage_link_visitor": kept}).status_code == 303


def test_sign_ins_outlive_a_restart_in_a_file_that_only_its_owner_reads(
    http: httpx.Client, salon: Salon, pages: Pages
) -> None:
    _sign_in(http, salon)
    file = Path(pages.arguments[1])
    assert file.stat().st_mode & 0o777 == 0o600
    assert http.cookies["massage_link_visitor"] not in file.read_text("utf-8")
    pages.stop()
    pages.start()
    assert http.get("/mine").status_code == 200


def test_no_other_site_can_frame_a_page_or_guess_its_type(http: httpx.Client) -> None:
    headers = http.get("/sign-in").headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


def test_an_address_with_nothing_behind_it_says_so(http: httpx.Client) -> None:
    answer = http.get("/nonsense/and/more")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


# --- the business as a file -------------------------------------------------------------------------------------------
def test_operators_take_the_analytics_along_as_a_file(http: httpx.Client, salon: Salon) -> None:
    booking = salon.link.bookings.request(**salon.wish())
    _sign_in(http, salon, salon.people.ops)
    answer = http.get("/business/analytics.csv", params={"by": "therapist", "days": 7})
    assert answer.headers["content-disposition"] == 'attachment; filename="therapist-7.csv"'
    rows = {row["therapist_id"]: row for row in csv.DictReader(answer.text.splitlines())}
    assert rows[booking.therapist_id]["therapist"] == "Thea"
    assert int(rows[booking.therapist_id]["requests"]) >= 1
    assert "day,requests" in http.get("/business/analytics.csv").text


@pytest.mark.parametrize(
    ("asked", "said"), [({"by": "week"}, "By names day"), ({"days": "8"}, "Days is 7, 30, 90"), ({"days": "x"}, "Days")]
)
def test_a_file_of_what_cannot_be_counted_is_refused(
    http: httpx.Client, salon: Salon, asked: dict[str, str], said: str
) -> None:
    _sign_in(http, salon, salon.people.ops)
    answer = http.get("/business/analytics.csv", params=asked)
    assert answer.status_code == 400
    assert answer.text.startswith(said)


def test_the_analytics_are_nobody_elses(http: httpx.Client, salon: Salon) -> None:
    assert http.get("/business/analytics.csv").headers["location"] == "/sign-in?next=/business"
    for person in (salon.people.customer, salon.people.therapist):
        _sign_in(http, salon, person)
        assert http.get("/business/analytics.csv").status_code == 404


# --- the command ------------------------------------------------------------------------------------------------------
def _ended(settings: dict[str, str], *arguments: str) -> SimpleNamespace:
    process = started(settings, *arguments, stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=30)
    return SimpleNamespace(code=process.returncode, said=said)


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _ended(SETTINGS, "--port", str(port))
    assert ended.code == 2
    expected = (
        f"massage-link: cannot listen on 127.0.0.1:{port} (Address already in use); choose another with --port.\n"
    )
    assert ended.said == expected


def test_missing_settings_are_named() -> None:
    ended = _ended({})
    assert ended.code == 2
    assert "APPWRITE_ENDPOINT is not set" in ended.said


def test_without_a_server_the_sign_in_says_that_it_cannot_be_reached() -> None:
    process = started(SETTINGS, "--port", "0")
    assert process.stdout is not None
    address = process.stdout.readline().strip().partition(" web: ")[2]
    try:
        answer = httpx.post(f"{address}/sign-in", data={"email": "a@example.com", "password": "b"}, timeout=30)
        assert answer.headers["location"] == "/sign-in?fault=server&next=/"
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()


@pytest.mark.long
def test_the_demonstration_shows_accounts_that_one_click_signs_in() -> None:
    command = [str(Path(sys.executable).parent / "massage-link"), "demo", "--web", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip().partition(" web: ")[2]
    try:
        page = httpx.get(f"{address}/sign-in").text
        assert "mara-lindqvist@example.com" in page
        for email, home in (("mara-lindqvist", "/desk"), ("lena-vogel", "/book"), ("olivia-ops", "/business")):
            with httpx.Client(base_url=address) as client:
                client.post("/sign-in", data={"email": f"{email}@example.com", "password": "good-hands"})
                assert client.get("/").headers["location"] == home
                assert client.get(home).status_code == 200
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()


def test_the_demonstration_of_the_pages_prints_no_json() -> None:
    command = [str(Path(sys.executable).parent / "massage-link"), "demo", "--web", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr.startswith("massage-link: --json prints what the bookings came to")

"""The snippets of docs/js.md, run with Appwrite's own client for JavaScript, through both of its row APIs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deployed import deployed
from marketplace import People, Server, hired_people
from massage_link.domain.people import Therapist
from massage_link.domain.tables import THERAPISTS
from massage_link.usecases.ports import create_derived
from massage_link.wire.users import sign_in, user_jwt

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
NODE = ROOT / "tests" / "node"
_BLOCK = re.compile(r"^```js\n// (?P<name>[^\n]+)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_EVERY_DAY = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
#: What a snippet leaves behind for those that follow. The others are defined for each user.
RESULTS: Mapping[str, str] = {
    "slots": "{ free }",
    "request": "{ booking }",
    "accept": "{ accepted }",
    "decline": "{ declined }",
    "reschedule": "{ moved }",
    "cancel": "{ quote, cancelled }",
    "send": "{ message }",
    "read": "{ mark }",
    "amend": "{ edit, deletion }",
    "refused": "{ refusal }",
    "direct write": "{ row }",
    "mine": "{ mine }",
    "by JWT": "{ execution }",
}
#: What a snippet may use.
NAMES = (
    *("databases", "tablesDB", "command", "settled", "isBooking"),
    *("therapistId", "customerId", "startsAt", "free", "booking", "message", "jwt", "args"),
)
STORY = """
const ann = signedIn(people.ann), tom = signedIn(people.tom);
const known = { therapistId: people.tom.id, customerId: people.ann.id };
const run = async (step, user) => Object.assign(known, await steps[step]({ ...user, ...known }));
const mine = async (user) => { await run('mine', user); return known.mine.map((row) => row.$id); };

await run('slots', ann);
known.free = known.free.slice(0, 30);
const free = known.free;
await run('request', ann);
const requested = known.booking;
await run('refused', ann);
await run('reschedule', ann);
await run('accept', tom);
await run('send', ann);
await run('read', tom);
await run('amend', ann);
await run('cancel', ann);

known.startsAt = free[5].startsAt;
await run('direct write', ann);
const draft = known.row;
known.booking = await ann.settled(known.row.$id);
const admitted = known.booking;
await run('decline', tom);

known.startsAt = '2020-01-01T12:00:00Z';
await run('direct write', ann);
const late = await ann.settled(known.row.$id);
known.jwt = people.ann.jwt;
const { therapistId } = known;
known.args = { therapistId, service: 'Deep tissue', startsAt: free[20].startsAt, idempotencyKey: ID.unique() };
await run('by JWT', ann);
const byJwt = JSON.parse(known.execution.responseBody).result;

const lists = { mine: await mine(ann), his: await mine(tom) };
console.log(JSON.stringify({ ...known, requested, draft, admitted, late, byJwt, ...lists }));
"""


@cache
def snippets() -> Mapping[str, str]:
    """The blocks of the page by their names, with dates that lie ahead."""
    page = (ROOT / "docs" / "js.md").read_text("utf-8")
    found = {block["name"]: block["code"] for block in _BLOCK.finditer(page)}
    assert len(found) == page.count("```js"), "a block has no name, or one that is taken"
    ahead = datetime.now(UTC) + timedelta(days=7)
    for day in (6, 8):
        moment = f"{ahead + timedelta(days=day - 6):%Y-%m-%d}T00:00:00Z"
        found["slots"] = found["slots"].replace(f"2030-05-{day:02}T00:00:00Z", moment)
    return found


def program(api: str) -> str:
    """The page as a module, for one of the row APIs."""
    code = {name.removesuffix(f", {api}"): text for name, text in snippets().items()}
    imports, _, setup = code["setup"].partition("\n\n")
    known = f"const {{ {', '.join(NAMES)} }} = env;"
    steps = [
        f"{json.dumps(name)}: async (env) => {{ {known} {{\n{code[name]}return {result};\n}} }}"
        for name, result in RESULTS.items()
    ]
    return "\n".join(
        (
            imports,
            "const [endpoint, project, people] = JSON.parse(process.argv[1]);",
            "function signedIn({ session }) {",
            *(setup, code["command"], code["isBooking"], code["settled"]),
            "return { databases, tablesDB, command, settled, isBooking };\n}",
            f"const steps = {{ {', '.join(steps)} }};",
            STORY,
        )
    )


@pytest.fixture(scope="module", autouse=True)
def node() -> None:
    """Appwrite's client, installed if it is not there."""
    if not (NODE / "node_modules" / "node-appwrite").is_dir():
        subprocess.run([ROOT / "scripts" / "setup", "node"], check=True)
    assert shutil.which("node")


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Server, People]]:
    """A server in direct-write mode, and a therapist who is always there."""
    with deployed(direct_write=True) as server, hired_people(server) as people, server.link() as link:
        service = {"name": "Deep tissue", "minutes": 60, "priceMinor": 9505, "currency": "EUR", "bufferMinutes": 15}
        catalogue = Therapist(
            id=people.therapist.id,
            name="Tom",
            timezone="Europe/Berlin",
            hours=json.dumps({"weekly": _EVERY_DAY}),
            services=json.dumps([service]),
            policy='{"freeUntilHours": 24, "feeBps": 5000}',
        )
        link.run(create_derived(link.ports, THERAPISTS, catalogue, []))
        yield server, people


def _told(server: Server, people: People, api: str) -> dict[str, Any]:
    with server.link(api_key=None) as guest:
        secrets = {
            name: guest.send(sign_in(server.project_id, person.email, person.password))
            for name, person in (("ann", people.customer), ("tom", people.therapist))
        }
    with server.link() as link:
        jwt = link.send(user_jwt(people.customer.id))
    parties = {
        "ann": {"id": people.customer.id, "session": secrets["ann"], "jwt": jwt},
        "tom": {"id": people.therapist.id, "session": secrets["tom"]},
    }
    arguments = json.dumps([server.endpoint, server.project_id, parties])
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program(api), arguments],
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("api", ["TablesDB", "documents"])
def test_the_snippets_do_what_the_page_says(shop: tuple[Server, People], api: str) -> None:
    server, people = shop
    told = _told(server, people, api)

    requested = told["requested"]
    assert (requested["status"], requested["priceMinor"], requested["version"]) == ("pending", 9505, 1)
    assert datetime.fromisoformat(requested["startsAt"]) == datetime.fromisoformat(told["free"][0]["startsAt"])
    assert (told["refusal"]["status"], told["refusal"]["type"]) == (403, "NotAllowed")
    assert (told["moved"]["status"], told["moved"]["version"]) == ("pending", 2)
    assert (told["accepted"]["status"], told["accepted"]["version"]) == ("accepted", 3)
    assert (told["message"]["senderId"], told["message"]["body"]) == (people.customer.id, "See you on Monday!")
    assert (told["mark"]["userId"], told["mark"]["n"]) == (people.therapist.id, told["message"]["n"])
    edit, deletion = told["edit"], told["deletion"]
    assert (edit["kind"], edit["refersTo"], edit["body"]) == ("edit", told["message"]["n"], "See you on Tuesday!")
    assert (deletion["kind"], deletion["refersTo"]) == ("delete", told["message"]["n"])
    assert (told["quote"]["feeMinor"], told["quote"]["version"], told["cancelled"]["status"]) == (0, 3, "cancelled")

    assert told["draft"]["status"] is None
    admitted = told["admitted"]
    assert (admitted["$id"], admitted["status"], admitted["priceMinor"]) == (told["draft"]["$id"], "pending", 9505)
    assert datetime.fromisoformat(admitted["endsAt"]) - datetime.fromisoformat(admitted["startsAt"]) == timedelta(
        hours=1
    )
    assert (told["declined"]["status"], told["declined"]["statusReason"]) == ("declined", "I am away that day.")
    assert told["late"]["status"] == "declined"
    assert "in the past" in told["late"]["statusReason"]

    assert (told["byJwt"]["customerId"], told["byJwt"]["status"]) == (people.customer.id, "pending")

    refused = told["late"]["$id"]
    assert {requested["$id"], admitted["$id"], refused} <= set(told["mine"])
    assert {requested["$id"], admitted["$id"]} <= set(told["his"])
    assert refused not in told["his"]


def test_every_snippet_is_run() -> None:
    apis = ("TablesDB", "documents")
    defined = {"setup", "command", "isBooking", *(f"settled, {api}" for api in apis)}
    steps = {name for step in RESULTS for name in (step, *(f"{step}, {api}" for api in apis))}
    assert set(snippets()) <= defined | steps
    assert all(f"'{step}'" in STORY for step in RESULTS)

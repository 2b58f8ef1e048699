"""What the Appwrite CLI asks of the console: sign in, who am I, the server's variables."""

from __future__ import annotations

from massage_link.emulator.console import cookie_of, shown_session
from massage_link.emulator.functions.upload import LARGEST
from massage_link.emulator.routing import Call, Reply, Route

_VARIABLES = {
    "_APP_DOMAIN_TARGET_CNAME": "localhost",
    "_APP_DOMAIN_TARGET_A": "127.0.0.1",
    "_APP_COMPUTE_BUILD_TIMEOUT": 900,
    "_APP_DOMAIN_TARGET_AAAA": "::1",
    "_APP_DOMAIN_TARGET_CAA": '0 issue ""',
    "_APP_STORAGE_LIMIT": LARGEST,
    "_APP_COMPUTE_SIZE_LIMIT": LARGEST,
    "_APP_USAGE_STATS": "enabled",
    "_APP_VCS_ENABLED": False,
    "_APP_DOMAIN_ENABLED": True,
    "_APP_ASSISTANT_ENABLED": False,
    "_APP_DOMAIN_SITES": "sites.localhost",
    "_APP_DOMAIN_FUNCTIONS": "functions.localhost",
    "_APP_OPTIONS_FORCE_HTTPS": "disabled",
    "_APP_DOMAINS_NAMESERVERS": "",
    "_APP_DB_ADAPTER": "mariadb",
    "supportForRelationships": True,
    "supportForOperators": True,
    "supportForSpatials": True,
    "supportForSpatialIndexNull": False,
    "supportForFulltextWildcard": True,
    "supportForMultipleFulltextIndexes": True,
    "supportForAttributeResizing": True,
    "supportForSchemas": True,
    "maxIndexLength": 768,
    "supportForIntegerIds": True,
}


def sign_in(call: Call) -> Reply:
    """Sign the operator in; the session is in the cookie alone."""
    session = call.emulator.console.sign_in(
        call.body.get("email"), call.body.get("password"), ip=call.client, agent=call.headers.get("user-agent", "")
    )
    return Reply(shown_session(session), 201, [cookie_of(session)])


def account(call: Call) -> Reply:
    """The operator's account."""
    return Reply(call.emulator.console.account(call.headers))


def sign_out(call: Call) -> Reply:
    """End the session of this request."""
    call.emulator.console.sign_out(call.headers)
    return Reply(None, 204)


def variables(call: Call) -> Reply:
    """What the console shows of the server's settings."""
    call.emulator.console.account(call.headers)
    return Reply(_VARIABLES)


_OWN = ("console",)  # these establish their caller themselves

#: Of the project `console` alone; its `account` is not the account of the project's users.
routes = [
    Route("POST", "account/sessions/email", sign_in, _OWN),
    Route("GET", "account", account, _OWN),
    Route("DELETE", "account/sessions/current", sign_out, _OWN),
    Route("GET", "console/variables", variables, _OWN),
]

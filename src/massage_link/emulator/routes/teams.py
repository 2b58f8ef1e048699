"""Teams and memberships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massage_link.emulator.errors import AppwriteError, invalid_param
from massage_link.emulator.kernel import unique_id
from massage_link.emulator.pages import page
from massage_link.emulator.params import new_id, text
from massage_link.emulator.people import (
    ASKED_OF_MEMBERS,
    checked_email,
    new_membership,
    new_team,
    new_user,
    wire_membership,
)
from massage_link.emulator.permissions import as_list
from massage_link.emulator.routing import Call, Reply, Route

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document


def _may(call: Call, team_id: str, role: str = "") -> bool:
    wanted = f"team:{team_id}/{role}" if role else f"team:{team_id}"
    return call.identity.privileged or wanted in call.identity.roles


def _team(call: Call) -> Document:
    """The team in the path; to strangers it does not exist."""
    team = call.emulator.identities.teams.get(call.params["teamId"])
    if team is None or not _may(call, team["$id"]):
        raise AppwriteError("team_not_found")
    return team


def _owned(call: Call) -> Document:
    team = _team(call)
    if not _may(call, team["$id"], "owner"):
        raise AppwriteError("user_unauthorized")
    return team


def _announce(call: Call, team: Document, what: str) -> None:
    acting = call.identity.user_id
    call.emulator.announce(
        f"teams.[teamId].{what}",
        {"teamId": team["$id"]},
        team,
        acting_user_id=acting,
        rebinds_user_id=acting if what == "create" else None,
    )


def _save(call: Call, team: Document, **changes: Any) -> Document:
    return call.emulator.identities.teams.put(
        team["$id"], {**team, **changes, "$updatedAt": call.emulator.clock.stamp()}
    )


def create(call: Call) -> Reply:
    """Create a team; a user who does becomes its owner."""
    identities = call.emulator.identities
    team_id, name = new_id(call, "teamId"), text(call, "name")
    roles = _roles(call.body.get("roles", ["owner"]))
    if team_id in identities.teams:
        raise AppwriteError("team_already_exists")
    team = identities.teams.put(team_id, new_team(call.emulator.clock, team_id, name))
    if call.identity.user is not None:
        member = new_membership(call.emulator.clock, team, call.identity.user, roles, confirmed=True)
        identities.memberships.put(member["$id"], member)
        team = _save(call, team, total=1)
        identities.roles_changed(member["userId"])
    _announce(call, team, "create")
    return Reply(team, 201)


def _roles(value: object) -> list[str]:
    roles = as_list(value)
    if roles is None or not all(isinstance(role, str) and 0 < len(role) <= 32 for role in roles):
        raise invalid_param("roles", "Value must a valid array no longer than 100 items")
    return [str(role) for role in roles]


def list_teams(call: Call) -> Reply:
    """The teams that the caller may see."""
    teams = [team for team in call.emulator.identities.teams.values() if _may(call, team["$id"])]
    shown, total = page(call, teams, {"name": "string", "total": "integer", "billingPlan": "string"})
    return Reply({"total": total, "teams": shown})


def get(call: Call) -> Reply:
    """One team."""
    return Reply(_team(call))


def update(call: Call) -> Reply:
    """Rename a team."""
    team = _save(call, _owned(call), name=text(call, "name"))
    _announce(call, team, "update")
    return Reply(team)


def delete(call: Call) -> Reply:
    """Remove a team with its memberships."""
    identities, team = call.emulator.identities, _owned(call)
    members = [member for member in identities.memberships.values() if member["teamId"] == team["$id"]]
    for member in members:
        identities.memberships.remove(member["$id"])
    identities.teams.remove(team["$id"])
    for member in members:
        identities.roles_changed(member["userId"])
    _announce(call, team, "delete")
    return Reply(None, 204)


def get_prefs(call: Call) -> Reply:
    """The team's preferences."""
    return Reply(_team(call)["prefs"])


def update_prefs(call: Call) -> Reply:
    """Replace the team's preferences."""
    prefs = call.body.get("prefs")
    if not isinstance(prefs, dict):
        raise invalid_param("prefs", "Value must be a valid JSON object or array")
    team = _save(call, _team(call), prefs=prefs)
    _announce(call, team, "update.prefs")
    return Reply(prefs)


# Memberships


def _shown(call: Call, member: Document) -> Document:
    identities = call.emulator.identities
    return wire_membership(member, identities.teams[member["teamId"]], identities.users[member["userId"]])


def _announce_member(call: Call, member: Document, shown: Document, what: str) -> None:
    call.emulator.announce(
        f"teams.[teamId].memberships.[membershipId].{what}",
        {"teamId": member["teamId"], "membershipId": member["$id"]},
        shown,
        acting_user_id=call.identity.user_id,
        rebinds_user_id=member["userId"],
    )


def _invitee(call: Call) -> Document:
    """The user whom the call names; a key may name one by a new address, who is then created."""
    identities, body = call.emulator.identities, call.body
    if body.get("userId"):
        user = identities.users.get(str(body["userId"]))
        if user is None:
            raise AppwriteError("user_not_found", message="User with given userId doesn't exist.")
        return user
    if not body.get("email"):
        message = "At least one of userId, email, or phone is required"
        raise AppwriteError("general_argument_invalid", message=message)
    email = checked_email(body["email"])
    known = identities.user_by_email(email)
    name = body.get("name") or email
    return known or identities.put_user(new_user(call.emulator.clock, unique_id(), email=email, name=name))


def create_membership(call: Call) -> Reply:
    """Add a user to the team at once. An invitation by a user needs mail, which this server does not send."""
    identities = call.emulator.identities
    roles = _roles(call.body.get("roles"))
    if not call.identity.privileged:
        if not call.body.get("url"):
            raise AppwriteError("general_argument_invalid", message="URL is required")
        raise AppwriteError("general_smtp_disabled")
    team = _team(call)
    user = _invitee(call)
    if any(member["teamId"] == team["$id"] for member in identities.memberships_of(user["$id"])):
        raise AppwriteError("membership_already_confirmed")
    member = new_membership(call.emulator.clock, team, user, roles, confirmed=True)
    identities.memberships.put(member["$id"], member)
    _save(call, team, total=team["total"] + 1)
    shown = _shown(call, member)
    identities.roles_changed(user["$id"])
    _announce_member(call, member, shown, "create")
    return Reply(shown, 201)


def list_memberships(call: Call) -> Reply:
    """The members of a team."""
    team = _team(call)
    members = [member for member in call.emulator.identities.memberships.values() if member["teamId"] == team["$id"]]
    shown, total = page(call, [_shown(call, member) for member in members], ASKED_OF_MEMBERS)
    return Reply({"total": total, "memberships": shown})


def _membership(call: Call) -> Document:
    team = _team(call)
    member = call.emulator.identities.memberships.get(call.params["membershipId"])
    if member is None or member["teamId"] != team["$id"]:
        raise AppwriteError("membership_not_found")
    return member


def get_membership(call: Call) -> Reply:
    """One membership."""
    return Reply(_shown(call, _membership(call)))


def update_membership(call: Call) -> Reply:
    """Replace the roles of a member."""
    identities, member = call.emulator.identities, _membership(call)
    if not _may(call, member["teamId"], "owner"):
        raise AppwriteError("user_unauthorized")
    changed = {**member, "roles": _roles(call.body.get("roles")), "$updatedAt": call.emulator.clock.stamp()}
    identities.memberships.put(member["$id"], changed)
    identities.roles_changed(member["userId"])
    shown = _shown(call, changed)
    _announce_member(call, changed, shown, "update")
    return Reply(shown)


def delete_membership(call: Call) -> Reply:
    """Take a user out of the team."""
    identities, member = call.emulator.identities, _membership(call)
    if not (_may(call, member["teamId"], "owner") or call.identity.user_id == member["userId"]):
        raise AppwriteError("user_unauthorized")
    shown = _shown(call, member)
    identities.memberships.remove(member["$id"])
    team = identities.teams[member["teamId"]]
    _save(call, team, total=max(0, team["total"] - 1))
    identities.roles_changed(member["userId"])
    _announce_member(call, member, shown, "delete")
    return Reply(None, 204)


_READ, _WRITE = ("teams.read",), ("teams.write",)
_ONE = "teams/{teamId}"
_MEMBER = _ONE + "/memberships/{membershipId}"

routes = [
    Route("POST", "teams", create, _WRITE),
    Route("GET", "teams", list_teams, _READ),
    Route("GET", _ONE, get, _READ),
    Route("PUT", _ONE, update, _WRITE),
    Route("DELETE", _ONE, delete, _WRITE),
    Route("GET", _ONE + "/prefs", get_prefs, _READ),
    Route("PUT", _ONE + "/prefs", update_prefs, _WRITE),
    Route("POST", _ONE + "/memberships", create_membership, _WRITE, 10),
    Route("GET", _ONE + "/memberships", list_memberships, _READ),
    Route("GET", _MEMBER, get_membership, _READ),
    Route("PATCH", _MEMBER, update_membership, _WRITE),
    Route("DELETE", _MEMBER, delete_membership, _WRITE),
]

"""``/v1/proxy/rules``: domains of functions, kept and listed because the CLI asks; nothing answers there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massage_link.emulator.errors import invalid_param
from massage_link.emulator.kernel import unique_id
from massage_link.emulator.pages import page
from massage_link.emulator.params import text
from massage_link.emulator.routing import Call, Reply, Route

if TYPE_CHECKING:
    from massage_link.emulator.functions.records import Record


_ASKED = dict.fromkeys(
    ("domain", "type", "trigger", "deploymentResourceType", "deploymentResourceId", "deploymentId"), "string"
)


def create_rule(call: Call) -> Reply:
    """Note a domain for a function."""
    registry = call.emulator.functions.registry
    domain = text(call, "domain", most=256)
    function = registry.function(text(call, "functionId", most=36))
    if any(rule["domain"] == domain for rule in registry.rules.values()):
        raise invalid_param("domain", "Domain already exists")
    now = call.emulator.clock.stamp()
    rule: Record = {
        "$id": unique_id(),
        "$createdAt": now,
        "$updatedAt": now,
        "domain": domain,
        "type": "deployment",
        "trigger": "manual",
        "redirectUrl": "",
        "redirectStatusCode": 301,
        "deploymentId": function["deploymentId"],
        "deploymentResourceType": "function",
        "deploymentResourceId": function["$id"],
        "deploymentVcsProviderBranch": "",
        "status": "verified",
        "logs": "",
        "renewAt": "",
    }
    return Reply(registry.rules.put(rule["$id"], rule), 201)


def list_rules(call: Call) -> Reply:
    """List domains, each with the deployment that is active now."""
    registry = call.emulator.functions.registry
    rules, total = page(call, [_current(rule, registry.functions) for rule in registry.rules.values()], _ASKED)
    return Reply({"total": total, "rules": rules})


def _current(rule: Record, functions: dict[str, Record]) -> Record:
    function = functions.get(rule["deploymentResourceId"])
    return {**rule, "deploymentId": function["deploymentId"]} if function else rule


routes: list[Route] = [
    Route("POST", "proxy/rules/function", create_rule, ("rules.write",)),
    Route("GET", "proxy/rules", list_rules, ("rules.read",)),
]

"""Which scopes a caller has by role, from the server's list of roles, and all that a key can be given."""

from __future__ import annotations

GUEST = frozenset(
    {
        "global", "public", "home", "console", "graphql", "sessions.write", "documents.read", "documents.write",
        "rows.read", "rows.write", "files.read", "files.write", "locale.read", "avatars.read", "executions.write",
    }
)  # fmt: skip
USER = frozenset(
    {
        "global", "public", "home", "console", "graphql", "sessions.write", "account", "teams.read", "teams.write",
        "presences.read", "presences.write", "documents.read", "documents.write", "rows.read", "rows.write",
        "files.read", "files.write", "projects.read", "locale.read", "avatars.read", "executions.read",
        "executions.write", "targets.read", "targets.write", "subscribers.write", "subscribers.read",
    }
)  # fmt: skip
KEY_ALWAYS = frozenset({"global", "health.read", "graphql"})
ALL_KEY_SCOPES = KEY_ALWAYS | {
    "sessions.write", "users.read", "users.write", "teams.read", "teams.write", "databases.read", "databases.write",
    "collections.read", "collections.write", "tables.read", "tables.write", "attributes.read", "attributes.write",
    "columns.read", "columns.write", "indexes.read", "indexes.write", "documents.read", "documents.write", "rows.read",
    "rows.write", "files.read", "files.write", "buckets.read", "buckets.write", "functions.read", "functions.write",
    "sites.read", "sites.write", "log.read", "log.write", "execution.read", "execution.write", "executions.read",
    "executions.write", "locale.read", "avatars.read", "rules.read", "rules.write", "migrations.read",
    "migrations.write", "vcs.read", "vcs.write", "assistant.read", "tokens.read", "tokens.write", "presences.read",
    "presences.write", "targets.read", "targets.write", "providers.read", "providers.write", "messages.read",
    "messages.write", "topics.read", "topics.write", "subscribers.read", "subscribers.write", "keys.read", "keys.write",
    "project.read", "project.write", "projects.read", "projects.write",
}  # fmt: skip

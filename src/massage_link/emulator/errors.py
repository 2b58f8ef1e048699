"""Errors as Appwrite words and numbers them.

The type decides what a client does, so each type is written once here, with its HTTP status. Messages follow the
recorded answers where there is one; `{0}` stands for the id or key concerned.
"""

from __future__ import annotations

from .kernel import VERSION

_EXISTS = "already exists. Try again with a different ID or use ID.unique() to generate a unique ID."
CATALOGUE: dict[str, tuple[int, str]] = {
    "emulator_not_implemented": (501, "The emulator does not implement {0}."),
    "general_access_forbidden": (401, "Access to this API is forbidden."),
    "general_argument_invalid": (400, "{0}"),
    "general_bad_request": (400, "{0}"),
    "general_query_invalid": (400, "{0}"),
    "general_cursor_not_found": (400, "{0} for the 'cursor' value not found."),
    "database_query_order_null": (
        400,
        ("The order {0} '{1}' had a null value. Cursor pagination requires all {2} order {0} values are non-null."),
    ),
    "general_rate_limit_exceeded": (
        429,
        "Rate limit for the current endpoint has been exceeded. Please try again after some time.",
    ),
    "general_unauthorized_scope": (
        401,
        "The current user or API key does not have the required scopes to access the requested resource.",
    ),
    "general_smtp_disabled": (
        503,
        "SMTP is disabled on your Appwrite instance. You can learn more about setting up SMTP in our docs.",
    ),
    "general_unknown": (500, "Server Error"),
    "project_not_found": (
        404,
        (
            "Project with the requested ID could not be found. Please check the value of the X-Appwrite-Project header "
            "to ensure the correct project ID is being used."
        ),
    ),
    "user_unauthorized": (401, "The current user is not authorized to perform the requested action."),
    "user_blocked": (403, "The current user has been blocked."),
    "user_not_found": (404, "User with the requested ID could not be found."),
    "user_already_exists": (409, "A user with the same id, email, or phone already exists in this project."),
    "user_email_already_exists": (409, "A user with the same email already exists in the current project."),
    "user_phone_already_exists": (409, "A user with the same phone number already exists in the current project."),
    "user_invalid_credentials": (401, "Invalid credentials. Please check the email and password."),
    "user_jwt_invalid": (401, "Failed to verify JWT. {0}"),
    "user_jwt_and_cookie_set": (
        403,
        "A JWT and cookie have been set in the same request. Please use one or the other and try again.",
    ),
    "user_session_not_found": (404, "The current user session could not be found."),
    "user_session_already_exists": (401, "Creation of a session is prohibited when a session is active."),
    "user_invalid_token": (401, "Invalid token passed in the request."),
    "team_not_found": (404, "Team with the requested ID could not be found."),
    "team_already_exists": (409, "Team with requested ID " + _EXISTS),
    "team_invalid_secret": (
        401,
        "The team invitation secret is invalid. Please request a new invitation and try again.",
    ),
    "team_invite_already_exists": (
        409,
        "User has already been invited or is already a member of this team",
    ),
    "membership_not_found": (404, "Membership with the requested ID could not be found."),
    "membership_already_confirmed": (409, "Membership is already confirmed."),
    "database_not_found": (404, "Database with the requested ID '{0}' could not be found."),
    "database_already_exists": (409, "Database with the requested ID '{0}' " + _EXISTS),
    "table_not_found": (404, "Table with the requested ID '{0}' could not be found."),
    "table_already_exists": (409, "A table with the requested ID '{0}' " + _EXISTS),
    "collection_not_found": (404, "Collection with the requested ID '{0}' could not be found."),
    "collection_already_exists": (409, "A collection with the requested ID '{0}' " + _EXISTS),
    "column_not_found": (404, "Column with the requested key '{0}' could not be found."),
    "column_already_exists": (
        409,
        (
            "Column with the requested key '{0}' already exists. Column keys must be unique, try again with a "
            "different key."
        ),
    ),
    "column_unknown": (
        400,
        (
            "The column '{0}' required for the index could not be found. Please confirm all your columns are in the "
            "available state."
        ),
    ),
    "column_not_available": (400, "The requested column '{0}' is not yet available. Please try again later."),
    "column_limit_exceeded": (
        400,
        "The maximum number or size of columns for this table has been reached. {0}",
    ),
    "column_type_invalid": (400, "The column type is invalid."),
    "column_value_invalid": (400, "{0}"),
    "column_invalid_resize": (
        400,
        "Existing data is too large for new size, truncate your existing data then try again.",
    ),
    "attribute_invalid_resize": (
        400,
        "Existing data is too large for new size, truncate your existing data then try again.",
    ),
    "column_default_unsupported": (400, "Default values cannot be set for array or required columns."),
    "column_format_unsupported": (400, "The requested format is not supported for this column."),
    "attribute_not_found": (404, "Attribute with the requested key '{0}' could not be found."),
    "attribute_already_exists": (
        409,
        (
            "Attribute with the requested key '{0}' already exists. Attribute keys must be unique, try again with a "
            "different key."
        ),
    ),
    "attribute_unknown": (
        400,
        (
            "The attribute '{0}' required for the index could not be found. Please confirm all your attributes are in "
            "the available state."
        ),
    ),
    "attribute_limit_exceeded": (400, "{0}"),
    "attribute_value_invalid": (400, "{0}"),
    "attribute_default_unsupported": (400, "Default values cannot be set for array or required attributes."),
    "attribute_type_invalid": (400, "{0}"),
    "index_not_found": (404, "Index with the requested key '{0}' could not be found."),
    "index_already_exists": (
        409,
        "Index with the requested key '{0}' already exists. Try again with a different key.",
    ),
    "index_invalid": (400, "{0}"),
    "column_index_not_found": (404, "Index with the requested key '{0}' could not be found."),
    "column_index_already_exists": (
        409,
        "Index with the requested key '{0}' already exists. Try again with a different key.",
    ),
    "column_index_invalid": (400, "{0}"),
    "row_not_found": (404, "Row with the requested ID '{0}' could not be found."),
    "row_already_exists": (409, "Row with the requested ID '{0}' " + _EXISTS),
    "row_invalid_structure": (400, "{0}"),
    "row_missing_data": (400, "The row data is missing. Try again with row data populated."),
    "row_missing_payload": (
        400,
        "The row data and permissions are missing. You must provide either row data or permissions to be updated.",
    ),
    "row_update_conflict": (409, "Remote row is newer than local."),
    "document_not_found": (404, "Document with the requested ID '{0}' could not be found."),
    "document_already_exists": (409, "Document with the requested ID '{0}' " + _EXISTS),
    "document_invalid_structure": (400, "{0}"),
    "document_missing_data": (400, "The document data is missing. Try again with document data populated"),
    "document_missing_payload": (
        400,
        (
            "The document data and permissions are missing. You must provide either document data or permissions to be "
            "updated."
        ),
    ),
    "document_update_conflict": (409, "Remote document is newer than local."),
    "transaction_not_found": (404, "Transaction with the requested ID '{0}' could not be found."),
    "transaction_not_ready": (400, "The transaction is not ready yet. Please try again later."),
    "transaction_expired": (500, "Server Error"),  # meant to be a 410, which the server is not set to let out
    "transaction_conflict": (409, "The transaction has a conflict. Please resolve the conflict and try again."),
    "transaction_limit_exceeded": (400, "{0}"),
    "key_not_found": (404, "Key with the requested ID could not be found."),
}


class AppwriteError(Exception):
    """An answer that refuses: `type` and `code` as in `CATALOGUE`, `message` for a person."""

    def __init__(
        self,
        type: str,
        *about: object,
        message: str | None = None,
        code: int | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        status, wording = CATALOGUE.get(type, (500, "{0}"))
        self.type = type
        self.code = code or status
        self.headers = headers or []
        self.message = message if message is not None else wording.format(*(about or ("",)))
        super().__init__(self.message)

    def body(self) -> dict[str, object]:
        """The JSON answer."""
        return {"message": self.message, "code": self.code, "type": self.type, "version": VERSION}


class ServerFailure(Exception):
    """The real server fails here with a bare 500, so this one does; the message says at what."""


def invalid_param(name: str, why: str) -> AppwriteError:
    """400 `general_argument_invalid` about the parameter `name`."""
    return AppwriteError("general_argument_invalid", message=f"Invalid `{name}` param: {why}")


def missing_param(name: str) -> AppwriteError:
    """400 for a required parameter that was not sent."""
    return AppwriteError("general_argument_invalid", message=f'Param "{name}" is not optional.')

"""The refusals of the functions service, as Appwrite words and numbers them."""

from __future__ import annotations

from massage_link.emulator.errors import AppwriteError

_UNIQUE = "Try again with a different ID or use ID.unique() to generate a unique ID."
_KNOWN = {
    "function_not_found": (404, "Function with the requested ID could not be found."),
    "function_already_exists": (409, f"Function with the requested ID already exists. {_UNIQUE}"),
    "function_entrypoint_missing": (
        404,
        (
            "Entrypoint for your Appwrite Function is missing. Please specify it when making deployment or update the "
            'entrypoint under your function\'s "Settings" > "Configuration" > "Entrypoint".'
        ),
    ),
    "function_synchronous_timeout": (
        408,
        (
            "Synchronous function execution timed out. Use asynchronous execution instead, or ensure the execution "
            "duration doesn't exceed 30 seconds."
        ),
    ),
    "function_asynchronous_timeout": (
        408,
        (
            "Asynchronous function execution timed out. Ensure the execution duration doesn't exceed the configured "
            "function timeout."
        ),
    ),
    "build_not_ready": (400, "Build with the requested ID is building and not ready for execution."),
    "build_already_completed": (400, "Build with the requested ID is already completed and cannot be canceled."),
    "deployment_not_found": (404, "Deployment with the requested ID could not be found."),
    "deployment_invalid_file_size": (
        400,
        (
            "The deployment file size is either not valid or exceeds the maximum allowed size. Please check the file "
            "or the value of the _APP_COMPUTE_SIZE_LIMIT environment variable."
        ),
    ),
    "execution_not_found": (404, "Execution with the requested ID could not be found."),
    "execution_in_progress": (
        400,
        "Can't delete ongoing execution. Please wait for execution to finish before deleting it.",
    ),
    "variable_not_found": (404, "Variable with the requested ID could not be found."),
    "variable_already_exists": (
        409,
        "Variable with the same ID already exists in this project. Try again with a different ID.",
    ),
    "variable_cannot_unset_secret": (
        400,
        "Secret variables cannot be marked as non-secret. Please re-create the variable if this is your intention.",
    ),
    "storage_file_empty": (400, "Empty file passed to the endpoint."),
    "storage_file_type_unsupported": (400, "The given file extension is not supported."),
    "storage_invalid_content_range": (
        400,
        "The content range is invalid. Please check the value of the Content-Range header.",
    ),
}


def refusal(kind: str, message: str | None = None) -> AppwriteError:
    """The error of type ``kind``, in ``message``'s words if given."""
    code, wording = _KNOWN[kind]
    return AppwriteError(kind, message=message or wording, code=code)

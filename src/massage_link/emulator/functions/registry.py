"""What is stored of functions: the functions themselves, deployments, variables, and the newest executions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from massage_link.emulator.sqlite import Database, Documents

from .errors import refusal
from .records import shown_variable

if TYPE_CHECKING:
    from .records import Record

_KEPT_EXECUTIONS = 5000  # of one function; the real server forgets by age instead


class Registry:
    """Documents by id, and what links them. Lookups raise AppwriteError (404)."""

    def __init__(self, database: Database) -> None:
        self.functions = Documents(database, "function")
        self.deployments = Documents(database, "deployment")
        self.variables = Documents(database, "variable")
        self.executions = Documents(database, "execution")
        self.rules = Documents(database, "rule")
        self._executions_of: dict[str, dict[str, None]] = defaultdict(dict)
        for key, execution in self.executions.items():
            self._executions_of[execution["functionId"]][key] = None
        self._patterns: frozenset[str] | None = None

    # Functions

    def function(self, id: str) -> Record:
        """The function ``id``."""
        if id not in self.functions:
            raise refusal("function_not_found")
        return self.functions[id]

    def put_function(self, function: Record) -> Record:
        """Store a new or changed function."""
        self._patterns = None
        return self.functions.put(function["$id"], function)

    def remove_function(self, id: str) -> None:
        """Forget a function and everything of it."""
        self._patterns = None
        self.functions.remove(id)
        for documents, owner in (
            (self.deployments, "resourceId"),
            (self.variables, "resourceId"),
            (self.rules, "deploymentResourceId"),
        ):
            for key in [key for key, doc in documents.items() if doc[owner] == id]:
                documents.remove(key)
        for key in list(self._executions_of.pop(id, ())):
            self.executions.remove(key)

    @property
    def patterns(self) -> frozenset[str]:
        """Every event pattern that some function subscribes to."""
        if self._patterns is None:
            self._patterns = frozenset(
                pattern for function in self.functions.values() for pattern in function["events"]
            )
        return self._patterns

    def interested_in(self, names: frozenset[str]) -> list[str]:
        """The ids of functions that subscribe to one of ``names``, oldest first."""
        return [key for key, function in self.functions.items() if not names.isdisjoint(function["events"])]

    def shown(self, function: Record) -> Record:
        """A function as the API shows it, its variables included."""
        return {**function, "vars": [shown_variable(variable) for variable in self.variables_of(function["$id"])]}

    # Deployments and variables

    def deployments_of(self, function_id: str) -> list[Record]:
        """The function's deployments, oldest first."""
        return [doc for doc in self.deployments.values() if doc["resourceId"] == function_id]

    def deployment(self, function_id: str, id: str) -> Record:
        """The deployment ``id`` of a function."""
        found = self.deployments.get(id)
        if found is None or found["resourceId"] != function_id:
            raise refusal("deployment_not_found")
        return found

    def variables_of(self, function_id: str) -> list[Record]:
        """The function's variables, values included."""
        return [doc for doc in self.variables.values() if doc["resourceId"] == function_id]

    def variable(self, function_id: str, id: str) -> Record:
        """The variable ``id`` of a function, its value included."""
        found = self.variables.get(id)
        if found is None or found["resourceId"] != function_id:
            raise refusal("variable_not_found")
        return found

    # Executions

    def executions_of(self, function_id: str) -> list[Record]:
        """The function's executions, oldest first."""
        return [self.executions[key] for key in self._executions_of.get(function_id, ())]

    def execution(self, function_id: str, id: str) -> Record:
        """The execution ``id`` of a function."""
        found = self.executions.get(id)
        if found is None or found["functionId"] != function_id:
            raise refusal("execution_not_found")
        return found

    def put_execution(self, execution: Record) -> None:
        """Store a new or changed execution; the oldest ones make room."""
        ids = self._executions_of[execution["functionId"]]
        ids[execution["$id"]] = None
        self.executions.put(execution["$id"], execution)
        if len(ids) > _KEPT_EXECUTIONS:
            self.remove_execution(self.executions[next(iter(ids))])

    def remove_execution(self, execution: Record) -> None:
        """Forget an execution."""
        self._executions_of[execution["functionId"]].pop(execution["$id"], None)
        self.executions.remove(execution["$id"])

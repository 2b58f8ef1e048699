"""All databases and tables of the project."""

from __future__ import annotations

from .errors import AppwriteError
from .kernel import Clock, fold
from .sqlite import Database, Document, Documents
from .tablestore import Table, table_key


class Catalogue:
    """All databases and tables. Ids are found as the collation compares them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.databases = Documents(database, "database")
        self.documents = Documents(database, "table")
        self.tables = {key: Table(self, doc) for key, doc in self.documents.items()}

    def find_database(self, database_id: str, *, privileged: bool = True) -> Document:
        """The database. Raises AppwriteError (404), also when it is disabled for this caller."""
        found = self.databases.get(fold(database_id))
        if found is None or not (found["enabled"] or privileged):
            raise AppwriteError("database_not_found", database_id)
        return found

    def find_table(
        self, database_id: str, table_id: str, *, privileged: bool = True, missing: str = "table_not_found"
    ) -> Table:
        """The table, settled. Raises AppwriteError (404) for the database or, with type `missing`, the table."""
        self.find_database(database_id, privileged=privileged)
        table = self.tables.get(table_key(database_id, table_id))
        if table is None or not (table.enabled or privileged):
            raise AppwriteError(missing, table_id)
        table.settle()
        return table

    def tables_of(self, database_id: str) -> list[Table]:
        """The tables of one database, oldest first."""
        prefix = f"{fold(database_id)}/"
        found = [table for key, table in self.tables.items() if key.startswith(prefix)]
        for table in found:
            table.settle()
        return found

    def number(self) -> int:
        """A number that no table or column has had: SQL names are made from it."""
        row = self.database.execute("SELECT doc FROM documents WHERE kind = 'counter' AND id = 'number'").fetchone()
        number = int(row[0]) + 1 if row else 1
        self.database.execute("INSERT OR REPLACE INTO documents VALUES ('counter', 'number', ?)", (str(number),))
        return number

    def add_table(self, doc: Document) -> Table:
        """Create a table from its definition (without `number`)."""
        with self.database.atomic():
            doc["number"] = self.number()
            table = Table(self, doc)
            table.create_storage()
            self.documents.put(table_key(table.database_id, table.id), doc)
        self.tables[table_key(table.database_id, table.id)] = table
        return table

    def remove_table(self, table: Table) -> None:
        """Drop a table with its rows."""
        with self.database.atomic():
            table.drop_storage()
            self.documents.remove(table_key(table.database_id, table.id))
        del self.tables[table_key(table.database_id, table.id)]

    def remove_database(self, database_id: str) -> None:
        """Drop a database with its tables."""
        with self.database.atomic():
            for table in self.tables_of(database_id):
                self.remove_table(table)
            self.databases.remove(fold(database_id))

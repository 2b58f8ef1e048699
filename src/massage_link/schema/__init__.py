"""From the models to Appwrite's tables: columns, indexes, permissions and the files that `appwrite push` reads.

Pure: nothing here reads or writes a file.
"""

from massage_link.schema.columns import Definition, columns_of
from massage_link.schema.compare import Difference, Kind, compare_functions, compare_tables
from massage_link.schema.files import (
    differences_in_file,
    generated_files,
    is_direct_write,
    same_content,
    table_definition,
)
from massage_link.schema.functions import ADMIT_BOOKING, FUNCTIONS, Function, functions_of
from massage_link.schema.limits import MAX_INDEX_LENGTH, MAX_ROW_BYTES, check_limits, index_length, row_bytes

__all__ = [
    "ADMIT_BOOKING",
    "FUNCTIONS",
    "MAX_INDEX_LENGTH",
    "MAX_ROW_BYTES",
    "Definition",
    "Difference",
    "Function",
    "Kind",
    "check_limits",
    "columns_of",
    "compare_functions",
    "compare_tables",
    "differences_in_file",
    "functions_of",
    "generated_files",
    "index_length",
    "is_direct_write",
    "row_bytes",
    "same_content",
    "table_definition",
]

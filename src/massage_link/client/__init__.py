"""The SDK: one definition of each operation, driven synchronously and asynchronously."""

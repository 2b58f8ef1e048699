"""Appwrite's REST calls as values: what to send and how to read the answer. No input or output, no domain."""

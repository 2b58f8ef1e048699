"""The Python side of a massage marketplace on Appwrite."""

from massage_link._version import __version__

__all__ = ["__version__"]

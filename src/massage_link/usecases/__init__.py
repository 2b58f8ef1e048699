"""What the marketplace does, as flows: load, decide, write. The same text runs sync, async and in functions."""

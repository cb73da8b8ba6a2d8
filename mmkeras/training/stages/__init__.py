"""One stage of a strategy after the other, and what survives a kill."""

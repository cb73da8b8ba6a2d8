"""A first spec for a table, with what was seen of each column."""

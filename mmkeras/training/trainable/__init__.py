"""Which weights learn, how fast, and in which precision."""

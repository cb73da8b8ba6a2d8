"""What runs in a process of its own, since a converter can crash."""

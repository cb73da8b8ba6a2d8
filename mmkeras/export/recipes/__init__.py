"""Ways to make a float file smaller, and the choice among them."""

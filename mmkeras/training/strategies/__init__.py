"""The strategies: how a model of several towers is trained."""

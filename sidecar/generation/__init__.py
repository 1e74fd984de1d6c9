"""Generation: a request to a model and its answer, without a session."""

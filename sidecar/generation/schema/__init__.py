"""JSON schemas of requests: what an engine can enforce of them, and whether an answer follows them."""

"""JSON-RPC: requests to handlers and their outcomes back, each exactly once."""

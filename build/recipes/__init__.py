"""The recipes behind build/dev.py: one module a thing that is made or checked. Standard library only."""

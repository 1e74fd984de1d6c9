"""A damaged history file: put aside whole, and whatever can still be read of it saved into a new one."""

"""Servers as hosts ask for them: from loose settings to a start with every choice made."""

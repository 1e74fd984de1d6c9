"""Admission: who may be sent to an engine now, and who waits."""

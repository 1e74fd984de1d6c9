"""The desktop app as a person has it: the page in a real browser, on the real sidecar and a real small model."""

"""Calling: tools and their calls as text, for models and engines without a form for them."""

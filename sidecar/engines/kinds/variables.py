"""Variables of the environment that engines are told things with.

Imports nothing, since the embedded engine's child reads them, too.
"""

API_KEY_VARIABLE = "LLAMA_API_KEY"
"""Every engine of ours takes its key from it; argv can be read by every user."""

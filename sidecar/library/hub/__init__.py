"""The hub: what models there are to download, and what a person means by a name or an address."""

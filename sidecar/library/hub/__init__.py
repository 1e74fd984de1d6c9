"""The hub: searching for models to download, and parsing their names and addresses."""

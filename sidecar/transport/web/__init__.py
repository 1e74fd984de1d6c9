"""Pages in a browser on this machine: the page's files, and a WebSocket that speaks the same messages as stdio.

Imports aiohttp, so it is imported by `llama-sidecar serve --web` only.
"""

"""Pages in a browser: `llama-sidecar serve --web`."""

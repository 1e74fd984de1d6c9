"""The page's files.

Owns which files there are and their paths, in a table that is built before any request: no other path is served. Knows
nothing of HTTP beyond types and caching.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

import sidecar

INDEX = "/index.html"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
"""Types of a page's files; others are not served. Not the system's table, which any program may have changed."""

_IMMUTABLE = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


class File(msgspec.Struct, frozen=True):
    """A file that is served.

    Attributes:
        path: its path on disk.
        content_type: its `Content-Type` header.
        caching: its `Cache-Control` header.
    """

    path: Path
    content_type: str
    caching: str


class PageFiles:
    """The files of a built page.

    Args:
        folder: the folder of the page, which need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, File] = {}

    def index(self) -> File | None:
        """The page itself; `None` where it is not built. Reads the folder again, since a new build has new files."""
        self._files = self._found()
        return self._files.get(INDEX)

    def get(self, path: str) -> File | None:
        """The file of a path, such as "/assets/index.js"."""
        return self._files.get(path)

    def _found(self) -> dict[str, File]:
        files = {}
        root = self._folder.resolve()
        for path in self._folder.rglob("*"):
            content_type = _TYPES.get(path.suffix.lower())
            # A link could lead anywhere; the page has none.
            if content_type is None or not path.is_file() or path.resolve() != root / path.relative_to(self._folder):
                continue
            name = f"/{path.relative_to(self._folder).as_posix()}"
            # What is built into assets/ has a hash of its contents in its name.
            files[name] = File(path, content_type, _IMMUTABLE if name.startswith("/assets/") else _ASK_AGAIN)
        return files


def page_folder() -> Path:
    """The page's folder: the last build in a source tree, else in the package."""
    package = Path(sidecar.__file__).parent
    built = package.parent / "shell" / "dist"
    return built if (built / INDEX[1:]).is_file() else package / "page"

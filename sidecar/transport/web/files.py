"""The page's files.

Owns which files there are and under which paths, decided before anybody asks: a path that is not in the table is not
served, whatever it says. Knows nothing of HTTP beyond types and caching.
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
"""What a page is made of; other files are not served. Not from the system, whose table any program may have changed."""

_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


class File(msgspec.Struct, frozen=True):
    """A file that is served.

    Attributes:
        path: where it is.
        content_type: what it is.
        caching: a `Cache-Control` header.
    """

    path: Path
    content_type: str
    caching: str


class PageFiles:
    """The files of a built page.

    Args:
        folder: where it is; there need be none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, File] = {}

    def index(self) -> File | None:
        """The page itself; `None` where it is not built. Finds new files, which a new build has."""
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
            files[name] = File(path, content_type, _FOR_EVER if name.startswith("/assets/") else _ASK_AGAIN)
        return files


def page_folder() -> Path:
    """Where the page is: as it was built last in a source tree, else in the package."""
    package = Path(sidecar.__file__).parent
    built = package.parent / "shell" / "dist"
    return built if (built / INDEX[1:]).is_file() else package / "page"

"""Responses that are not the page's: headers on everything, and plain pages for errors.

Pure.
"""

from __future__ import annotations

from html import escape

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>llama-sidecar</title>
<h1>{title}</h1>
{paragraphs}
</html>
"""

NOT_BUILT = (
    "The page is not built yet",
    "llama-sidecar runs, but has no page to show. In its source tree, build the page with:",
    "make web",
    "Then reload this one. It needs Node 20 or newer.",
)

NOT_OUR_NAME = ("Wrong address", "Use the address that llama-sidecar printed when it was started.")

NOT_FOUND = ("There is nothing here", "The page may have been built again. Reload it.")


def page(words: tuple[str, ...]) -> str:
    """A title and paragraphs as a plain page."""
    title, *paragraphs = map(escape, words)
    return _PAGE.format(title=title, paragraphs="\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs))


def headers(host: str) -> dict[str, str]:
    """The headers of every response.

    Scripts come from our files only. Inline styles are allowed: component libraries use them, and without scripts they
    can do little. Safari before 15.4 does not accept a WebSocket for 'self', so ours is named.

    Args:
        host: our address on loopback, with its port.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "connect-src": f"'self' ws://{host}",
        "object-src": "'none'",
        "frame-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "Server": "llama-sidecar",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }

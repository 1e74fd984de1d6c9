"""Names and paths that somebody gives to get somewhere else, by the hundred.

Every one is a text that JSON can carry, halves of a surrogate pair included. `NAMES` may not lead out of a folder
when they are taken for a file's name; `SAFE_NAMES` are ordinary, and have to stay allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

UNSAFE_OF_THE_HUB = (
    *("../evil.txt", "a/../../evil.txt", "..\\evil.txt", "a\\..\\..\\evil.txt"),
    *("/etc/passwd", "\\evil.txt", "\\\\server\\share\\evil.txt", "//server/share/evil.txt"),
    *("C:\\evil.txt", "C:evil.txt", "C:/evil.txt", "..", "a/.."),
)
"""What huggingface_hub has had to refuse, one incident at a time."""

DIGESTS = (
    *("sha256:../../../evil", "sha256-../../../evil", "sha256:" + "a" * 63 + "/", "sha256-" + "A" * 64 + "/../x"),
    *("sha256:", "sha256:" + "g" * 64, "../blobs/sha256-" + "a" * 64, "sha256:" + "a" * 64 + "\n", "md5:../x"),
    *("refs/pr/../../../evil", "snapshots/../../evil", "blobs/./../../evil"),
)
"""Where a registry's digest or revision was used as a path (CVE-2024-37032 and after)."""

DEVICES = (
    *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM0", "COM1", "COM9", "LPT1", "LPT9", "COM¹", "LPT³"),
    *("con", "Nul", "aUx"),
)
_AFTER_A_DEVICE = ("", ".txt", ".gguf", " ", ".", " .txt", ":", ":stream", ".tar.gz")

TARGETS = ("evil.txt", "canary.txt", "outside/canary.txt", "etc/passwd", "root/.ssh/authorized_keys", "config.json")
_UP = (
    *("..", "../..", "../../..", "../" * 40 + "..", "./..", ".//..", "a/../..", "...", ". .", ".. ", " ..", "..."),
    *("..\\..", "..\\", "..;", "..%00", "%2e%2e", "%2E%2E", "%252e%252e", "..%2f..", "%c0%ae%c0%ae", "..%c0%af"),
    *("..%5c..", "0x2e0x2e", "\uff0e\uff0e", "\u2025", "\u2024\u2024", "..\u2215..", "..\uff0f..", "\u202e.."),
)
_ROOTS = ("/", "//", "///", "\\", "\\\\", "/./", "/../", "C:/", "C:\\", "c:", "Z:\\", "/C:/", "file:///", "file:/")
_SERVERS = (
    *("\\\\server\\share\\", "//server/share/", "\\\\?\\C:\\", "\\\\?\\UNC\\server\\share\\", "\\\\.\\C:\\"),
    *("\\\\.\\PhysicalDrive0\\", "\\\\.\\pipe\\", "\\??\\C:\\", "\\\\localhost\\c$\\", "\\\\127.0.0.1@8080\\x\\"),
    *("smb://server/", "http://127.0.0.1/", "ftp://server/", "data:text/plain,"),
)
_HOMES = (
    *("~", "~root", "~nobody", "~nobody-of-this-name", "~+", "~-", "~\0", "~\ud800", "~/..", "~/../.."),
    *("$HOME", "${HOME}", "%HOME%", "%USERPROFILE%", "%APPDATA%", "$(id)", "`id`", "$((1))", "${IFS}"),
)
_CHARACTERS = (
    *("\0", "\n", "\r", "\r\n", "\t", "\v", "\f", "\x01", "\x07", "\b", "\x1b", "\x1b[2J", "\x7f"),
    *("\x80", "\x85", "\x9b", "\x9f", "\xa0", "\xad", "\u061c", "\u180e", "\u200b", "\u200d", "\u200e", "\u200f"),
    *("\u2028", "\u2029", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2060", "\u2066", "\u2067", "\u2068"),
    *("\u2069", "\ufeff", "\ufff9", "\U000e0041", "\U000e007f", "\ud800", "\udfff", "\udcff", "\ud800\ud800"),
)
_SHELL = (
    *("; touch evil", "| touch evil", "& touch evil", "&& touch evil", "> evil", "< /etc/passwd", "'; touch evil; '"),
    *('" touch evil "', "\ntouch evil\n", "$(touch evil)", "`touch evil`", "*", "?", "[a-z]", "{a,b}", "!", "#", "--"),
    *("-rf", "--help", "--api-key=x", "-", "%s%s%s%n", "{0}", "{message}", "{{7*7}}", "' OR 1=1 --", "\\", "''", '""'),
)
_PLACES = (
    *("/dev/null", "/dev/zero", "/dev/stdin", "/dev/tty", "/dev/fd/0", "/dev/fd/1", "/dev/full", "/dev/random"),
    *("/proc/self/mem", "/proc/self/environ", "/proc/self/cmdline", "/proc/self/fd/0", "/proc/self/fd/1"),
    *("/proc/self/root/etc/passwd", "/proc/1/environ", "/proc/kmsg", "/proc/kcore", "/proc/self/exe"),
    *("/sys/kernel/debug", "/sys/class", "/etc/passwd", "/etc/shadow", "/etc", "/", "/tmp", "/root/.bashrc", "/a/b/c"),
)
_LENGTHS = (
    *("x" * 255, "x" * 256, "x" * 4095, "x" * 4097, "/" + "x" * 255, "/" + "x" * 5000, "/" + "x/" * 3000, "é" * 200),
    *("../" * 2000, "a/" * 2000 + "a", "." * 300, " " * 300, "/" * 5000, "~" + "x" * 5000, "\U0001f600" * 100),
)
_LIKE_OTHERS = (
    *(
        "Config.json",
        "CONFIG.JSON",
        "config.json.",
        "config.json ",
        "config.json::$DATA",
        "config.json:x",
        "history.db",
    ),
    *("history.db-wal", "HISTORY.DB", "lock", "./lock", "logs/../lock", "logs", "models", ".", "", " ", "\t", ".git"),
    *("cafe\u0301", "K.gguf", "\u212a.gguf", "\u1e9e.gguf", "\ufb01le", "\u0130.gguf", "a\u0345"),
    *("link", "link/evil.txt", "models/link/evil.txt", "logs/link"),
)


def _all() -> Iterator[str]:
    yield from UNSAFE_OF_THE_HUB
    yield from DIGESTS
    yield from (device + after for device, after in product(DEVICES, _AFTER_A_DEVICE))
    yield from (f"models/{device}" for device in DEVICES)
    yield from (f"{up}/{target}" for up, target in product(_UP, TARGETS))
    yield from (f"{up}\\{TARGETS[0]}" for up in _UP)
    yield from _UP
    yield from (f"{root}{target}" for root, target in product(_ROOTS, TARGETS[:3]))
    yield from (f"{server}evil.txt" for server in _SERVERS)
    yield from (f"{home}{after}" for home, after in product(_HOMES, ("", "/canary.txt", "/../evil.txt")))
    yield from (f"a{character}b" for character in _CHARACTERS)
    yield from (f"/tmp/a{character}b.gguf" for character in _CHARACTERS)
    yield from (f"{character}x" for character in _CHARACTERS)
    yield from (f"x{character}" for character in _CHARACTERS)
    yield from (f"a{words}" for words in _SHELL)
    yield from _SHELL
    yield from _PLACES
    yield from _LENGTHS
    yield from _LIKE_OTHERS


NAMES: tuple[str, ...] = tuple(dict.fromkeys(_all()))

SAFE_NAMES = (
    *("model.gguf", "Qwen3-0.6B-Q8_0.gguf", "a b (1).gguf", "ä.gguf", "模型.gguf", ".gitattributes", "a..b", "...a"),
    *("console.gguf", "com10.gguf", "nullable", "Q4_K_M/model-00001-of-00002.gguf", "😀.gguf", "x" * 200, "-", "~x"),
)
"""Names as people and hubs use them."""

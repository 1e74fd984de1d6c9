"""How quick the page is: its weight, its first paint, and scrolling where there is a lot to scroll.

    python -m tests.desktop.trial        needs LLAMA_SIDECAR_CHROMIUM

Scrolling is compared with the same page at rest, in one run: a frame that is late there is the machine's fault, not
the page's.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.browser import Served

DIST = Path(__file__).resolve().parents[2] / "shell" / "dist"

LOADS = 9
MESSAGES = 10_000
SESSIONS = 200
FRAMES = 240
STEP_PX = 400
"""A frame: five screens a second, about as fast as a wheel goes."""

SCROLL = """async ([selector, frames, step]) => {
  const box = [...document.querySelectorAll(selector)].find((one) => one.scrollHeight > one.clientHeight + 1)
  if (step !== 0 && !box) throw new Error(`nothing to scroll in ${selector}`)
  const gaps = []
  let direction = box && box.scrollTop > 0 ? -1 : 1
  let last = await new Promise(requestAnimationFrame)
  for (let i = 0; i < frames; i++) {
    if (box) {
      const before = box.scrollTop
      box.scrollTop += step * direction
      if (step !== 0 && box.scrollTop === before) direction = -direction
    }
    const now = await new Promise(requestAnimationFrame)
    gaps.push(now - last)
    last = now
  }
  return gaps
}"""


def main() -> int:
    """Measure all of it and print a table."""
    with tempfile.TemporaryDirectory(prefix="page-trial-") as folder:
        with Served(Path(folder)) as served:
            asyncio.run(_fill(served))
        print(f"{'bundle before lazy parts':44} {_weight() / 1000:6.0f} KB gzipped      (at most 600)")
        with Served(Path(folder)) as served, sync_playwright() as playwright:
            program = os.environ["LLAMA_SIDECAR_CHROMIUM"]
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            try:
                _measure(browser, served)
            finally:
                browser.close()
    return 0


async def _fill(served: Served) -> None:
    """A session of many messages, and many sessions."""
    async with served.page() as page:
        await page.call("initialize", contract_version="1.0")
        for number in range(SESSIONS - 1):
            await page.call("create_session", title=f"Chat number {number}")
        await page.call("import_session", content=orjson.dumps(long_session(MESSAGES)).decode())


def long_session(count: int) -> dict[str, Any]:
    """A session of so many messages as `import_session` takes it."""
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(count)]
    now = time.time()
    answer = "Answer {0} with **bold** and a list\n\n- one\n- two\n\n```py\nx = {0}\n```"
    messages = [
        {
            "message_id": id_,
            "parent_id": ids[number - 1] if number else None,
            "role": "assistant" if number % 2 else "user",
            "content": answer.format(number) if number % 2 else f"Question {number}",
            "state": "complete",
            "created_at": now - count + number,
        }
        for number, id_ in enumerate(ids)
    ]
    return {
        "format": "llama-sidecar/session",
        "version": 1,
        "session_id": "11111111-1111-4111-8111-111111111111",
        "title": f"{count:,} messages",
        "system": None,
        "config": {},
        "created_at": now - count,
        "updated_at": now,
        "head": ids[-1],
        "messages": messages,
    }


def _weight() -> int:
    """Bytes of what the page loads before anything is asked for, gzipped."""
    text = (DIST / "index.html").read_text(encoding="utf-8")
    files = [DIST / path for path in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', text)]
    assert files
    return sum(len(gzip.compress(file.read_bytes(), 9)) for file in (DIST / "index.html", *files))


def _measure(browser: Browser, served: Served) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(served.address)
    paints = [_first_paint(browser, served) for _ in range(LOADS)]
    told = f"{statistics.median(paints):6.0f} ms · {max(paints):.0f} ms  (at most 1000)"
    print(f"{f'first paint, median and worst of {LOADS}':44} {told}")
    page.get_by_role("link", name=f"{MESSAGES:,} messages").click()
    page.get_by_text(f"Answer {MESSAGES - 1}").wait_for()
    for what, selector in (("10,000 messages", ".chat-scroll"), ("200 sessions", ".sessions-list")):
        _scrolled(page, what, selector)


def _first_paint(browser: Browser, served: Served) -> float:
    """Milliseconds until something is drawn, in a browser that is admitted and has nothing of the page yet."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto(served.another_link())
        page.get_by_role("navigation", name="Pages").wait_for()
        return float(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))


def _scrolled(page: Page, what: str, selector: str) -> None:
    rest = page.evaluate(SCROLL, [selector, FRAMES, 0])
    moving = page.evaluate(SCROLL, [selector, FRAMES, STEP_PX])
    print(f"{what + ' scrolled, frames against rest':44} {_three(moving, rest)}")


def _three(moving: list[float], rest: list[float]) -> str:
    """Median, 95th and worst frame, each with that of the page at rest."""
    parts = []
    for name, at in (("median", 0.5), ("p95", 0.95), ("worst", 1.0)):
        ours, theirs = (sorted(gaps)[min(int(len(gaps) * at), len(gaps) - 1)] for gaps in (moving, rest))
        parts.append(f"{name} {ours:.0f} of {theirs:.0f} ms")
    return " · ".join(parts)


if __name__ == "__main__":
    sys.exit(main())

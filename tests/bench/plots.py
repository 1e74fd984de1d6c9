"""The pictures of a run: every ratio against its target, and how costs grow.

Run as a program with the JSON file of a run, by the Python that has matplotlib; writes PNG files beside it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

MET, MISSED, PLAIN, GRID = "#2a7f4f", "#c0392b", "#4a6fa5", "#d9d9d9"
DPI = 110
LABEL_CROSSES = 0.62
"""A bar that ends between here and the line has its label behind the line, on which it could not be read."""
MOST_SHOWN = 2.5
"""Times the target; a longer bar is cut, so that the others stay readable."""


def main(path: Path) -> None:
    """Draw what there is in a file of figures."""
    run = json.loads(path.read_text(encoding="utf-8"))
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    about = run["about"]
    subtitle = f"{about['date']}, {about['commit']}, {about['cpus']} CPUs ({about['cpu']}), load {about['load_at_end']}"
    draw_targets(run["figures"], subtitle, path.with_name(f"{path.stem}-targets.png"))
    draw_growth(
        {figure["key"]: figure for figure in run["figures"]}, subtitle, path.with_name(f"{path.stem}-growth.png")
    )


def draw_targets(figures: Sequence[dict[str, Any]], subtitle: str, path: Path) -> None:
    """How far each figure is from its target: a bar that ends left of 1 meets it."""
    rows = [(figure, used(figure)) for figure in figures if figure["bound"] is not None]
    fig, axes = plt.subplots(figsize=(10, 0.3 * len(rows) + 1.4), layout="constrained")
    for y, (figure, part) in enumerate(reversed(rows)):
        axes.barh(y, min(part, MOST_SHOWN), color=MET if figure["met"] else MISSED, height=0.62)
        beyond = f"  ({part:.0f} times the target)" if part > MOST_SHOWN else ""
        at = 1 if LABEL_CROSSES <= part <= 1 else min(part, MOST_SHOWN)
        axes.text(at + 0.02, y, measured(figure) + beyond, va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{figure['name']}  ({figure['target']})" for figure, _ in reversed(rows)])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(0, MOST_SHOWN + 0.7)
    axes.set_xlabel("part of the target that is used up: left of the line it is met")
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(y=0.01)
    fig.suptitle(f"Figures against their targets\n{subtitle}", fontsize=10)
    fig.savefig(path, dpi=DPI, facecolor="white", bbox_inches="tight")
    plt.close(fig)


def used(figure: dict[str, Any]) -> float:
    """The part of its target that a figure uses up."""
    judged, bound = max(figure["judged"], 0.0), figure["bound"]
    return float(bound / judged if figure["more_is_better"] else judged / bound)


def measured(figure: dict[str, Any]) -> str:
    """What a target is about, in a few characters."""
    unit = figure["target"].split(maxsplit=2)[-1].removesuffix(" + 1 % added")
    return f"{figure['judged']:,.3g} {unit}" if abs(figure["judged"]) < 1000 else f"{figure['judged']:,.0f} {unit}"


def draw_growth(figures: dict[str, dict[str, Any]], subtitle: str, path: Path) -> None:
    """How costs grow with streams and with messages, beside the references."""
    fig, grid = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    panels = (
        ("flood.cpu.", "Processor time of a token in a flood", "streams", "µs", 12.0),
        ("tokens.", "Tokens/s from a real engine", "streams", "tokens/s", None),
        ("append.", "Appending a message", "messages in the history", "ms, p50", None),
        ("search.p95.", "Searching, page of 20", "messages in the history", "ms, p95", 30.0),
    )
    for axes, (prefix, title, x_label, y_label, bound) in zip(grid.flat, panels, strict=True):
        found = {int(key.removeprefix(prefix)): f for key, f in figures.items() if is_numbered(key, prefix)}
        _panel(axes, dict(sorted(found.items())), bound)
        axes.set(title=title, xlabel=x_label, ylabel=y_label)
    fig.suptitle(f"How costs grow\n{subtitle}", fontsize=10)
    fig.savefig(path, dpi=DPI, facecolor="white", bbox_inches="tight")
    plt.close(fig)


def is_numbered(key: str, prefix: str) -> bool:
    """Whether a key is this prefix and a number."""
    return key.startswith(prefix) and key.removeprefix(prefix).isdecimal()


def _panel(axes: Any, found: dict[int, dict[str, Any]], bound: float | None) -> None:
    x = list(found)
    for name, color, marker in (("reference", PLAIN, "s"), ("ours", MET, "o")):
        key = "references" if name == "reference" else "ours"
        y = [sorted(figure[key])[len(figure[key]) // 2] for figure in found.values()]
        low, high = ([figure_part(figure[key], share) for figure in found.values()] for share in (0.25, 0.75))
        label = "sidecar" if name == "ours" else next((figure["reference"] for figure in found.values()), "")
        axes.plot(x, y, color=color, marker=marker, label=label)
        axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
    if bound is not None:
        axes.axhline(bound, color=MISSED, linestyle="--", linewidth=1, label=f"target {bound:g}")
    axes.set_xscale("log")
    axes.set_xticks(x, [f"{number:,}" for number in x])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(color=GRID, linewidth=0.6)
    axes.legend(frameon=False)


def figure_part(values: Sequence[float], share: float) -> float:
    """The value at a share of the sorted values."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

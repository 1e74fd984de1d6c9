"""Figures as a table for people and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.figures import Figure

HEAD = ("figure", "measured", "reference", "ratio", "middle half", "target", "")

TIMES = "\N{MULTIPLICATION SIGN}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    first, third = figure.spread
    reference = ""
    if figure.reference:
        reference = f"{number(figure.reference_median)} {figure.unit}, {figure.reference_name}"
    return (
        figure.name,
        f"{number(figure.value)} {figure.unit}",
        reference,
        f"{number(figure.trend)} {TIMES}" if figure.reference else "",
        f"{number(first)} to {number(third)}",
        target_text(figure),
        {True: "met", False: "missed", None: ""}[figure.is_met],
    )


def target_text(figure: Figure) -> str:
    """A figure's target in words."""
    if figure.target is None:
        return ""
    sign = "≥" if figure.more_is_better else "≤"
    unit = {"ratio": TIMES, "value": figure.unit, "added": f"{figure.unit} + 1 % added"}[figure.target.on]
    return f"{sign} {number(figure.target.bound)} {unit}"


def number(value: float) -> str:
    """Three digits that count, and thousands set apart."""
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def as_json(figure: Figure) -> dict[str, Any]:
    """All of a figure, for a file."""
    first, third = figure.spread
    return {
        "key": figure.key,
        "name": figure.name,
        "unit": figure.unit,
        "value": _short(figure.value),
        "reference": figure.reference_name or None,
        "reference_value": _short(figure.reference_median) if figure.reference else None,
        "ratio": _short(figure.trend) if figure.reference else None,
        "middle_half": [_short(first), _short(third)],
        "target": target_text(figure) or None,
        "bound": figure.target.bound if figure.target else None,
        "judged": None if figure.judged is None else _short(figure.judged),
        "met": figure.is_met,
        "more_is_better": figure.more_is_better,
        "ours": [_short(value) for value in figure.ours],
        "references": [_short(value) for value in figure.reference],
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def page(figures: Sequence[Figure], about: Mapping[str, Any], notes: Sequence[str]) -> str:
    """The whole report as Markdown."""
    met = [figure.is_met for figure in figures if figure.is_met is not None]
    return "\n".join(
        [
            "# What the sidecar costs",
            "",
            f"{met.count(True)} of {len(met)} targets met. Each figure is a median; with a reference, of the ratios of"
            " interleaved pairs, beside the middle half of them.",
            "",
            table(figures),
            "",
            *(f"- {note}" for note in notes),
            *([""] if notes else []),
            "| measured on | |",
            "|---|---|",
            *(f"| {name.replace('_', ' ')} | {value} |" for name, value in about.items()),
            "",
        ]
    )

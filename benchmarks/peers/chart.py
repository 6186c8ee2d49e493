"""Bars of ratios as SVG: one group an operation, one bar a contestant, on a logarithmic scale around 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 860
#: Where the names of bars end, and where bars may end.
LEFT, RIGHT = 210, 780
BAR, GAP, HEAD, TOP, BOTTOM = 13, 12, 18, 64, 20
OURS = "mini_orm"
#: Its own background, so that it is readable on any page, whatever that makes of light and dark.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 14px; font-weight: 600 }
  .head { font-weight: 600 }
  .quiet { fill: #59636e; font-size: 11px }
  .ground { fill: #ffffff }
  .grid { stroke: #d1d9e0 }
  .one { stroke: #1f2328 }
  .ours { fill: #1a7f64 }
  .peer { fill: #a8b3bf }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .ground { fill: #0d1117 }
    .grid { stroke: #30363d }
    .one { stroke: #e6edf3 }
    .ours { fill: #3fb68b }
    .peer { fill: #57606a }
  }
"""
TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)


@dataclass(frozen=True)
class Bar:
    name: str
    ratio: float


@dataclass(frozen=True)
class Group:
    title: str
    bars: Sequence[Bar]


class Scale:
    """Ratio -> place, from a little below the smallest to a little above the largest."""

    def __init__(self, ratios: Sequence[float]) -> None:
        self.low = min(0.5, *ratios) / 1.1
        self.high = max(2.0, *ratios) * 1.1

    def place(self, ratio: float) -> float:
        """Return where a ratio is, from left to right."""
        share = math.log(ratio / self.low) / math.log(self.high / self.low)
        return LEFT + share * (RIGHT - LEFT)

    def ticks(self) -> list[float]:
        """Return the ratios that have a line."""
        return [tick for tick in TICKS if self.low <= tick <= self.high]


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _grid(scale: Scale, bottom: float) -> list[str]:
    lines = []
    for tick in scale.ticks():
        x = scale.place(tick)
        kind = "one" if tick == 1 else "grid"
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom:.1f}" class="{kind}"/>')
        lines.append(_text(x, TOP - 14, f"{tick:g}", "quiet", "middle"))
    return lines


def _bar(bar: Bar, scale: Scale, y: float) -> list[str]:
    one, end = scale.place(1.0), scale.place(bar.ratio)
    kind = "ours" if bar.name.startswith(OURS) else "peer"
    place = f'x="{min(one, end):.1f}" y="{y:.1f}" width="{max(abs(end - one), 1):.1f}" height="{BAR - 2}"'
    return [
        _text(LEFT - 10, y + BAR - 3, bar.name, anchor="end"),
        f'<rect {place} rx="1" class="{kind}"/>',
        _text(max(one, end) + 5, y + BAR - 3, f"{bar.ratio:.2f}", "quiet"),
    ]


def chart(title: str, groups: Sequence[Group], *, base: str) -> str:
    """Draw groups of bars; `base` is what the line at 1 is called."""
    scale = Scale([bar.ratio for group in groups for bar in group.bars])
    drawn: list[str] = []
    y = float(TOP)
    for group in groups:
        drawn.append(_text(16, y + 12, group.title, "head"))
        y += HEAD
        for bar in group.bars:
            drawn += _bar(bar, scale, y)
            y += BAR
        y += GAP
    height = y + BOTTOM
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height:.0f}" class="ground"/>',
            _text(16, 22, title, "title"),
            _text(16, TOP - 14, f"{base} = 1, shorter is quicker", "quiet"),
            *_grid(scale, y),
            *drawn,
            "</svg>",
            "",
        ]
    )

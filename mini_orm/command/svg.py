"""A diagram as SVG: boxes in columns, parents to the left of their children, and lines from row to row.

All measures are in pixels. The text has a fixed width for each character, so that no font has to be measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from .diagrams import Box, Diagram, Line, Row

_CHARACTER, _ROW, _HEAD, _PAD = 7.3, 20, 28, 10
_GAP, _BETWEEN, _MARGIN = 96, 26, 24
_STYLE = (
    "text { font: 12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2933; } "
    ".head { font-weight: bold; fill: #ffffff; } .type { fill: #697586; } .key { font-weight: bold; } "
    ".box { fill: #ffffff; stroke: #3e4c59; } .bar { fill: #3e4c59; } .line { fill: none; stroke: #7b8794; "
    "stroke-width: 1.3; } .rule { stroke: #e4e7eb; }"
)


@dataclass(frozen=True)
class _Place:
    """Where a box stands."""

    x: float
    y: float
    width: float
    height: float


def svg_text(diagram: Diagram) -> str:
    """Draw a diagram."""
    places = _places(diagram)
    loops = _GAP // 2 if any(places[line.child].x == places[line.parent].x for line in diagram.lines) else 0
    width = max((place.x + place.width for place in places), default=0) + _MARGIN + loops
    height = max((place.y + place.height for place in places), default=0) + _MARGIN
    names = ", ".join(box.name for box in diagram.boxes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(f"Models: {names}")}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#f8fafb"/>',
        *(_line(diagram, places, line) for line in diagram.lines),
        *(part for box, place in zip(diagram.boxes, places, strict=True) for part in _box(box, place)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _places(diagram: Diagram) -> list[_Place]:
    """Put each box in the column behind its parents', next to where these are."""
    columns = _columns(diagram)
    tall = [_HEAD + _ROW * len(box.rows) + 4.0 for box in diagram.boxes]
    heights = [sum(tall[box] for box in column) + _BETWEEN * (len(column) - 1) for column in columns]
    found: dict[int, _Place] = {}
    x = float(_MARGIN)
    for column, height in zip(columns, heights, strict=True):
        y = _MARGIN + (max(heights) - height) / 2
        width = max(_width(diagram.boxes[box]) for box in column)
        for box in sorted(column, key=lambda box: _middle_of_parents(diagram, found, box)):
            found[box] = _Place(x, y, width, tall[box])
            y += tall[box] + _BETWEEN
        x += width + _GAP
    return [found[box] for box in range(len(diagram.boxes))]


def _columns(diagram: Diagram) -> list[list[int]]:
    depths: list[int] = []
    for box in range(len(diagram.boxes)):
        parents = [line.parent for line in diagram.lines if line.child == box and line.parent < box]
        depths.append(max((depths[parent] + 1 for parent in parents), default=0))
    return [[box for box, depth in enumerate(depths) if depth == one] for one in range(max(depths, default=-1) + 1)]


def _middle_of_parents(diagram: Diagram, found: dict[int, _Place], box: int) -> tuple[float, int]:
    parents = [found[line.parent] for line in diagram.lines if line.child == box and line.parent in found]
    middles = [place.y + place.height / 2 for place in parents]
    return (sum(middles) / len(middles) if middles else 0.0), box


def _width(box: Box) -> float:
    longest = max([len(box.name) + 2, *(len(row.name) + len(_type(row)) + 8 for row in box.rows)])
    return longest * _CHARACTER + 2 * _PAD


def _type(row: Row) -> str:
    return f"{row.type} | None" if row.nullable else row.type


def _box(box: Box, place: _Place) -> Iterator[str]:
    x, y, right = place.x, place.y, place.x + place.width
    yield f"<g><title>{escape(f'{box.name}: the table {box.table}')}</title>"
    yield f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" rx="4"/>'
    yield f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{place.width:.1f}" height="{_HEAD}" rx="4"/>'
    yield f'<text class="head" x="{x + _PAD:.1f}" y="{y + 18:.1f}">{escape(box.name)}</text>'
    for number, row in enumerate(box.rows):
        base = y + _HEAD + number * _ROW
        kind = "key" if "PK" in row.marks else "field"
        if number:
            yield f'<path class="rule" d="M {x + 1:.1f} {base + 2:.1f} H {right - 1:.1f}"/>'
        yield f'<text class="type" x="{x + _PAD:.1f}" y="{base + 16:.1f}">{" ".join(row.marks[:1])}</text>'
        yield f'<text class="{kind}" x="{x + _PAD + 3 * _CHARACTER:.1f}" y="{base + 16:.1f}">{escape(row.name)}</text>'
        kind_at = f'x="{right - _PAD:.1f}" y="{base + 16:.1f}" text-anchor="end"'
        yield f'<text class="type" {kind_at}>{escape(_type(row))}</text>'
    yield "</g>"


def _line(diagram: Diagram, places: list[_Place], line: Line) -> str:
    """Draw a line from a child's row to a parent's: a foot where there may be many, a bar where there is one."""
    child, parent = places[line.child], places[line.parent]
    y1, y2 = _row_middle(child, line.child_row), _row_middle(parent, line.parent_row)
    # Where a line leaves a box: to the right (1) or to the left; within a column both ends are on the right.
    from_child, from_parent = (1 if child.x <= parent.x else -1), (-1 if child.x < parent.x else 1)
    x1 = child.x + child.width if from_child > 0 else child.x
    x2 = parent.x + parent.width if from_parent > 0 else parent.x
    bend = _GAP / 2
    bent = f"{x1 + from_child * bend:.1f} {y1:.1f} {x2 + from_parent * bend:.1f} {y2:.1f}"
    curve = f"M {x1:.1f} {y1:.1f} C {bent} {x2:.1f} {y2:.1f}"
    foot, end_at = x1 + from_child * 9, x2 + from_parent * 6
    many = f"M {x1:.1f} {y1 - 5:.1f} L {foot:.1f} {y1:.1f} L {x1:.1f} {y1 + 5:.1f}"
    end = f"M {foot:.1f} {y1 - 5:.1f} V {y1 + 5:.1f}" if line.is_single else many
    bar = "" if line.is_optional else f"M {end_at:.1f} {y2 - 5:.1f} V {y2 + 5:.1f}"
    ring = f'<circle class="line" cx="{end_at:.1f}" cy="{y2:.1f}" r="3.5"/>' if line.is_optional else ""
    one, other = diagram.boxes[line.child], diagram.boxes[line.parent]
    title = f"{one.name}.{one.rows[line.child_row].name} to {other.name}: {line.label}"
    return f'<g><title>{escape(title)}</title><path class="line" d="{curve} {end} {bar}"/>{ring}</g>'


def _row_middle(place: _Place, row: int) -> float:
    return place.y + _HEAD + row * _ROW + _ROW / 2 + 2

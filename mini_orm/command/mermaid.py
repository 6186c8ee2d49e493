"""A diagram as Mermaid's `erDiagram`. Source: https://mermaid.js.org/syntax/entityRelationshipDiagram.html"""

from __future__ import annotations

import re

from .diagrams import Diagram, Line, Row


def mermaid_text(diagram: Diagram) -> str:
    """Write a diagram as the text of Mermaid."""
    lines = ["erDiagram"]
    for box in diagram.boxes:
        lines += [f"    {box.name} {{", *(f"        {_row(row)}" for row in box.rows), "    }"]
    lines += [f"    {_line(diagram, line)}" for line in diagram.lines]
    return "\n".join(lines) + "\n"


def _row(row: Row) -> str:
    kind = re.sub(r"\W+", "_", row.type).strip("_") or "Any"  # it takes words only
    parts = [kind, row.name, ", ".join(row.marks), '"or None"' if row.nullable else ""]
    return " ".join(part for part in parts if part)


def _line(diagram: Diagram, line: Line) -> str:
    parent, child = diagram.boxes[line.parent].name, diagram.boxes[line.child].name
    label = line.label.replace('"', "'")
    return f'{parent} {"|o" if line.is_optional else "||"}--{"o|" if line.is_single else "o{"} {child} : "{label}"'

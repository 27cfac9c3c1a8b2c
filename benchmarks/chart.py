"""A horizontal bar chart of tables' bars, written as SVG without any package."""

from __future__ import annotations

from xml.sax.saxutils import escape

WIDTH, LABELS, RIGHT = 820, 290, 70
ROW, BAR = 26, 17
OURS, OTHERS, INK, LINE = "#1f6f8b", "#b9c2c9", "#1c2429", "#6c7a83"


def bars_of(table, top, longest):
    """Return the elements of one table, and the y where the next may start."""
    scale = (WIDTH - LABELS - RIGHT) / longest
    parts = [f'<text x="16" y="{top + 16}" font-size="15" font-weight="bold" fill="{INK}">{escape(table.title)}</text>']
    y, one = top + 30, LABELS + scale
    parts.append(
        f'<line x1="{one:.1f}" y1="{y - 6}" x2="{one:.1f}" y2="{y + ROW * len(table.bars) - 3}" stroke="{LINE}" '
        'stroke-dasharray="3 3"/>'
    )
    for name, value in sorted(table.bars, key=lambda bar: bar[1]):
        color = OURS if "entry_script_helper" in name else OTHERS
        weight = "bold" if color == OURS else "normal"
        width = max(1, value * scale)
        label = f'<text x="{LABELS - 10}" y="{y + 13}" text-anchor="end" font-weight="{weight}" '
        parts += [
            label + f'fill="{INK}">{escape(name)}</text>',
            f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{color}"/>',
            f'<rect x="{LABELS + width + 3:.1f}" y="{y}" width="36" height="{BAR}" fill="#ffffff"/>',
            f'<text x="{LABELS + width + 7:.1f}" y="{y + 13}" font-weight="{weight}" fill="{INK}">{value:.2f}</text>',
        ]
        y += ROW
    return parts, y + 16


def chart(title, tables):
    """Return an SVG document: bars of the tables one below the other, on one scale; a dashed line at 1."""
    tables = [table for table in tables if table.bars]
    longest = max(value for table in tables for _, value in table.bars)
    parts, top = [], 48
    for table in tables:
        more, top = bars_of(table, top, longest)
        parts += more
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">',
        '<g font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>',
        f'<text x="16" y="30" font-size="17" font-weight="bold" fill="{INK}">{escape(title)}</text>',
    ]
    return "\n".join([*head, *parts, "</g>", "</svg>"]) + "\n"

"""A curve as SVG, written by hand: a picture that a browser shows and a diff can read."""

from __future__ import annotations

import math
from html import escape

from tests.bench.figures import Curve

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 180, 34, 48
COLOURS = ("#1f6fb4", "#c4472b", "#2b8a3e", "#8a5a00", "#6b3fa0", "#00808a")


def svg(curve: Curve) -> str:
    top = _round_up(max((y for line in curve.lines.values() for y in line if y is not None), default=1.0) or 1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(curve.name)}</text>',
        *_axes(curve, top),
    ]
    for number, (name, values) in enumerate(curve.lines.items()):
        parts += _line(curve, top, name, values, number)
    return "\n".join([*parts, "</svg>", ""])


def _axes(curve: Curve, top: float) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    shown = curve.x if len(curve.x) <= 8 else [curve.x[len(curve.x) * part // 6] for part in range(6)] + [curve.x[-1]]
    for x in shown:
        parts.append(f'<text x="{_x(x, curve):.1f}" y="{bottom + 16}" text-anchor="middle">{x:,.6g}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(curve.x_label)}</text>')
    parts.append(
        f'<text x="14" y="{(TOP + bottom) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(TOP + bottom) / 2})">{escape(curve.y_label)}</text>'
    )
    return parts


def _line(curve: Curve, top: float, name: str, values: tuple[float | None, ...], number: int) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    points = [(_x(x, curve), _y(y, top)) for x, y in zip(curve.x, values, strict=True) if y is not None]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    if len(points) <= 20:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    y = TOP + 14 + 18 * number
    parts.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
    parts.append(f'<text x="{WIDTH - RIGHT + 30}" y="{y}">{escape(name)}</text>')
    return parts


def _x(value: float, curve: Curve) -> float:
    low, high = _scaled(curve.x[0], curve), _scaled(curve.x[-1], curve)
    share = (_scaled(value, curve) - low) / (high - low) if high > low else 0.5
    return LEFT + share * (WIDTH - RIGHT - LEFT)


def _scaled(value: float, curve: Curve) -> float:
    return math.log10(value) if curve.logarithmic else value


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)


def _round_up(value: float) -> float:
    """To 1, 2, 4 or 8 of a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value)

"""Small drawings: lines over time, bars and columns, as SVG elements, with what they say in words beside them."""

from __future__ import annotations

from collections.abc import Sequence

from massage_link.web.kit import Tag, tag

__all__ = ["bars", "columns", "sparkline"]

_WIDTH, _HEIGHT = 240, 44


def sparkline(values: Sequence[float], label: str, *, limit: float | None = None) -> Tag:
    """A line over time, the newest on the right; `limit` is drawn across when it is within reach.

    Args:
        values: the oldest first.
        label: what it says, for those who cannot see it.
        limit: what the values are to stay below.

    """
    top = max([*values, 1e-9]) * 1.15
    with tag("svg", classes="spark", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", preserveAspectRatio="none") as drawing:
        drawing.set(role="img", aria_label=label)
        if limit is not None and limit <= top:
            y = _HEIGHT * (1 - limit / top)
            line = tag("line", x1=0, x2=_WIDTH, y1=f"{y:.1f}", y2=f"{y:.1f}", stroke="var(--warm)")
            line.set(stroke_width="1.5", stroke_dasharray="4 4", vector_effect="non-scaling-stroke")
        if len(values) == 1:
            values = [*values, *values]
        if values:
            step = _WIDTH / (len(values) - 1)
            places = ((number * step, _HEIGHT * (1 - value / top)) for number, value in enumerate(values))
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            course = tag("polyline", points=points, fill="none", stroke="currentColor")
            course.set(stroke_width=2, stroke_linejoin="round", vector_effect="non-scaling-stroke")
    return drawing


def columns(values: Sequence[float], label: str, *, top: float) -> Tag:
    """A column for each value, the oldest on the left, on a line.

    Args:
        values: none is drawn below the line.
        label: what it says, for those who cannot see it.
        top: the value whose column is as high as the drawing; drawings with the same one can be compared.

    """
    with tag("svg", classes="columns", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", preserveAspectRatio="none") as drawing:
        drawing.set(role="img", aria_label=label)
        step = _WIDTH / max(1, len(values))
        heights = ((number * step, _HEIGHT * max(0.0, value) / (top or 1)) for number, value in enumerate(values))
        places = "".join(
            f"M{x + step * 0.12:.1f},{_HEIGHT}v-{height:.1f}h{step * 0.76:.1f}v{height:.1f}z" for x, height in heights
        )
        tag("path", d=places, fill="currentColor")
        ground = tag("line", x1=0, x2=_WIDTH, y1=_HEIGHT, y2=_HEIGHT, stroke="var(--line-strong)")
        ground.set(stroke_width=2, vector_effect="non-scaling-stroke")
    return drawing


def bars(values: Sequence[tuple[str, float, str]], label: str) -> Tag:
    """A bar for each (name, value, value in words).

    Args:
        values: in the order in which they are drawn.
        label: what all of it shows.

    """
    top = max([value for _, value, _ in values] or [1]) or 1
    with tag("ul", classes="bars", aria_label=label) as drawing:
        for name, value, said in values:
            with tag("li", classes="bar"):
                tag("span", name, "bar-name small")
                with tag("span", classes="bar-track", aria_hidden="true"):
                    tag("span", classes="bar-fill", style=f"width: {100 * value / top:.1f}%")
                tag("span", said, "bar-value number small strong")
    return drawing

"""Whether a figure can be read: no label lies on another thing.

`overlaps` compares the boxes of a matplotlib figure's texts and legends with
each other, with its markers, bars and lines, and with the edge of the sheet;
`svg_overlaps` does the same for a drawing in SVG. `watch_a_notebook` looks at
every figure that a kernel saves or shows.
"""

import functools
import itertools
import re
from xml.etree import ElementTree

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from matplotlib.transforms import Bbox

ROOM = 1.0  # pixels of a text's box that hold no ink: boxes may meet in them
SVG = "{http://www.w3.org/2000/svg}"
NO_MARK = ("None", "none", " ", "", None)


def overlaps(figure, is_cut_to_fit=False):
    """Name each pair of things in a figure of which one lies on the other.

    `is_cut_to_fit` tells of bbox_inches="tight": the sheet ends where the
    texts end, so that none is cut off.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    labels = list(labels_of(figure, renderer))
    found = [
        f"{one} on {other}"
        for (one, a), (other, b) in itertools.combinations(labels, 2)
        if meet(a, b)
    ]
    marks = list(marks_of(figure, renderer))
    for name, box in labels:
        if not is_cut_to_fit and not holds(figure.bbox, box):
            found.append(f"{name} off the sheet")
        found += [
            f"{name} on {kind}"
            for kind, mark in marks
            if not kind.endswith(name) and lies_on(box, *mark)
        ]
    return sorted(set(found))


def meet(one, other):
    """Whether two boxes share more than the room around their ink."""
    one = one.padded(-ROOM)
    other = other.padded(-ROOM)
    return (
        one.x0 < other.x1
        and other.x0 < one.x1
        and one.y0 < other.y1
        and other.y0 < one.y1
    )


def holds(outer, box):
    """Whether a box lies within another, up to the room around its ink."""
    box = box.padded(-ROOM)
    return (
        outer.x0 <= box.x0
        and box.x1 <= outer.x1
        and outer.y0 <= box.y0
        and box.y1 <= outer.y1
    )


def lies_on(box, path, is_filled=False, window=None):
    """Whether a box covers a bit of a line, or of a shape's inside.

    `window` is the box of the axes, outside of which nothing is drawn.
    """
    box = box.padded(-ROOM)
    if window is not None:
        box = Bbox.intersection(box, window)
    return box is not None and path.intersects_bbox(box, filled=is_filled)


# ---- matplotlib ----


def labels_of(figure, renderer):
    """(name, box) of every text and legend that is drawn."""
    legends = seen(figure, Legend)
    for legend in legends:
        words = [text.get_text() for text in legend.get_texts()]
        yield f"legend {words}", legend.get_window_extent(renderer)
    apart = {text for legend in legends for text in legend.findobj(Text)}
    for axis in figure.findobj(Axis):
        apart |= labels_out_of_view(axis)
    for text in seen(figure, Text):
        if text not in apart and text.get_text().strip():
            box = Text.get_window_extent(text, renderer)  # without an arrow
            yield repr(text.get_text()), box


def labels_out_of_view(axis):
    """The tick labels that an axis has and does not draw."""
    scaled = axis.get_transform().transform
    low, high = sorted(scaled(axis.get_view_interval()))
    room = 1e-6 * (high - low)
    return {
        label
        for tick in axis.get_major_ticks() + axis.get_minor_ticks()
        for label in (tick.label1, tick.label2)
        if not axis.axes.axison
        or not low - room <= scaled(tick.get_loc()) <= high + room
    }


def seen(figure, kind):
    """The artists of a kind, without those in something that is hidden."""
    hidden = {
        part
        for artist in figure.findobj(lambda a: not a.get_visible())
        for part in artist.findobj()
    }
    return [artist for artist in figure.findobj(kind) if artist not in hidden]


def marks_of(figure, renderer):
    """(kind, what `lies_on` asks) of all that a label must not cover."""
    for axes in seen(figure, Axes):
        window = axes.get_window_extent(renderer)
        for line in axes.lines:
            yield from marks_of_a_line(line, window, figure.dpi)
        for patch in axes.patches:
            if isinstance(patch, Rectangle):
                yield "a bar", (in_pixels(patch), True, window)
        for text in axes.texts:
            if arrow := getattr(text, "arrow_patch", None):
                yield f"the leader of {text.get_text()!r}", (in_pixels(arrow),)
        for group in axes.collections:
            if isinstance(group, PathCollection):  # a scatter
                place = group.get_offset_transform().transform
                sides = itertools.cycle(group.get_sizes() ** 0.5)
                for x, y in place(group.get_offsets()):
                    side = next(sides) * figure.dpi / 72
                    yield "a marker", (square(x, y, side), True)
            elif isinstance(group, LineCollection):
                for path in group.get_paths():
                    path = group.get_transform().transform_path(path)
                    yield "a whisker", (path, False, window)


def in_pixels(artist):
    """The outline of a line or a patch, where it is drawn."""
    return artist.get_transform().transform_path(artist.get_path())


def marks_of_a_line(line, window, dpi):
    """Its path, and a square for each of its markers."""
    path = in_pixels(line)
    if line.get_visible() and line.get_linestyle() not in NO_MARK:
        yield "a line", (path, False, window if line.get_clip_on() else None)
    if line.get_visible() and line.get_marker() not in NO_MARK:
        for x, y in path.vertices:
            side = line.get_markersize() * dpi / 72
            yield "a marker", (square(x, y, side), True)


def square(x, y, side):
    """A marker's box around its place."""
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
    points = [(x + i * side / 2, y + j * side / 2) for i, j in corners]
    return Path(points, closed=True)


def watch_a_notebook():
    """Look at every figure from now on; returns the list that grows."""
    found, show = [], FigureCanvasBase.print_figure

    @functools.wraps(show)
    def look_and_show(self, *args, **settings):
        is_cut_to_fit = settings.get("bbox_inches") == "tight"
        canvas = self.figure.canvas
        for overlap in overlaps(self.figure, is_cut_to_fit):
            if overlap not in found:
                found.append(overlap)
        self.figure.set_canvas(canvas)
        return show(self, *args, **settings)

    FigureCanvasBase.print_figure = look_and_show
    return found


# ---- SVG ----


def svg_overlaps(text):
    """Name each label of a drawing that lies on something, or off it.

    Letters are measured in DejaVu Sans, the widest of the fonts that the
    drawings name. Boxes hold labels; what a later box covers is not seen.
    """
    root = ElementTree.fromstring(text)
    sheet = Bbox.from_bounds(*map(float, root.get("viewBox").split()))
    drawn = [element for element in root.iter() if element.tag != f"{SVG}defs"]
    labels = [
        (place, "".join(element.itertext()), box_of(element, root))
        for place, element in enumerate(drawn)
        if element.tag == f"{SVG}text" and "".join(element.itertext()).strip()
    ]
    found = [
        f"{one!r} on {other!r}"
        for (_, one, a), (_, other, b) in itertools.combinations(labels, 2)
        if meet(a, b)
    ]
    shapes = [(i, shape_of(element)) for i, element in enumerate(drawn)]
    shapes = [(i, Path(points)) for i, points in shapes if points]
    for place, words, box in labels:
        holders = [
            i
            for i, path in shapes
            if drawn[i].tag == f"{SVG}rect"
            and i < place
            and holds(path.get_extents(), box)
        ]
        if not holds(sheet, box):
            found.append(f"{words!r} off the sheet")
        found += [
            f"{words!r} on a line"
            for i, path in shapes
            if i > max(holders, default=-1) and lies_on(box, path)
        ]
    return sorted(set(found))


def box_of(element, root):
    """The box of a text of an SVG drawing, level or upwards."""
    style = root.findtext(f"{SVG}style", "")
    rule = rf"\.{element.get('class')} {{[^}}]*font-size: (\d+)px"
    of_class = re.findall(rule, style) or [root.get("font-size")]
    size = float(element.get("font-size") or of_class[0])
    weight = element.get("font-weight", "normal")
    font = FontProperties(family="DejaVu Sans", weight=weight)
    ink = TextPath((0, 0), "".join(element.itertext()), size, prop=font)
    ink = ink.get_extents()
    shift = {"middle": 0.5, "end": 1}.get(element.get("text-anchor"), 0)
    left, right = -shift * ink.width, (1 - shift) * ink.width
    x, y = (float(element.get(key)) for key in "xy")  # y grows downwards
    x += float(element.get("dx", 0))
    if element.get("transform") == f"rotate(-90 {x:g} {y:g})":
        return Bbox.from_extents(x - ink.y1, y - right, x - ink.y0, y - left)
    assert element.get("transform") is None, "only a turn by 90 degrees"
    return Bbox.from_extents(x + left, y - ink.y1, x + right, y - ink.y0)


def shape_of(element):
    """The corners of a box, a line or a path of straight lines."""
    number = {
        key: float(value)
        for key, value in element.attrib.items()
        if re.fullmatch(r"-?[\d.]+", value)
    }
    kind = element.tag.removeprefix(SVG)
    if kind == "rect":
        x, y = number.get("x", 0), number.get("y", 0)
        right, low = x + number["width"], y + number["height"]
        return [(x, y), (right, y), (right, low), (x, low), (x, y)]
    if kind == "line":
        return [(number[f"x{i}"], number[f"y{i}"]) for i in (1, 2)]
    if kind == "path":
        return corners_of(element.get("d"))
    return []


def corners_of(drawn):
    """The corners of a path of M, L, H and V; l, h, v begin at the last."""
    corners, x, y = [], 0.0, 0.0
    for command, values in re.findall(r"([MLHVlhv])([^A-Za-z]*)", drawn):
        values = [float(v) for v in re.findall(r"-?[\d.]+", values)]
        at = (x, y) if command.islower() else (0, 0)
        if command in "Hh":
            x = at[0] + values[0]
        elif command in "Vv":
            y = at[1] + values[0]
        else:
            x, y = at[0] + values[0], at[1] + values[1]
        corners.append((x, y))
    return corners

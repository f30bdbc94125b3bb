"""The house as a picture, docs/house.png, and as the table in docs/architecture.md: both from the imports themselves.

    python docs/draw_house.py

A room is a box on its floor.  What it imports from leaves at its foot, and runs down a line that all have in common
who import from the same room; the more imports, the thicker.  The lowest floor has no lines: nearly all stand on it.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import _rooms
from _rooms import House
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

PICTURE, PAGE = "house.png", "architecture.md"
MARKS = "<!-- rooms: made by draw_house.py -->", "<!-- end of rooms -->"
COLUMN, FLOOR = 1.0, 0.92  # inches
WIDE, HIGH = 0.9, 0.58  # a box, in columns and floors
COLOURS = ["#0072b2", "#d55e00", "#009e73"]  # Okabe and Ito 2008: told apart by colour-blind readers
GRAY = "#9a9a9a"
NOTE = "the ground: nearly every room stands on it, so its lines are left out"

Places = dict[str, int]  # the column of each room


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of both (default docs)")
    folder = parser.parse_args().out
    house = _rooms.read()
    draw(house).savefig(folder / PICTURE, dpi=150, metadata={"Description": _rooms.table(house)})
    page = Path(__file__).with_name(PAGE).read_text()
    (folder / PAGE).write_text(with_table(page, _rooms.table(house)))
    print(f"{folder / PICTURE}\n{folder / PAGE}")


def with_table(page: str, table: str) -> str:
    """The page with this table between its marks."""
    begin, end = map(re.escape, MARKS)
    changed, found = re.subn(f"(?<={begin}\n).*(?={end})", lambda _: table, page, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"page: expected the marks {MARKS[0]} and {MARKS[1]} once, got them {found} times")
    return changed


# Columns: a line runs down the column of the room that it leads to, so no box may stand there on its way ------------


def columns(house: House, tries: int = 20_000) -> Places:
    """A column for each room above the ground, such that no line runs behind a box and lines are short.

    By chance, always from the same seed: two rooms change places, or one moves, and what is not worse is kept.
    """
    draw = random.Random(0)
    rooms = [room for floor in house.floors[:-1] for room in floor]
    count = len(rooms)
    places = dict(zip(rooms, range(count), strict=True))
    cost_of = _cost(house)
    cost = cost_of(places)
    for _ in range(tries):
        changed, room = dict(places), draw.choice(rooms)
        if draw.random() < 0.5:
            other = draw.choice(rooms)
            changed[room], changed[other] = changed[other], changed[room]
        else:
            changed[room] = draw.randrange(count)
        if (now := cost_of(changed)) <= cost:
            places, cost = changed, now
    used = sorted(set(places.values()))
    return {room: used.index(column) for room, column in places.items()}


def _cost(house: House) -> Callable[[Places], float]:
    """How far the lines run sideways, and how wide the house is; a line behind a box costs more than all that."""
    above = {room: house.floor(room) for floor in house.floors[:-1] for room in floor}
    lines = [(room, other, n**0.5) for (room, other), n in house.imports.items() if other in above]
    top = {other: min(above[room] for room, to, _ in lines if to == other) for _, other, _ in lines}
    hidden = [
        (room, other) for room, other in itertools.product(above, top) if top[other] < above[room] < above[other]
    ]
    same = [(room, other) for room, other in itertools.combinations(above, 2) if above[room] == above[other]]
    not_both = hidden + same  # in one column

    def cost(places: Places) -> float:
        wrong = sum(places[room] == places[other] for room, other in not_both)
        sideways = sum(abs(places[room] - places[other]) * weight for room, other, weight in lines)
        return 1000.0 * wrong + 6.0 * len(set(places.values())) + sideways

    return cost


# The picture -------------------------------------------------------------------------------------------------------


def draw(house: House) -> Figure:
    """All floors, rooms and lines."""
    places, floors = columns(house), len(house.floors)
    width = max(places.values()) + 1
    figure = Figure(figsize=(COLUMN * width, FLOOR * floors))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(-0.5, width - 0.5), ylim=(floors - 0.5, -0.5))
    axes.set_axis_off()
    for number in range(0, floors, 2):
        axes.axhspan(number - 0.5, number + 0.5, color="#f4f4f4", linewidth=0.0, zorder=0)
    axes.axhspan(floors - 1.5, floors - 0.5, color="#e4e4e4", linewidth=0.0, zorder=0)
    axes.text((width - 1) / 2.0, floors - 1.4, NOTE, ha="center", va="center", fontsize=9.0, color="#444444")

    asked = Counter(other for _, other in house.imports if other in places)  # by how many rooms
    named = [room for room, _ in asked.most_common(len(COLOURS))]
    colour = dict.fromkeys(places, GRAY) | dict(zip(named, COLOURS, strict=True))
    for room in places:
        needs = sorted((other for other in house.needs(room) if other in places), key=places.__getitem__)
        for number, other in enumerate(needs):
            foot = places[room] + WIDE * 0.7 * ((number + 1) / (len(needs) + 1) - 0.5)
            begin, end = (foot, house.floor(room)), (places[other], house.floor(other))
            _line(axes, begin, end, colour[other], house.imports[room, other])
    for room, column in places.items():
        _box(axes, house, room, column, house.floor(room), colour[room])
    for number, room in enumerate(house.ground):
        column = (number + 0.5) * width / len(house.ground) - 0.5
        _box(axes, house, room, column, floors - 0.94, GRAY)
    return figure


def _line(axes: Axes, begin: tuple[float, float], end: tuple[float, float], colour: str, imports: int) -> None:
    """From a room's foot to the column of what it imports from, between the two floors, and straight down to it."""
    (x, floor), (column, target) = begin, end
    foot, low, head = floor + HIGH / 2.0, floor + 1.0 - HIGH / 2.0, target - HIGH / 2.0
    points = [(x, foot), (x, low - 0.1), (column, foot + 0.1), (column, low), (column, head - 0.08)]
    codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4, Curve.LINETO]
    style = {"facecolor": "none", "edgecolor": colour, "linewidth": 0.7 + 0.8 * imports**0.5, "zorder": 1}
    axes.add_patch(PathPatch(Curve(points, codes), capstyle="butt", **style))
    axes.fill([column - 0.09, column + 0.09, column], [head - 0.12, head - 0.12, head], color=colour, zorder=2)


def _box(axes: Axes, house: House, room: str, column: float, floor: float, colour: str) -> None:
    corner = column - WIDE / 2.0, floor - HIGH / 2.0
    rounded = "round,pad=0,rounding_size=0.06"
    style = {"boxstyle": rounded, "facecolor": "white", "edgecolor": colour, "linewidth": 1.4, "zorder": 3}
    axes.add_patch(FancyBboxPatch(corner, WIDE, HIGH, **style))
    files, lines = house.files[room], house.lines[room]
    counted = f"{files} files\n{lines:,} lines" if files > 1 else f"{lines:,} lines"
    centred = {"ha": "center", "va": "center", "zorder": 4}
    axes.text(column, floor - 0.16, room, fontsize=10.0, weight="bold", **centred)
    axes.text(column, floor + 0.09, counted, fontsize=8.0, linespacing=1.1, color="#444444", **centred)


if __name__ == "__main__":
    main()

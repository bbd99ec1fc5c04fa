"""Bodies of an edit that the networks place: added by a click, or snapped to the bone again."""

from functools import partial
from typing import Any, Final

import numpy as np

from endplate.checked import Record
from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import LEVELS, check_level
from endplate.review.assist import Assistant, SnapStore, body_at, level_at, refuse_twice
from endplate.review.editing import Edit, vertebra_to_wire
from endplate.review.film_values import Sheet, is_inverted
from endplate.review.films import FilmShelf

__all__ = ["Placer"]

_NO_HELP_ON_CT: Final = "the networks were trained on films; place the corners by hand on a CT"


class Placer:
    """Places bodies, and keeps them by the tokens with which edits name them.

    Parameters
    ----------
    assistant : Assistant
    shelf : FilmShelf
    """

    def __init__(self, assistant: Assistant, shelf: FilmShelf) -> None:
        self.assistant, self.shelf = assistant, shelf
        self.snaps = SnapStore()

    def missing(self, sheet: Sheet) -> str:
        """Why the networks do not help with this film, empty if they do."""
        if not sheet.entry.is_ct or self.assistant.unavailable():
            return ""  # what fails everywhere is told elsewhere
        return "" if self.assistant.knows_slabs() else _NO_HELP_ON_CT

    def add(self, sheet: Sheet, edit: Edit, record: Record) -> dict[str, Any]:
        """A body at the click ``x``, ``y``, called ``level`` or as its place has it.

        Raises
        ------
        InputError
            If there is none, or it is marked already.
        """
        film = self.shelf.radiograph(sheet.entry)
        x = record.number("x", record.get("x"), 0.0, float(film.columns))
        y = record.number("y", record.get("y"), 0.0, float(film.rows))
        refuse_twice(np.array([x, y]), edit.vertebrae)
        wanted = record.text("level", default="")
        level = check_level(wanted) if wanted else level_at(edit.vertebrae, y)
        body, down = body_at(edit.vertebrae, x, y, level, film.rows)
        placed = self._place(sheet, body, level, down)
        refuse_twice(placed.centre, edit.vertebrae)
        return self._kept(sheet, placed)

    def snap(self, sheet: Sheet, edit: Edit, record: Record) -> dict[str, Any]:
        """The body ``level`` of the edit, placed anew.

        Raises
        ------
        InputError
            If the edit has no such body, its corners are not there, or no bone is found.
        """
        level = record.choice("level", LEVELS)
        place = next((i for i, v in enumerate(edit.vertebrae) if v.level == level), None)
        if place is None:
            raise record.fail("level", level, "a level of the edit")
        body = np.array(edit.vertebrae[place].points)
        corners = body[[0, 2]] if level == "S1" else body[[0, 2, 3, 5]]
        if np.isnan(corners).any():
            raise InputError(f"{level}: place its corners first")
        return self._kept(sheet, self._place(sheet, body, level, _way_down(edit, place)))

    def _place(self, sheet: Sheet, body: FloatArray, level: str, down: FloatArray) -> Vertebra:
        entry = sheet.entry
        film = self.shelf.radiograph(entry)
        slabs = partial(self.shelf.cts.looks, entry) if entry.is_ct else None
        dark = is_inverted(entry)
        return self.assistant.snap(film, body, level, down, inverted=dark, slabs=slabs)

    def _kept(self, sheet: Sheet, placed: Vertebra) -> dict[str, Any]:
        values = vertebra_to_wire(placed, f"s{self.snaps.put(placed)}")
        # On a CT points are placed on the sheet, whichever slab is shown.
        return {**values, "aside": [0.0] * 6} if sheet.entry.is_ct else values


def _way_down(edit: Edit, place: int) -> FloatArray:
    """(2,) from head to foot at one body of an edit."""
    if len(edit.vertebrae) < 2:
        return np.array([0.0, 1.0])
    before = edit.vertebrae[max(place - 1, 0)].centre
    after = edit.vertebrae[min(place + 1, len(edit.vertebrae) - 1)].centre
    down: FloatArray = after - before
    return down

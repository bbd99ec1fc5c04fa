"""A hand at the mouse, at the pace of a person.

The keystroke-level model (Card, Moran and Newell 1980) gives 1.35 s of thinking before each action
and 0.1 s for pressing or releasing a button. Pointing and dragging follow Fitts's law with the
values of MacKenzie, Sellen and Buxton (1991) for the mouse: -0.107 + 0.223 ID and 0.135 + 0.249 ID
seconds, ID = log2(distance / width + 1). Sentences are read at 250 words a minute.
"""

import math
import time

from playwright.sync_api import Page

__all__ = ["Hand"]

THINKING, BUTTON = 1.35, 0.1
POINTING, DRAGGING = (-0.107, 0.223), (0.135, 0.249)
A_WORD = 60 / 250
_STEPS = 12

Place = tuple[float, float]


class Hand:
    """Does things on a page, and counts the actions and the seconds of the person.

    Parameters
    ----------
    page : Page
    play : bool
        Whether to take that long; else only to count.
    """

    def __init__(self, page: Page, *, play: bool) -> None:
        self.page, self.play = page, play
        width, height = page.evaluate("[innerWidth, innerHeight]")
        self.at: Place = (width / 2, height / 2)
        self.actions: list[str] = []
        self.seconds = 0.0

    def read(self, selector: str) -> None:
        """Read what stands there."""
        self._spend(A_WORD * len(self.page.locator(selector).inner_text().split()))

    def click(self, selector: str, what: str) -> None:
        """Think, point at it and click."""
        box = self.page.locator(selector).bounding_box()
        assert box is not None, f"{selector} is not on the page"
        place = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self._spend(THINKING)
        self._move(place, min(box["width"], box["height"]), POINTING)
        self._spend(2 * BUTTON)
        self.page.mouse.down()
        self.page.mouse.up()
        self.actions.append(what)

    def drag(self, start: Place, end: Place, widths: tuple[float, float], what: str) -> None:
        """Think, point at it and drag it; `widths` of what is taken and of where it belongs."""
        self._spend(THINKING)
        self._move(start, widths[0], POINTING)
        self._spend(BUTTON)
        self.page.mouse.down()
        self._move(end, widths[1], DRAGGING)
        self._spend(BUTTON)
        self.page.mouse.up()
        self.actions.append(what)

    def _move(self, place: Place, width: float, law: tuple[float, float]) -> None:
        far = math.dist(self.at, place)
        seconds = max(0.0, law[0] + law[1] * math.log2(far / width + 1))
        self.seconds += seconds
        begun = time.monotonic()
        for step in range(1, _STEPS + 1):
            share = step / _STEPS
            x, y = (a + (b - a) * share for a, b in zip(self.at, place, strict=True))
            self.page.mouse.move(x, y)
            self._wait(begun + share * seconds - time.monotonic())
        self.at = place

    def _spend(self, seconds: float) -> None:
        self.seconds += seconds
        self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        if self.play and seconds > 0:
            time.sleep(seconds)

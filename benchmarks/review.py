"""How quick the review is: film to screen, drag to measures, a worklist of ten thousand.

    python benchmarks/review.py [--films 10000] [--chromium /usr/bin/chromium]

Needs the extras ``review`` and ``dev`` and Chromium. Prints one line for each target.
"""

import argparse
import hashlib
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pace import Hand
from playwright.sync_api import Page, sync_playwright

from endplate.datasets.simulator.api import simulate_film
from endplate.geometry.calibration import Calibration
from endplate.geometry.measure import measure
from endplate.reports.reading_json import write_reading
from endplate.review.library import Library
from endplate.study.reading import Quality, Reader, Reading, Source
from endplate.study.serialise import reading_to_dict

ROWS, COLUMNS = 2800, 1600


def make_folder(folder: Path, count: int) -> None:
    """Two films of 2800 x 1600, and `count` readings of which the rest have no film."""
    simulated = simulate_film(6)
    scale = np.array([COLUMNS / simulated.image.shape[1], ROWS / simulated.image.shape[0]])
    big = cv2.resize(simulated.image, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC)
    bodies = tuple(
        replace(v, points=(v.points + 0.5) * scale - 0.5, covariance=np.eye(12) * 4.0)
        for v in simulated.vertebrae
        if np.isfinite(v.points).all()
    )
    calibration = Calibration((0.14, 0.14), "detector")
    for number in range(2):
        path = folder / f"film-{number}.png"
        cv2.imwrite(str(path), np.roll(big, number * 40, axis=1).astype(np.uint16) * 200)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        reading = Reading(
            id=f"big-{number}",
            created="2026-01-01T00:00:00+00:00",
            reader=Reader("model", "endplate"),
            source=Source(path.name, sha256, ROWS, COLUMNS, view="lateral"),
            calibration=calibration,
            quality=Quality("flagged"),
            vertebrae=bodies,
            measurements=measure(bodies, calibration),
        )
        write_reading(folder / f"film-{number}.json", reading)
    values = reading_to_dict(replace(reading, vertebrae=(), quality=Quality("accepted")))
    (folder / "readings").mkdir()
    for number in range(2, count):
        values["id"] = f"row-{number}"
        values["source"] |= {"path": f"row-{number:05d}.dcm", "sha256": f"{number:064x}"}
        values["source"]["patient_id"] = f"P-{number // 4:04d}"
        (folder / "readings" / f"{number:05d}.json").write_text(json.dumps(values))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The command on the folder, a process of its own; gives the address with a token."""
    begun = time.perf_counter()
    library = Library(folder)
    print(f"reading {len(library)} summaries  {time.perf_counter() - begun:8.2f} s")
    begun = time.perf_counter()
    library = Library(folder)
    print(f"the same from the index      {time.perf_counter() - begun:8.2f} s")
    code = "from endplate.infer.cli import main; raise SystemExit(main())"
    who = ["review", str(folder), "--user", "anna:reviewer"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *who], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        yield server.stdout.readline().split()[-1]
        server.send_signal(signal.SIGINT)


def time_film(page: Page) -> float:
    """Milliseconds from the click on a row to the drawn film, nothing kept in the browser."""
    script = """async () => {
        endplate.films.clear();
        const begun = performance.now();
        document.querySelector('.list-row').click();
        while (!document.body.dataset.ready || document.body.dataset.ready === 'list')
            await new Promise((r) => setTimeout(r, 1));
        return performance.now() - begun;
    }"""
    taken = float(page.evaluate(script))
    page.evaluate("endplate.go('#/')")
    page.wait_for_selector("body[data-ready=list]", state="attached")
    return taken


def time_drag(page: Page) -> tuple[list[float], list[float]]:
    """Milliseconds from each move of the pointer to the measures of it in the page, and between
    frames, while a corner is dragged without stopping.
    """
    x, y = page.evaluate(
        """() => {
            const { stage, doc } = endplate.current;
            const [x, y] = doc.vertebrae[1].points[0];
            const box = stage.node.getBoundingClientRect();
            const v = stage.view;
            return [(x + 0.5) * v.zoom + v.x + box.left, (y + 0.5) * v.zoom + v.y + box.top];
        }"""
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 5, y)
    page.wait_for_function("!endplate.current.measuring.asking")
    page.evaluate(
        """() => {
            const seen = { moves: [], answered: 0, taken: [], frames: [] };
            window.seen = seen;
            addEventListener('pointermove', (e) => seen.moves.push(e.timeStamp), true);
            const { once } = endplate.current.measuring;
            endplate.current.measuring.once = function (doc) {
                seen.asked = seen.moves.length;
                return once.call(this, doc);
            };
            new MutationObserver(() => {
                for (; seen.answered < seen.asked; seen.answered += 1)
                    seen.taken.push(performance.now() - seen.moves[seen.answered]);
            }).observe(document.body, { attributeFilter: ['data-measured'] });
            const frame = (now) => {
                seen.frames.push(now);
                requestAnimationFrame(frame);
            };
            requestAnimationFrame(frame);
        }"""
    )
    for i in range(240):
        page.mouse.move(x + 5 + i % 23, y + i % 31)
    page.wait_for_function("!endplate.current.measuring.asking")
    seen: dict[str, list[float]] = page.evaluate("seen")
    page.mouse.up()
    gaps = [b - a for a, b in itertools.pairwise(seen["frames"])]
    return seen["taken"], gaps


def correct_and_sign(page: Page) -> tuple[float, int]:
    """Seconds and actions of a hand that opens a film, corrects a corner and signs."""
    page.evaluate("localStorage.clear()")
    page.reload()
    page.wait_for_selector("body[data-ready=list]", state="attached")
    hand = Hand(page, play=True)
    begun = time.monotonic()
    hand.click(".list-row.chosen", "open")
    page.wait_for_selector("body[data-ready]:not([data-ready=list])", state="attached")
    key, place, free = page.evaluate(
        """() => {
            const { key, stage, doc } = endplate.current;
            const box = stage.node.getBoundingClientRect();
            const at = ([x, y]) => [(x + 0.5) * stage.view.zoom + stage.view.x + box.left,
                                    (y + 0.5) * stage.view.zoom + stage.view.y + box.top];
            const all = doc.vertebrae.flatMap((v) => v.points.filter(Boolean).map(at));
            const [x, y] = at(doc.vertebrae[2].points[3]);
            const far = all.map((p) => Math.hypot(p[0] - x, p[1] - y)).sort((a, b) => a - b);
            return [key, [x, y], Math.min(far[1], 28)];
        }"""
    )
    hand.read("#hint span:first-child")
    hand.drag((place[0], place[1]), (place[0] - 12, place[1] + 9), (free, 2.0), "correct")
    hand.click("#sign-next", "sign")
    page.wait_for_function(f"document.body.dataset.ready && endplate.current.key !== '{key}'")
    return time.monotonic() - begun, len(hand.actions)


def time_scroll(page: Page) -> dict[str, Any]:
    """Work of each step of scrolling through all rows."""
    values: dict[str, Any] = page.evaluate(
        """async () => {
            const list = endplate.current;
            const times = [];
            for (let i = 0; i < 200; i += 1) {
                list.scroller.scrollTop += 2500;
                const begun = performance.now();
                list.draw();
                times.push(performance.now() - begun);
                await new Promise(requestAnimationFrame);
            }
            times.sort((a, b) => a - b);
            const nodes = document.querySelectorAll('.list-row').length;
            return { median: times[100], p95: times[190], nodes };
        }"""
    )
    return values


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        make_folder(folder, options.films)
        browser = playwright.chromium.launch(
            executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1366, "height": 768}, bypass_csp=True)
        page.set_default_timeout(120_000)
        with serving(folder) as address:
            page.goto(address)
            page.wait_for_selector("body[data-ready=list]", state="attached")
            page.reload()
            page.wait_for_selector("body[data-ready=list]", state="attached")
            opened = page.evaluate("performance.now()")
            print(f"worklist opens (target 1000) {opened:8.0f} ms")
            films = [time_film(page) for _ in range(6)][1:]
            print(f"film 2800 x 1600 (300)       {statistics.median(films):8.0f} ms")
            page.evaluate("document.querySelector('.list-row').click()")
            page.wait_for_selector("body[data-ready]:not([data-ready=list])", state="attached")
            measured, gaps = time_drag(page)
            high = statistics.quantiles(measured, n=20)[18]
            print(
                f"drag to measures (50)        {statistics.median(measured):8.1f} ms median,"
                f" {high:.1f} ms 95th percentile of {len(measured)} moves"
            )
            print(
                f"frames while dragging (60)   {1000 / statistics.mean(gaps):8.1f} a second,"
                f" median {statistics.median(gaps):.1f} ms"
            )
            page.evaluate("endplate.current.history.past.length = 0")
            page.evaluate("endplate.current.start = endplate.current.history.now")
            page.evaluate("endplate.go('#/')")
            page.wait_for_selector("body[data-ready=list]", state="attached")
            scroll = time_scroll(page)
            print(
                f"scroll step (16.7)           {scroll['median']:8.1f} ms median,"
                f" {scroll['p95']:.1f} ms 95th percentile, {scroll['nodes']} rows in the page"
            )
            seconds, actions = correct_and_sign(page)
            print(
                f"correct and sign (10 s, 6)   {seconds:8.1f} s at a hand's pace, {actions} actions"
            )
        browser.close()


if __name__ == "__main__":
    main()

"""The front end: its modules under Node, and the whole of it in headless Chromium."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from endplate import review
from endplate.geometry.catalogue import CATALOGUE, FLAGS
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.geometry.spatial import SPATIAL_MEASURES
from endplate.infer import cli_measure, ct
from endplate.infer.gate import REASON_CODES
from endplate.review.app import build_app
from endplate.review.assist import Assistant
from endplate.review.desk import Desk
from endplate.review.films import FilmShelf
from endplate.review.guard import GuardRules
from endplate.review.library import Library
from endplate.review.people import Doorkeeper, Person
from endplate.study import joint_naming

from ..benchmarks_path import load_benchmark

CHROMIUM = "/usr/bin/chromium"
OPENED = "body[data-ready]:not([data-ready=list])"


def test_the_modules_of_the_pages():
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node: the tests of the pages' modules are in JavaScript")
    file = Path(__file__).with_name("pages.test.mjs")
    done = subprocess.run(
        [node, "--test", str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_french_covers_what_the_server_tells():
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node: the words of the pages are in JavaScript")
    folder = Path(review.__file__).with_name("frontend")
    script = (
        "const told = await import('./fr_told.js'); const fr = (await import('./fr.js')).default;"
        "const all = [told.REASONS, told.FLAGS, told.MEASURES, fr];"
        "console.log(JSON.stringify(all.map(Object.keys)))"
    )
    command = [node, "--input-type=module", "-e", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=60)
    reasons, flags, measures, words = (set(x) for x in json.loads(done.stdout))
    assert flags >= set(FLAGS)
    names = {*CATALOGUE, *SPATIAL_MEASURES} - {"projection_effect_deg"}  # not shown
    assert names <= measures | {x.removeprefix("measure_") for x in words}
    given = set(REASON_CODES)
    for module in (ct, cli_measure, joint_naming):
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        given |= set(re.findall(r'Reason\(\s*"([a-z_]+)"', text))
    assert given <= reasons


@pytest.fixture(scope="module")
def chromium():
    """Headless Chromium of the system."""
    api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs {CHROMIUM}")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def served(make):
    """A running server; gives desk, and a function that opens a page in a context."""
    desk, door, _ = make()
    with running(desk, door) as enter:
        yield desk, enter


@contextlib.contextmanager
def running(desk, door):
    """Serve a desk; gives a function that opens a page in a context."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port = listener.getsockname()[1]
        rules = GuardRules(frozenset({f"127.0.0.1:{port}"}), False, f"endplate_review_{port}")
        app = build_app(desk, door, rules)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()

        def enter(page, name="anna"):
            page.set_default_timeout(60_000)
            page.goto(f"http://127.0.0.1:{port}/?token={door.new_token(door.people[name])}")
            page.wait_for_selector("body[data-ready=list]", state="attached")

        yield enter
        server.should_exit = True
        thread.join(20)


def on_screen(page, at, point):
    """Where a point lies in the window."""
    return page.evaluate(
        """([at, point]) => {
            const { stage, doc } = endplate.current;
            const [x, y] = doc.vertebrae[at].points[point];
            const box = stage.node.getBoundingClientRect();
            const { zoom, aspect } = stage.view;
            return [(x + 0.5) * zoom + stage.view.x + box.left,
                    (y + 0.5) * zoom * aspect + stage.view.y + box.top];
        }""",
        [at, point],
    )


def shown(page, name, level):
    row = page.locator(f'tr[data-measure="{name}"][data-level="{level}"] .value')
    return float(row.inner_text().rstrip("°").replace("−", "-"))


def settled(page):
    """Wait until measures of the last edit are there."""
    page.wait_for_function("!endplate.current.measuring.asking")


def test_back_and_forward_again_lose_no_edit(chromium, served):
    """Forward while the page asks whether to leave: nothing was left."""
    _, enter = served
    page = chromium.new_context(bypass_csp=True).new_page()
    enter(page)
    page.keyboard.press("Enter")
    page.wait_for_selector(OPENED, state="attached")
    page.evaluate("""() => {
        const viewer = endplate.current;
        const doc = structuredClone(viewer.doc);
        doc.vertebrae[0].points[0][0] += 7;
        viewer.commit(doc);
    }""")
    edit = "[endplate.current.key, endplate.current.doc.vertebrae.map((v) => v.points)]"
    edited = page.evaluate(edit)
    for answer in ("leave", ""):
        page.evaluate("history.back()")
        page.wait_for_selector("dialog[open]")
        page.evaluate("history.forward()")
        page.wait_for_function("location.hash.startsWith('#/film')")
        page.click(f'dialog button[value="{answer}"]')
        page.wait_for_selector("dialog", state="detached")
        assert page.evaluate(edit) == edited
        assert page.evaluate("endplate.current.dirty")
    page.evaluate("history.back()")
    page.click('dialog button[value=""]')
    page.wait_for_function("location.hash.startsWith('#/film')")
    assert page.evaluate(edit) == edited
    page.evaluate("history.back()")
    page.click('dialog button[value="leave"]')
    page.wait_for_selector("body[data-ready=list]", state="attached")


def test_a_small_screen_shows_the_whole_list(chromium, served):
    _, enter = served
    viewport = {"width": 1024, "height": 768}
    page = chromium.new_context(viewport=viewport, bypass_csp=True).new_page()
    enter(page)
    for name in (".top", ".list", ".list-row >> nth=0", ".list-bar", "#language"):
        box = page.locator(name).first.bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 1024, name
    assert page.locator(".research").is_visible()


def test_correct_and_sign(chromium, served):
    desk, enter = served
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, bypass_csp=True, accept_downloads=True
    )
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    enter(page)
    assert page.locator(".list-row").count() == 3
    page.keyboard.press("Enter")
    page.wait_for_selector(OPENED, state="attached")
    key = page.evaluate("endplate.current.key")
    entry = desk.library.entry(key)
    reading = desk.library.reading(entry.current)
    level = reading.vertebrae[1].level

    # drag a corner: what is shown is what the geometry gives
    x, y = on_screen(page, 1, 0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 6, y + 9, steps=4)
    assert page.locator("canvas.loupe").is_visible()
    page.mouse.up()
    settled(page)
    points = np.array(reading.vertebrae[1].points)
    points[0] = page.evaluate("endplate.current.doc.vertebrae[1].points[0]")
    assert np.hypot(*(points[0] - reading.vertebrae[1].points[0])) > 3
    bodies = [v if i != 1 else Vertebra(level, points) for i, v in enumerate(reading.vertebrae)]
    values = {(m.name, m.level): m.value for m in measure(bodies, reading.calibration)}
    expected = values["vertebral_kyphosis_deg", level]
    assert shown(page, "vertebral_kyphosis_deg", level) == pytest.approx(expected, abs=0.051)

    # nudge, undo all, redo all
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    nudged = page.evaluate("endplate.current.doc.vertebrae[1].points[0]")
    assert nudged == pytest.approx([points[0][0] + 0.1, points[0][1] + 1.0], abs=0.002)
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert page.evaluate("endplate.current.dirty") is False
    for _ in range(3):
        page.keyboard.press("Control+y")
    assert page.evaluate("endplate.current.doc.vertebrae[1].points[0]") == nudged

    # shift all names, delete a body and add it by one click
    names = page.evaluate("endplate.current.doc.vertebrae.map((v) => v.level)")
    page.click("#tab-bodies")
    if "S1" not in names:
        page.click("#shift-up")
        moved = page.evaluate("endplate.current.doc.vertebrae.map((v) => v.level)")
        assert moved != names
        page.click("#shift-down")
    place = on_screen(page, 2, 1)
    page.evaluate("endplate.current.choose({ at: 2, point: 0 })")
    page.focus(".stage")
    page.keyboard.press("Delete")
    assert len(page.evaluate("endplate.current.doc.vertebrae")) == len(names) - 1
    page.keyboard.press("a")
    page.mouse.click(place[0], place[1] + 8)
    page.wait_for_function(f"endplate.current.doc.vertebrae.length === {len(names)}")
    assert page.evaluate("endplate.current.doc.vertebrae.map((v) => v.level)") == names
    page.locator('.bodies input[type="checkbox"]').first.check()
    settled(page)

    # sign, reload, export
    page.click("#sign")
    page.wait_for_selector(".status.signed")
    page.reload()
    page.wait_for_selector(OPENED, state="attached")
    kept = page.evaluate("endplate.current.doc.vertebrae[1].points[0]")
    assert kept == pytest.approx(nudged, abs=0.002)
    assert entry.is_signed
    with page.expect_download() as download:
        page.click('[data-export="csv"]')
    assert download.value.suggested_filename.endswith(".csv")
    page.keyboard.press("Escape")
    page.wait_for_selector("body[data-ready=list]", state="attached")
    assert "2 of 3" in page.locator("#left").inner_text()
    assert problems == []
    context.close()


@pytest.fixture(scope="module")
def pace():
    """The hand of the benchmarks."""
    return load_benchmark("pace")


def test_who_sees_it_first_corrects_a_corner_and_signs_in_ten_seconds(chromium, served, pace):
    """By mouse, the hint read: three actions, ten seconds of the hand and few of the machine."""
    desk, enter = served
    context = chromium.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)
    page = context.new_page()
    enter(page)
    hand = pace.Hand(page, play=False)
    begun = time.monotonic()

    hand.click(".list-row.chosen", "open the first film, which is flagged")
    page.wait_for_selector(OPENED, state="attached")
    key = page.evaluate("endplate.current.key")
    entry = desk.library.entry(key)
    before = desk.library.reading(entry.current)

    hand.read("#hint span:first-child")
    x, y = on_screen(page, 2, 3)
    free = min(
        np.hypot(*np.subtract(on_screen(page, at, point), (x, y)))
        for at in (2, 3)
        for point in (0, 1, 2, 4)
    )
    hand.drag((x, y), (x - 12, y + 9), (min(free, 28.0), 2.0), "drag the corner")
    assert page.locator("#hint").count() == 0
    hand.click("#sign-next", "sign and go on")
    page.wait_for_function(f"document.body.dataset.ready && endplate.current.key !== '{key}'")
    spent = time.monotonic() - begun

    assert len(hand.actions) <= 6
    assert hand.seconds < 9.9, "ten, and some for the machine"
    assert spent < 10, f"the machine alone took {spent:.1f} s"
    after = desk.library.reading(entry.current)
    assert entry.is_signed
    assert after.parent == before.id
    moved = [
        (v.level, i)
        for v, w in zip(after.vertebrae, before.vertebrae, strict=True)
        for i in range(6)
        if np.isfinite(v.points[i, 0]) and np.hypot(*(v.points[i] - w.points[i])) > 0.01
    ]
    assert moved == [(before.vertebrae[2].level, 3)]
    context.close()


def test_display_calibration_conflict_and_exports(chromium, served):
    desk, enter = served
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, bypass_csp=True, accept_downloads=True
    )
    page = context.new_page()
    enter(page)
    page.keyboard.press("Enter")
    page.wait_for_selector(OPENED, state="attached")
    key = page.evaluate("endplate.current.key")
    entry = desk.library.entry(key)
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + 40, box["y"] + 60

    # keys are heard after a click elsewhere; 0 goes between the spine and the whole film
    page.click("#tab-display")
    spine, tone = page.evaluate("[endplate.current.stage.view.zoom, endplate.current.picture.tone]")
    page.keyboard.press("0")
    whole = page.evaluate("endplate.current.stage.view.zoom")
    assert whole <= spine
    page.keyboard.press("0")
    assert page.evaluate("endplate.current.stage.view.zoom") == pytest.approx(spine)
    page.keyboard.press("i")
    assert page.locator("#tone-invert").is_checked()
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x + 50, y + 30, steps=3)
    page.mouse.up(button="right")
    now = page.evaluate("endplate.current.picture.tone")
    assert now["width"] > tone["width"]
    assert now["level"] != tone["level"]
    page.fill("#tone-sharp", "2")
    page.mouse.wheel(0, -200)
    page.wait_for_function(f"endplate.current.stage.view.zoom > {spine} * 1.2")
    page.keyboard.press("0")

    # two clicks on a known length
    page.keyboard.press("k")
    page.mouse.click(x, y)
    page.mouse.click(x + 150, y)
    page.fill("#known-mm", "30")
    page.keyboard.press("Enter")
    page.wait_for_function("endplate.current.doc.spacing_mm !== null")
    zoom = page.evaluate("endplate.current.stage.view.zoom")
    assert page.evaluate("endplate.current.doc.spacing_mm[1]") == pytest.approx(30 * zoom / 150)

    # ben signs meanwhile
    ben = chromium.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)
    other = ben.new_page()
    enter(other, "ben")
    other.keyboard.press("Enter")
    other.wait_for_selector(OPENED, state="attached")
    other.click("#sign")
    other.wait_for_selector(".status.signed")
    ben.close()
    page.click("#sign")
    page.wait_for_selector("dialog")
    assert "ben" in page.locator("dialog").inner_text()
    page.locator('dialog button[value="over"]').click()
    page.wait_for_selector(".status.signed")
    readings = [desk.library.reading(s) for s in entry.summaries]
    assert [r.reader.name for r in readings] == ["endplate", "ben", "anna"]
    assert readings[2].parent == readings[1].id
    assert readings[2].calibration.source == "fiducial"
    page.click("#tab-history")
    page.get_by_text("signed over another reading").wait_for()

    with page.expect_download() as download:
        page.click('[data-export="all"]')
    with zipfile.ZipFile(download.value.path()) as archive:
        ends = sorted(name.rpartition(".")[2] for name in archive.namelist())
    assert ends == ["csv", "html", "json", "png"]
    context.close()


def test_a_body_is_placed_and_signed_by_keys_alone(chromium, served):
    desk, enter = served
    context = chromium.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)
    page = context.new_page()
    enter(page)
    page.keyboard.press("Enter")
    page.wait_for_selector(OPENED, state="attached")
    key = page.evaluate("endplate.current.key")
    names = page.evaluate("endplate.current.doc.vertebrae.map((v) => v.level)")
    box = page.locator(".stage").bounding_box()
    target = [on_screen(page, 2, i) for i in (0, 2, 3, 5)]
    for _ in range(13):
        page.keyboard.press("n")
    assert page.evaluate("endplate.current.chosen.at") == 2
    page.keyboard.press("Delete")
    page.keyboard.press("c")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for left, top in target:
        for wanted, now, keys in (
            (left, x, ("ArrowLeft", "ArrowRight")),
            (top, y, ("ArrowUp", "ArrowDown")),
        ):
            steps = round(wanted - now)
            arrow = keys[steps > 0]
            for _ in range(abs(steps) // 12):
                page.keyboard.press(arrow)
            for _ in range(abs(steps) % 12):
                page.keyboard.press(f"Shift+{arrow}")
            if keys[0] == "ArrowLeft":
                x += steps
            else:
                y += steps
        page.keyboard.press("Enter")
    assert page.evaluate("endplate.current.doc.vertebrae.map((v) => v.level)") == names
    before = desk.library.reading(desk.library.entry(key).current)
    page.keyboard.press("Control+Enter")
    page.wait_for_function(f"document.body.dataset.ready && endplate.current.key !== '{key}'")
    after = desk.library.reading(desk.library.entry(key).current)
    corners = [0, 2, 3, 5]
    apart = np.hypot(*(after.vertebrae[2].points - before.vertebrae[2].points)[corners].T)
    zoom = page.evaluate("endplate.current.stage.view.zoom")
    assert apart.max() < 1.5 / zoom
    context.close()


def test_scrolling_through_the_slabs_of_a_ct(chromium, ct_work):
    library = Library(ct_work / "out")
    desk = Desk(library, FilmShelf(library, [ct_work / "ct"]), Assistant())
    with running(desk, Doorkeeper([Person("anna", "reviewer")])) as enter:
        context = chromium.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)
        page = context.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        enter(page)
        page.keyboard.press("Enter")
        page.wait_for_selector(OPENED, state="attached")
        page.wait_for_selector(".strip-sheet")
        level = "endplate.current.picture.pixels.values.reduce((a, b) => a + b) % 65521"
        middle = page.evaluate(level)
        for _ in range(3):
            page.keyboard.press(".")
        page.wait_for_function(f"{level} !== {middle}")
        page.wait_for_function("endplate.current.aside === 6")
        assert "6 mm to the left" in page.locator(".slab-place").inner_text()
        assert page.locator(".strip-slab").count() == 1
        x, y = on_screen(page, 1, 0)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 3, y - 5, steps=3)
        page.mouse.up()
        settled(page)
        shown_value = shown(page, "own_plane_kyphosis_deg", "L1")
        page.mouse.wheel(0, 130)
        page.wait_for_function("endplate.current.aside === 2")
        page.click("#sign")
        page.wait_for_selector(".status.signed")
        page.wait_for_function("endplate.current.aside === 2")
        assert page.evaluate("endplate.current.doc.vertebrae[1].aside[0]") == pytest.approx(
            6, abs=0.2
        )
        (entry,) = library.entries()
        kept = library.reading(entry.current).measurements
        values = {m.name: m.value for m in kept if m.level == "L1"}
        assert shown_value == pytest.approx(values["own_plane_kyphosis_deg"], abs=0.051)
        assert problems == []
        context.close()


def test_films_of_a_subject_move_together_beside_the_curve(chromium, served):
    _, enter = served
    context = chromium.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)
    page = context.new_page()
    enter(page)
    page.locator(".list-row", has_text="P-1").first.click()
    page.wait_for_selector(OPENED, state="attached")
    page.click("#to-followup")
    page.wait_for_selector(".chart .dot")
    assert page.locator(".pane").count() == 2
    page.select_option("#follow-level", "L3")
    assert page.locator(".chart .dot").count() == 2
    drawn = "[...document.querySelectorAll('.pane')].map((p) => p.querySelector('.wall').outerHTML)"
    page.wait_for_function(f"{drawn}.length === 2")
    before = page.evaluate(drawn)
    box = page.locator(".pane-film").first.bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 80)
    page.mouse.wheel(0, -300)
    page.wait_for_function(f"{drawn}[1] !== {json.dumps(before[1])}")
    zoomed = page.evaluate(drawn)
    assert zoomed[0] != before[0]
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 120, steps=3)
    page.mouse.up()
    page.wait_for_function(f"{drawn}[1] !== {json.dumps(zoomed[1])}")
    page.select_option("#follow-shown", "change")
    assert "change from" in page.locator(".curve h2").inner_text()
    context.close()


def test_nothing_breaks_the_policy_and_axe_finds_nothing_serious(chromium, served):
    axe = pytest.importorskip("axe_playwright_python.base", reason="needs axe-playwright-python")
    script = axe.AXE_SCRIPT
    _, enter = served
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    said, elsewhere = [], []
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda r: (
            None if r.url.startswith(("http://127.0.0.1:", "blob:")) else elsewhere.append(r.url)
        ),
    )
    enter(page)
    page.keyboard.press("Enter")
    page.wait_for_selector(OPENED, state="attached")
    page.click("#tab-display")
    page.click("#back")
    page.wait_for_selector("body[data-ready=list]", state="attached")
    assert said == []
    assert elsewhere == []
    context.close()

    # axe itself needs what the policy forbids, so it runs in a context without it
    context = chromium.new_context(viewport={"width": 1366, "height": 768}, bypass_csp=True)
    page = context.new_page()
    enter(page)
    found: dict[str, list[tuple[str, str]]] = {}

    def check(where):
        page.evaluate(script)
        result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        for v in result["violations"]:
            if v["impact"] in ("serious", "critical"):
                found.setdefault(v["id"], []).append((where, v["nodes"][0]["html"][:120]))

    page.set_viewport_size({"width": 1366, "height": 260})
    page.wait_for_timeout(300)
    check("list that scrolls")
    page.set_viewport_size({"width": 1366, "height": 768})
    page.wait_for_timeout(300)
    check("list")
    page.keyboard.press("Enter")
    page.wait_for_selector(OPENED, state="attached")
    for tab in ("measures", "bodies", "display", "history"):
        page.click(f"#tab-{tab}")
        page.wait_for_timeout(150)
        check(tab)
    page.select_option("#language", "fr")
    page.wait_for_selector(OPENED, state="attached")
    assert page.locator("#tab-measures").inner_text() == "Mesures"
    page.click('[data-tool="help"]')
    check("keys")
    page.keyboard.press("Escape")
    page.click("#to-followup")
    page.wait_for_selector(".chart")
    check("follow-up")
    assert found == {}
    context.close()

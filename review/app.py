"""The pages and the interface behind them, as an ASGI application."""

import contextlib
import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from endplate.checked import Record
from endplate.errors import EndplateError, InputError
from endplate.imaging.radiograph import Radiograph
from endplate.review.ct_films import SlabPicture
from endplate.review.desk import Desk, NotThere
from endplate.review.exports import ALL, KINDS, NO_SR, coco_zip, export_reading, measurements_csv
from endplate.review.film_values import Sheet, has_sr
from endplate.review.films import pixel_bytes
from endplate.review.guard import MAX_BODY, Guard, GuardRules
from endplate.review.people import Doorkeeper, Session
from endplate.review.signing import Conflict
from endplate.review.timeline import timeline

__all__ = ["build_app"]

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_CHUNK: Final = 1024 * 1024


def build_app(desk: Desk, door: Doorkeeper, rules: GuardRules) -> ASGIApp:
    """The whole application behind its guard."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(EndplateError, _explain)
    _add_pages(app)
    _add_films(app, desk)
    _add_pictures(app, desk)
    _add_edits(app, desk)
    _add_exports(app, desk)
    return Guard(app, door, rules)


async def _session(request: Request) -> Session:
    # Asynchronous, so that no thread is taken for it.
    session: Session = request.scope["session"]
    return session


async def _body(request: Request) -> Record:
    """The JSON object that was sent, bounded in size."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise HTTPException(413, f"More than {MAX_BODY // 1024} kB were sent.")
    try:
        return Record(json.loads(bytes(data)), "request")
    except (ValueError, RecursionError):
        raise InputError("the request holds no JSON") from None


SessionOf = Annotated[Session, Depends(_session)]
BodyOf = Annotated[Record, Depends(_body)]


def _explain(request: Request, error: Exception) -> Response:
    """An error raised on purpose, as JSON with its sentence."""
    if isinstance(error, Conflict):
        values = {"error": str(error), "conflict": error.reading, "reader": error.reader}
        return JSONResponse(values, 409)
    return JSONResponse({"error": str(error)}, 404 if isinstance(error, NotThere) else 422)


def _json(values: dict[str, Any]) -> Response:
    """Plain values as JSON; going through FastAPI's encoder would take longer than measuring."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), media_type="application/json")


def _add_pages(app: FastAPI) -> None:
    """The front end; its files are listed once, so that no name reaches the file system."""
    folder = files("endplate.review").joinpath("frontend")
    assets = {
        item.name: item.read_bytes()
        for item in folder.iterdir()
        if item.is_file() and _suffix(item.name) in _TYPES
    }

    @app.get("/")
    def index() -> Response:
        return Response(assets["index.html"], media_type=_TYPES[".html"])

    @app.get("/assets/{name}")
    def asset(name: str) -> Response:
        if name not in assets:
            raise HTTPException(404)
        return Response(assets[name], media_type=_TYPES[_suffix(name)])


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2]}"


def _add_films(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/session")
    def session(session: SessionOf) -> dict[str, Any]:
        return desk.session(session)

    @app.get("/api/films")
    def films(session: SessionOf) -> Response:
        rows = desk.rows_json(session.person)
        data = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
        return Response(data, media_type="application/json")

    @app.get("/api/films/{key}")
    def film(key: str, session: SessionOf, reading: str = "") -> Response:
        return _json(desk.film(session.person, key, reading))

    @app.get("/api/films/{key}/history")
    def history(key: str, session: SessionOf) -> dict[str, Any]:
        return desk.history(session.person, key)

    @app.get("/api/films/{key}/timeline")
    def followup(key: str, session: SessionOf) -> dict[str, Any]:
        _not_blinded(desk)
        desk.entry(session.person, key)
        return timeline(desk.library, desk.shelf, key)

    @app.get("/api/audit")
    def audit(session: SessionOf) -> dict[str, Any]:
        _only_reviewer(session)
        _not_blinded(desk)
        return {"lines": desk.audit.lines()[:1000], "broken_at": desk.audit.broken_at}


def _add_pictures(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/films/{key}/pixels")
    def pixels(key: str, session: SessionOf, aside: int = 0) -> Response:
        entry = desk.entry(session.person, key)
        if entry.is_ct:
            slab = desk.shelf.cts.slab(entry, aside)
            with contextlib.suppress(EndplateError):
                desk.shelf.thumb(entry)  # for the worklist, as long as the CT is at hand
            return _grey(slab)
        return _grey(desk.shelf.radiograph(entry))

    @app.get("/api/films/{key}/strip")
    def strip(key: str, session: SessionOf) -> Response:
        entry = desk.entry(session.person, key)
        if not entry.is_ct:
            raise NotThere("only a CT has a coronal strip")
        return _grey(desk.shelf.cts.strip(entry))

    @app.get("/api/films/{key}/thumb")
    def thumb(key: str, session: SessionOf) -> Response:
        entry = desk.entry(session.person, key)
        if not desk.shelf.has_thumb(entry):
            return Response(status_code=204)
        data = desk.shelf.thumb(entry)
        headers = {"cache-control": "private, max-age=600"}
        return Response(data, 200, headers, "image/jpeg")


def _grey(film: Radiograph | SlabPicture) -> Response:
    """Grey values, with their size and the window to begin with where that is known."""
    headers = {
        "x-rows": str(film.pixels.shape[0]),
        "x-columns": str(film.pixels.shape[1]),
        "x-bits": str(8 * film.pixels.dtype.itemsize),
        "cache-control": "private, max-age=600",
    }
    if isinstance(film, SlabPicture):
        headers |= {"x-black": str(film.black), "x-white": str(film.white)}
    return Response(pixel_bytes(film.pixels), 200, headers, "application/octet-stream")


def _add_edits(app: FastAPI, desk: Desk) -> None:
    actions: dict[str, Callable[..., dict[str, Any]]] = {
        "measure": desk.measure,
        "add": desk.add_body,
        "snap": desk.snap_body,
        "calibrate": desk.calibrate,
        "sign": desk.sign,
    }

    @app.post("/api/films/{key}/measure")
    async def measure(key: str, session: SessionOf, body: BodyOf) -> Response:
        if desk.entry(session.person, key).is_ct:  # its map may have to be read
            return await act(key, "measure", session, body)
        # Asked sixty times a second, and over before a thread for it would be found.
        return _json(desk.measure(session.person, key, body))

    @app.post("/api/films/{key}/{action}")
    async def act(key: str, action: str, session: SessionOf, body: BodyOf) -> Response:
        if action not in actions:
            raise HTTPException(404)
        return _json(await run_in_threadpool(actions[action], session.person, key, body))


def _signed_sheet(desk: Desk, session: Session, key: str) -> Sheet:
    """A film to export: what nobody looked at yet does not leave."""
    sheet = desk.sheet(session.person, key)
    if not sheet.entry.is_signed:
        raise InputError("nobody has signed this film yet: sign it, then it can be exported")
    return sheet


def _add_exports(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/films/{key}/export/{kind}")
    def one(key: str, kind: str, session: SessionOf) -> Response:
        _not_blinded(desk)
        if kind != ALL and kind not in KINDS:
            raise HTTPException(404)
        sheet = _signed_sheet(desk, session, key)
        sr = has_sr(sheet, desk.shelf)
        if kind == "sr" and not sr:
            raise InputError(NO_SR)

        def film() -> Any:
            return desk.shelf.radiograph(sheet.entry), desk.shelf.path(sheet.entry)

        done = export_reading(kind, sheet.reading, film, f"endplate-{key[:8]}", sr)
        values = {"reading": sheet.reading.id, "film": key, "kind": kind}
        desk.audit.write(session.person.name, session.person.role, "export", **values)
        return Response(done.data, 200, _attachment(done.name), done.media_type)

    @app.get("/api/export/measurements.csv")
    def table(session: SessionOf) -> Response:
        _only_reviewer(session)
        _not_blinded(desk)
        data = measurements_csv(desk.signed_readings())
        desk.audit.write(session.person.name, session.person.role, "export_all", kind="csv")
        return Response(data, 200, _attachment("endplate-signed.csv"), "text/csv; charset=utf-8")

    @app.get("/api/export/coco.zip")
    def coco(session: SessionOf) -> Response:
        _only_reviewer(session)
        _not_blinded(desk)
        signed = desk.signed()
        if not signed:
            raise InputError("no film is signed yet, so there is nothing to export")
        desk.audit.write(
            session.person.name, session.person.role, "export_all", kind="coco", films=len(signed)
        )
        archive = coco_zip(signed)

        def chunks() -> Iterator[bytes]:
            with archive:
                while chunk := archive.read(_CHUNK):
                    yield chunk

        headers = _attachment("endplate-films.zip")
        return StreamingResponse(chunks(), 200, headers, "application/zip")


def _attachment(name: str) -> dict[str, str]:
    """Headers of a download, which no browser shows as a page of ours."""
    return {"content-disposition": f'attachment; filename="{name}"'}


def _only_reviewer(session: Session) -> None:
    if session.person.role != "reviewer":
        raise HTTPException(403, "This is for reviewers.")


def _not_blinded(desk: Desk) -> None:
    if desk.study is not None:
        raise HTTPException(403, "Not in a reader study.")

"""Nobody comes in without a token, and no other site through somebody's browser."""

import pytest
from starlette.testclient import TestClient

from endplate.errors import InputError, UnknownName
from endplate.review.app import build_app
from endplate.review.guard import MAX_BODY, GuardRules
from endplate.review.people import Doorkeeper, Person, ProxyRule, parse_person

from .conftest import COOKIE, HOST, Browser


def client(app, **headers):
    return TestClient(app, base_url=f"http://{HOST}", follow_redirects=False, headers=headers)


def test_without_a_session_nothing_is_served(make):
    _, _, app = make()
    for path in ("/", "/assets/main.js", "/api/films", "/api/session", "/api/films/x/pixels"):
        assert client(app).get(path).status_code == 401


def test_a_token_works_once_and_a_used_one_announces_another(make):
    _, door, app = make()
    told = []
    door.announce = lambda person, token: told.append((person.name, token))
    token = door.new_token(door.people["ben"])
    first = client(app).get(f"/?token={token}")
    assert first.status_code == 303
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert token not in cookie
    assert client(app).get(f"/?token={token}").status_code == 401
    assert [name for name, _ in told] == ["ben", "ben"]
    assert client(app).get(f"/?token={told[1][1]}").status_code == 303
    assert client(app).get("/?token=guess").status_code == 401
    assert client(app).get("/?token=guess&a=1&b=1&c=1&d=1").status_code == 401
    assert len(told) == 2


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:8001", "127.0.0.1", "localhost:8000", ""]
)
def test_other_hosts_are_refused(browser, host):
    answer = browser.client.get("/api/films", headers={"host": host})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"x-endplate-csrf": "guess"},
        {"x-endplate-csrf": ""},
    ],
)
def test_other_sites_cannot_write(browser, headers):
    key = browser.films()[0]["key"]
    assert browser.post(f"/api/films/{key}/sign", {}, **headers).status_code == 403


def test_writing_needs_an_origin(browser):
    key = browser.films()[0]["key"]
    headers = {"x-endplate-csrf": browser.session["csrf"]}
    assert browser.client.post(f"/api/films/{key}/sign", headers=headers).status_code == 403


def test_every_answer_has_the_headers(browser):
    for path in ("/", "/assets/main.js", "/api/films", "/nothing"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy.replace("https://", "http")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
    assert browser.get("/api/films").headers["cache-control"] == "no-store"


def test_bodies_are_bounded(browser):
    key = browser.films()[0]["key"]
    headers = {"x-endplate-csrf": browser.session["csrf"], "origin": f"http://{HOST}"}
    path = f"/api/films/{key}/measure"
    assert (
        browser.client.post(path, content=b"x" * (MAX_BODY + 1), headers=headers).status_code == 413
    )

    def stream():
        for _ in range(20):
            yield b" " * (MAX_BODY // 10)

    assert browser.client.post(path, content=stream(), headers=headers).status_code == 413
    assert browser.client.post(path, content=b"[" * 5000, headers=headers).status_code == 422


@pytest.mark.parametrize(
    "name",
    ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "..\\app.py", "app.py", "%00"],
)
def test_no_name_reaches_the_file_system(browser, name):
    for place in ("assets", "api/films", "api/films/x/export"):
        answer = browser.get(f"/{place}/{name}")
        assert answer.status_code in (403, 404, 405)
        assert "import" not in answer.text


def test_sessions_end():
    now = [0.0]
    door = Doorkeeper([Person("anna")], clock=lambda: now[0])
    secret = door.enter(door.new_token(door.people["anna"]))
    session = door.session(secret)
    assert session is not None
    assert session.person.name == "anna"
    now[0] = 13 * 3600.0
    assert door.session(secret) is None
    assert door.session(None) is None
    other = door.enter(door.new_token(door.people["anna"]))
    assert other is not None
    door.leave(other)
    assert door.session(other) is None


def test_a_proxy_may_name_users_only_with_its_secret(make):
    desk, _, _ = make()
    secret = "s" * 32
    door = Doorkeeper([Person("ben", "reader")], ProxyRule("x-remote-user", secret))
    app = build_app(desk, door, GuardRules(frozenset({HOST}), True, COOKIE))
    good = {"x-remote-user": "ben", "x-endplate-proxy-secret": secret}
    answer = client(app, **good).get("/api/session")
    assert answer.json()["person"] == "ben"
    for wrong in (
        {"x-remote-user": "ben"},
        {**good, "x-endplate-proxy-secret": "t" * 32},
        {**good, "x-remote-user": "carl"},
    ):
        assert client(app, **wrong).get("/api/session").status_code == 401


def test_roles(make):
    _, door, app = make()
    ben = Browser(app, door, "ben")
    assert ben.session["role"] == "reader"
    for path in ("/api/audit", "/api/export/measurements.csv", "/api/export/coco.zip"):
        assert ben.get(path).status_code == 403


def test_people_are_parsed():
    assert parse_person("Dr  Anna B:reviewer") == Person("Dr Anna B", "reviewer")
    assert parse_person("ben") == Person("ben", "reader")
    with pytest.raises(UnknownName, match="role 'king'"):
        parse_person("ben:king")
    with pytest.raises(InputError, match="expected NAME"):
        parse_person(":reader")
    with pytest.raises(InputError, match="two users"):
        Doorkeeper([Person("a"), Person("a")])

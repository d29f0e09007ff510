# SPDX-License-Identifier: Apache-2.0
"""Who may come in: keys, sessions of browsers, hosts and origins, asking as somebody."""

from __future__ import annotations

import pytest

from colonnade.gateway.auth import COOKIE
from colonnade.testing.backend_documents import ANNA_KEY, EXPIRED_KEY, OWNER_KEY
from tests.gateway.conftest import House, Reply

QUESTION = {"question": "What is the retention bonus?", "service": "assistant"}


def cookie_of(reply: Reply) -> str:
    return reply.headers["set-cookie"].partition(";")[0]


def sign_in(house: House, key: str) -> str:
    body = f"key={key}".encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": house.url}
    reply = house.call("POST", "/login", body, who=None, headers=headers)
    assert reply.status == 303
    return cookie_of(reply)


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_key_opens_by_either_header(header: str, house: House) -> None:
    value = f"Bearer {ANNA_KEY}" if header == "authorization" else ANNA_KEY
    assert house.call("GET", "/v1/models", who=None, headers={header: value}).status == 200


def test_no_key_a_wrong_key_and_an_expired_key_are_told_apart_from_each_other_only_where_it_helps(house: House) -> None:
    without = house.call("GET", "/v1/models", who=None)
    assert (without.status, without.error["code"], without.headers["www-authenticate"]) == (401, "no_key", "Bearer")
    wrong = house.call("GET", "/v1/models", who="nonsense")
    expired = house.call("GET", "/v1/models", who=EXPIRED_KEY)
    assert (wrong.status, wrong.error["code"]) == (401, "invalid_key")
    assert wrong.body == expired.body


def test_a_key_ends_by_the_stores_time(house: House) -> None:
    made = house.call(
        "POST", "/admin/keys", {"name": "x", "person": "anna", "expires_ms": house.backend.now_ms() + 5}, who="owner"
    )
    assert made.status == 201
    assert house.call("GET", "/v1/models", who=made.json["key"]).status == 200
    house.backend.advance(5)
    assert house.call("GET", "/v1/models", who=made.json["key"]).status == 401


def test_the_owner_may_ask_as_a_declared_person_and_nobody_else_may(house: House) -> None:
    as_heidi = house.call("POST", "/v1/ask", QUESTION, who="owner", headers={"x-colonnade-as": "heidi"})
    assert as_heidi.json["status"] == "answered"
    in_body = house.call("POST", "/v1/ask", {**QUESTION, "as": "person/heidi"}, who="owner")
    assert in_body.json["status"] == "answered"
    assert house.call("POST", "/v1/ask", QUESTION, who="owner").json["status"] == "abstained"
    for reply in (
        house.call("POST", "/v1/ask", {**QUESTION, "as": "heidi"}, who="anna"),
        house.call("POST", "/v1/ask", QUESTION, who="anna", headers={"x-colonnade-as": "heidi"}),
    ):
        assert (reply.status, reply.error["code"]) == (403, "not_owner")
    unknown = house.call("POST", "/v1/ask", {**QUESTION, "as": "bob"}, who="owner")
    assert (unknown.status, unknown.error["code"], unknown.error["param"]) == (400, "unknown_person", "as")


def test_the_person_acted_for_never_gets_the_owners_rights(house: House) -> None:
    headers = {"x-colonnade-as": "anna"}
    assert house.call("GET", "/v1/models", who="owner", headers=headers).status == 200
    assert house.call("POST", "/v1/ask", {**QUESTION, "as": "heidi"}, who="owner", headers=headers).status == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost:x", ""])
def test_a_foreign_host_is_refused(host: str, house: House) -> None:
    reply = house.call("GET", "/v1/models", headers={"host": host})
    assert (reply.status, reply.error["code"]) == (421, "host_not_allowed")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1.evil.example", "null", "file://localhost"]
)
@pytest.mark.parametrize("path", ["/v1/models", "/"])
def test_a_foreign_origin_is_refused(origin: str, path: str, house: House) -> None:
    reply = house.call("GET", path, headers={"origin": origin})
    assert (reply.status, reply.error["code"]) == (403, "origin_not_allowed")


def test_a_browser_signs_in_by_form_and_its_cookie_opens_pages_and_api(house: House) -> None:
    body = f"key={ANNA_KEY}".encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": house.url}
    reply = house.call("POST", "/login", body, who=None, headers=headers)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    attributes = {part.strip() for part in reply.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"Path=/", "HttpOnly", "SameSite=Strict"}
    assert ANNA_KEY not in reply.headers["set-cookie"]
    assert b"anna at /" in house.call("GET", "/", who=None, headers={"cookie": cookie_of(reply)}).body
    assert house.call("GET", "/v1/models", who=None, headers={"cookie": cookie_of(reply)}).status == 200
    assert b"nobody at /" in house.call("GET", "/", who=None).body


def test_a_link_with_the_token_signs_in_and_leaves_no_token_behind(house: House) -> None:
    reply = house.call("GET", f"/?token={OWNER_KEY}", who=None)
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert (reply.headers["referrer-policy"], reply.headers["cache-control"]) == ("no-referrer", "no-store")
    assert b"owner at /" in house.call("GET", "/", who=None, headers={"cookie": cookie_of(reply)}).body
    foreign = house.call("GET", f"/?token={OWNER_KEY}", who=None, headers={"sec-fetch-site": "cross-site"})
    assert "set-cookie" not in foreign.headers
    wrong = house.call("GET", "/?token=nonsense", who=None)
    assert (wrong.headers["location"], "set-cookie" in wrong.headers) == ("/login?failed=1", False)


def test_revoking_the_key_ends_its_sessions_at_once(house: House) -> None:
    made = house.call("POST", "/admin/keys", {"name": "x", "person": "anna"}, who="owner").json
    cookie = sign_in(house, made["key"])
    assert b"anna at /" in house.call("GET", "/", who=None, headers={"cookie": cookie}).body
    assert house.call("POST", "/admin/keys/revoke", {"id": made["id"]}, who="owner").status == 200
    assert b"nobody at /" in house.call("GET", "/", who=None, headers={"cookie": cookie}).body


def test_signing_out_ends_the_session(house: House) -> None:
    cookie = sign_in(house, ANNA_KEY)
    reply = house.call("POST", "/logout", b"", who=None, headers={"cookie": cookie, "origin": house.url})
    assert (reply.status, reply.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert b"nobody at /" in house.call("GET", "/", who=None, headers={"cookie": cookie}).body


def test_a_post_with_a_cookie_needs_a_sign_that_our_own_page_sent_it(house: House) -> None:
    cookie = sign_in(house, ANNA_KEY)
    ours = {"cookie": cookie, "origin": house.url}
    assert house.call("POST", "/v1/ask", QUESTION, who=None, headers=ours).status == 200
    for sign in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site", "origin": house.url}):
        reply = house.call("POST", "/v1/ask", QUESTION, who=None, headers={"cookie": cookie, **sign})
        assert (reply.status, reply.error["code"]) == (403, "origin_not_allowed")
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert house.call("POST", "/pages", b"a=b", who=None, headers={**ours, **form}).status == 200
    assert house.call("POST", "/pages", b"a=b", who=None, headers={"cookie": cookie, **form}).status == 403


def test_an_owners_route_is_not_there_for_others(house: House) -> None:
    for method, path in (
        ("GET", "/admin/status"),
        ("GET", "/admin/keys"),
        ("POST", "/admin/stop"),
        ("GET", "/admin/events"),
    ):
        reply = house.call(method, path, who="anna")
        assert (reply.status, reply.error["code"]) == (404, "not_found")
        assert house.call("DELETE", path, who="anna").status == 404
    assert not house.backend.stopped.is_set()


def test_sessions_forget_the_oldest_rather_than_grow() -> None:
    from colonnade.gateway import auth

    sessions = auth.Sessions()
    values = [sessions.open(bytes([1])) for _ in range(auth.MOST_SESSIONS + 3)]
    assert sessions.key_of(values[2]) is None
    assert sessions.key_of(values[3]) == bytes([1])
    assert sessions.key_of("") is None
    assert COOKIE == "colonnade_session"

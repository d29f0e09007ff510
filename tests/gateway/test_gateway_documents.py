# SPDX-License-Identifier: Apache-2.0
"""What citations lead to, search, lineage, feedback; what may not be read answers as what does not exist."""

from __future__ import annotations

import pytest

from colonnade.testing.backend_documents import DOCUMENTS, fixed_id
from tests.gateway.conftest import House, Reply

SECRET = next(d for d in DOCUMENTS if d.path.startswith("hr/"))
PRICES = [d for d in DOCUMENTS if d.path == "docs/prices.csv"]
VARY = {"date", "x-request-id", "server-timing"}


def same(a: Reply, b: Reply) -> bool:
    """Status, body and headers are equal but for those that differ between any two requests."""

    def fixed(reply: Reply) -> dict[str, str]:
        return {k: v for k, v in reply.headers.items() if k not in VARY}

    return (a.status, a.body, fixed(a)) == (b.status, b.body, fixed(b))


@pytest.mark.parametrize("suffix", ["", "/text", "/raw"])
@pytest.mark.parametrize("version", ["", f"@{SECRET.content}"])
def test_what_may_not_be_read_answers_as_what_does_not_exist(suffix: str, version: str, house: House) -> None:
    forbidden = house.call("GET", f"/documents/{SECRET.document}{version}{suffix}", who="anna")
    unknown = house.call("GET", f"/documents/{fixed_id('doc', 99)}{version}{suffix}", who="anna")
    nonsense = house.call("GET", f"/documents/nonsense{suffix}", who="anna")
    assert forbidden.status == 404
    assert same(forbidden, unknown)
    assert same(forbidden, nonsense)
    assert house.call("GET", f"/documents/{SECRET.document}{version}{suffix}", who="heidi").status == 200


def test_lineage_and_feedback_of_others_do_not_exist_either(house: House) -> None:
    asked = house.call(
        "POST", "/v1/ask", {"question": "What is the retention bonus?", "service": "assistant"}, who="heidi"
    ).json
    assert asked["status"] == "answered"
    unknown = fixed_id("ans", 99_999)
    for path in ("/v1/why/{}", "/v1/impact/{}"):
        theirs = house.call("GET", path.format(asked["ref"]), who="anna")
        assert theirs.status == 404
        assert same(theirs, house.call("GET", path.format(f"answer/{unknown}"), who="anna"))
    verdict = {"ref": asked["ref"], "verdict": "right"}
    theirs = house.call("POST", "/v1/feedback", verdict, who="anna")
    assert same(theirs, house.call("POST", "/v1/feedback", {**verdict, "ref": f"answer/{unknown}"}, who="anna"))
    assert house.call("POST", "/v1/feedback", verdict, who="heidi").json["verdict"] == "right"


def test_a_citation_leads_to_the_text_that_its_span_counts_in(house: House) -> None:
    asked = house.call(
        "POST", "/v1/ask", {"question": "What is the price of the anchor bolt?", "service": "assistant"}
    ).json
    cited = asked["citations"][0]
    path = cited["url"].removeprefix(house.url)
    text = house.call("GET", f"{path}/text")
    assert text.body.decode()[cited["start"] : cited["end"]] == cited["quote"]
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    facts = house.call("GET", path).json
    assert (facts["path"], facts["document"], facts["readers"]) == ("docs/prices.csv", cited["document"], ["everyone"])


def test_originals_are_untrusted(house: House) -> None:
    old = house.call("GET", f"/documents/{PRICES[0].document}@{PRICES[0].content}/raw")
    assert b"12.50" in old.body
    assert old.headers["content-disposition"] == "attachment; filename*=UTF-8''prices.csv"
    assert old.headers["content-type"] == "application/octet-stream"
    for suffix in ("raw", "text"):
        headers = house.call("GET", f"/documents/{PRICES[0].document}/{suffix}").headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert b"13.90" in house.call("GET", f"/documents/{PRICES[0].document}/raw").body


def test_a_browser_gets_the_consoles_page_of_a_document(house: House) -> None:
    page = house.call("GET", f"/documents/{PRICES[0].document}", headers={"accept": "text/html,*/*"})
    assert page.body.startswith(b"<p>anna at /documents/")
    assert b"nobody" in house.call("GET", "/documents/x", who=None, headers={"accept": "text/html"}).body
    assert house.call("GET", "/documents/x", who=None).error["code"] == "no_key"


def test_search_gives_passages_of_what_the_asker_may_read(house: House) -> None:
    query = {"query": "senior engineer salary band", "k": 3}
    heidi = house.call("POST", "/v1/search", query, who="heidi").json
    anna = house.call("POST", "/v1/search", query, who="anna").json
    assert heidi["hits"][0]["path"] == SECRET.path
    assert all(hit["path"] != SECRET.path for hit in anna["hits"])
    assert heidi["schema"] == "colonnade.search/1"
    unknown = house.call("POST", "/v1/search", {**query, "knowledge": "nothing"})
    assert unknown.status == 404


def test_ask_has_the_fields_of_the_contract(house: House) -> None:
    body = {"question": "How much may a hotel night cost?", "service": "assistant"}
    seen = house.call("POST", "/v1/ask", body).json
    assert seen["schema"] == "colonnade.ask/1"
    assert set(seen) >= {"ref", "status", "answer", "citations", "reason", "signals", "note"}
    assert set(seen["citations"][0]) >= {"document", "path", "url", "encoding", "start", "end", "quote"}
    past = {**body, "question": "price of the anchor bolt", "as_of": "2026-09-18T00:00:00+00:00"}
    assert "12.50" in house.call("POST", "/v1/ask", past).json["answer"]
    history = [{"role": "user", "content": "When must I hand in receipts?"}]
    follow = house.call("POST", "/v1/ask", {**body, "question": "And older ones?", "history": history}).json
    assert "receipts" in follow["answer"].lower()
    why = house.call("GET", f"/v1/why/{seen['ref']}").json
    assert why["nodes"][0]["ref"] == seen["ref"]
    impact = house.call("GET", f"/v1/impact/document/{seen['citations'][0]['document']}").json
    assert {"ref": seen["ref"], "kind": "answer", "label": "", "edges": []} in impact["nodes"]

# SPDX-License-Identifier: Apache-2.0
"""A stranger's first minutes with examples/acme, through the real command line (issue House, Seen from outside 1 to 3
and 8).
"""

from __future__ import annotations

import json
import random
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import Project

ACME = Path(__file__).resolve().parents[2] / "examples" / "acme"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """acme, up and ready."""
    project = Project.copy_of(ACME, tmp_path_factory.mktemp("acme") / "acme")
    project.up()
    yield project
    project.down()


def get(url: str, key: str, accept: str = "*/*") -> tuple[int, bytes, dict[str, str]]:
    """Status, body, and the headers that must not tell a forbidden thing from an unknown one."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}", "Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status, body, headers = answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        status, body, headers = error.code, error.read(), dict(error.headers)
    varying = {"date", "x-request-id", "server-timing"}
    return status, body, {name.lower(): value for name, value in headers.items() if name.lower() not in varying}


@pytest.mark.slow
def test_everything_readable_is_ready_and_the_rest_is_listed_with_its_reason(acme: Project) -> None:
    handbook = acme.status()["knowledge"]["handbook"]
    assert handbook["state"] == "ready"
    assert handbook["documents"] >= 100
    codes = {file["path"]: file["code"] for file in handbook["unreadable"]}
    assert codes == {"handbook/works-council-minutes.docx": "corrupt", "products/delivery-note-scan.pdf": "no_text"}


@pytest.mark.slow
def test_up_again_is_a_no_op_and_plan_has_nothing_to_change(acme: Project) -> None:
    pid, entries = acme.pid, acme.status()["ledger"]["entries"]
    assert acme.run("up").code == 0
    assert acme.run("plan", "--json").json["changes"] == []
    assert (acme.pid, acme.status()["ledger"]["entries"]) == (pid, entries)


@pytest.mark.slow
def test_an_answer_quotes_the_file_itself_to_the_letter(acme: Project) -> None:
    answer = acme.ask("How many days of paid holiday does everyone have?", "--as", "anna")
    assert answer["status"] == "answered"
    assert "30 days" in answer["answer"]
    assert answer["citations"]
    for citation in answer["citations"]:
        text = (acme.folder / citation["path"]).read_bytes().decode(citation["encoding"])
        assert text[citation["start"] : citation["end"]] == citation["quote"]


@pytest.mark.slow
def test_what_is_not_in_the_sources_is_abstained_from(acme: Project) -> None:
    answer = acme.ask("Who won the world cup in 1998?", "--as", "anna")
    assert (answer["status"], answer["citations"], answer["reason"]) == ("abstained", [], "topic")


@pytest.mark.slow
def test_an_hr_fact_is_for_hr_and_its_url_is_the_404_of_a_random_id_for_others(acme: Project) -> None:
    question = "What is the salary band of a senior engineer?"
    assert acme.ask(question, "--as", "anna")["status"] == "abstained"
    answer = acme.ask(question, "--as", "heidi")
    assert answer["status"] == "answered"
    assert all(citation["path"].startswith("hr/") for citation in answer["citations"])
    anna = acme.run("keys", "create", "anna-laptop", "--for", "anna", "--json").json["key"]
    heidi = acme.run("keys", "create", "heidi-laptop", "--for", "heidi", "--json").json["key"]
    url = answer["citations"][0]["url"]
    unknown = url.rpartition("/")[0] + "/doc_" + "0" * 36
    assert get(url + "/text", heidi)[0] == 200
    for tail in ("", "/text", "/raw"):
        assert get(url + tail, anna) == get(unknown + tail, anna)
        assert get(url + tail, anna)[0] == 404
    acme.run("keys", "revoke", "anna-laptop")
    assert get(url, anna)[0] == 401


@pytest.mark.slow
def test_a_pdf_is_cited_with_its_page_and_the_span_counts_in_the_served_text(acme: Project) -> None:
    found = acme.run("search", "installation manual fault codes", "--json").json["hits"]
    pdf = next(hit for hit in found if hit["path"].endswith(".pdf"))
    assert pdf["page"] >= 1
    text = get(pdf["url"] + "/text", acme.token)[1].decode()
    assert text[pdf["start"] : pdf["end"]] == pdf["text"]


@pytest.mark.slow
def test_unknown_people_are_a_usage_error_and_known_ones_are_recorded(acme: Project) -> None:
    assert acme.run("ask", "Who is there?", "--as", "nobody").code == 2
    answer = acme.ask("How many days of paid holiday does everyone have?", "--as", "ben")
    why = acme.run("why", answer["ref"], "--json").json
    kinds = {node["kind"] for node in why["nodes"]}
    assert {"answer", "epoch", "decision", "document", "content", "run", "person", "service"} <= kinds
    document = answer["citations"][0]["document"]
    impact = acme.run("impact", f"document/{document}", "--json").json
    assert answer["ref"] in {node["ref"] for node in impact["nodes"]}


@pytest.mark.slow
def test_a_command_that_needs_a_daemon_says_so_where_none_runs(tmp_path: Path) -> None:
    project = Project.small(tmp_path)
    for command in (["ask", "anything"], ["keys", "list"]):
        done = project.run(*command)
        assert (done.code, "colonnade up" in done.err) == (4, True)
    assert project.run("status", "--json").json["daemon"] == "stopped"
    changes = project.run("plan", "--json").json["changes"]
    assert changes
    assert {change["action"] for change in changes} == {"create"}


@pytest.mark.slow
def test_verify_finds_one_changed_leaf_and_any_flipped_bit(tmp_path: Path) -> None:
    project = Project.small(tmp_path)
    for number in range(12):
        project.write(f"docs/{number}.md", f"# Note {number}\n\nThe code of room {number} is {number * 37}.\n")
    project.up()
    project.down()
    assert project.run("verify").code == 0
    state = project.home / "state.db"
    sound = state.read_bytes()
    chance = random.Random(6)
    for _ in range(4):
        bit = chance.randrange(len(sound) * 8)
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        state.write_bytes(damaged)
        assert project.run("verify").code == 1, bit
    state.write_bytes(sound)
    connection = sqlite3.connect(state)
    (leaf,) = connection.execute("SELECT bytes FROM entries WHERE idx = 7").fetchone()
    changed = bytearray(leaf)
    changed[20] ^= 1
    connection.execute("UPDATE entries SET bytes = ? WHERE idx = 7", (bytes(changed),))
    connection.commit()
    connection.close()
    done = project.run("verify", "--json")
    assert done.code == 1
    assert 7 in {finding.get("index") for finding in json.loads(done.out)["findings"]}


@pytest.mark.slow
def test_every_page_of_the_console_is_there_over_the_real_house(acme: Project) -> None:
    answer = acme.ask("How many days of paid holiday does everyone have?")
    run = acme.run("why", answer["ref"], "--json").json
    runs = [node["ref"] for node in run["nodes"] if node["kind"] == "run"]
    cited = answer["citations"][0]
    source = f"/documents/{cited['url'].rpartition('/')[2]}?start={cited['start']}&end={cited['end']}"
    pages = {
        "/": "What would you like to know",
        "/answers": "paid holiday",
        f"/answers/{answer['ref'].removeprefix('answer/')}": "30 days",
        source: f'id="span">{cited["quote"][:20]}',
        "/knowledge": "handbook",
        "/knowledge/handbook": "works-council-minutes.docx",
        "/runs": "ingest",
        f"/runs/{runs[0].removeprefix('run/')}": "done",
        "/ledger": "colonnade/",
        "/keys": "owner",
        f"/refs/{answer['ref']}": "epoch",
    }
    for path, words in pages.items():
        status, body, _ = get(acme.url + path, acme.token, "text/html")
        assert (path, status) == (path, 200)
        assert words in body.decode(), path


@pytest.mark.slow
def test_the_questions_of_the_example_come_out_as_expected(acme: Project) -> None:
    done = acme.run("evaluate", "--questions", str(ACME / "questions.yaml"), "--json")
    assert done.code == 0, done.err
    metrics = done.json["metrics"]
    assert metrics["quotes_exact"] == 1.0
    assert metrics["passed"] >= 0.9, done.json["failures"]

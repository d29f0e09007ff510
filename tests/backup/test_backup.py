# SPDX-License-Identifier: Apache-2.0
"""A backup taken under load is whole; one that was changed is refused; it comes up elsewhere with the same answers."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import Project

QUESTION = "How many days of leave does a person have?"
SECRET = "What does the quokka badge open?"
PASSPHRASE = "five random words here"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    small = Project.small(tmp_path / "here")
    small.write("docs/leave.md", "# Leave\n\nEvery person has thirty days of leave a year.\n")
    small.write("docs/cards.md", "# Cards\n\nThe quokka badge opens the archive on floor seven.\n")
    for number in range(40):
        small.write(f"docs/note-{number}.md", f"# Note {number}\n\nRoom {number} is cleaned on Mondays.\n")
    small.write("hr/pay.md", "# Pay\n\nSalaries are paid on the 25th.\n")
    small.up()
    yield small
    small.down()


def elsewhere(project: Project, folder: Path) -> Project:
    """Another machine: the same declaration and files, no state and no keys."""
    other = Project.copy_of(project.folder, folder)
    for left in (folder / ".keys",):
        for file in left.glob("*"):
            file.unlink()
    other.environment["COLONNADE_PASSPHRASE"] = PASSPHRASE
    return other


def key_of(project: Project, person: str) -> str:
    done = project.run("keys", "create", f"key-of-{person}", "--for", person, "--json")
    assert done.code == 0, done.err
    return str(done.json["key"])


def test_a_backup_under_load_comes_up_elsewhere_and_what_was_erased_since_is_erased_there(
    project: Project, tmp_path: Path
) -> None:
    stop = threading.Event()

    def ask_on() -> None:
        from colonnade.sdk import Client

        client = Client(project.url, project.token)
        while not stop.is_set():
            client.ask(QUESTION)

    heidi = key_of(project, "heidi")
    before = project.run("ask", QUESTION, "--json").json
    secret = project.run("ask", SECRET, "--json").json
    assert secret["status"] == "answered"
    load = threading.Thread(target=ask_on)
    load.start()
    project.environment["COLONNADE_PASSPHRASE"] = PASSPHRASE
    try:
        done = project.run("backup", str(tmp_path / "b.tar"), "--with-keys", str(tmp_path / "keys.json"), "--json")
    finally:
        stop.set()
        load.join()
    assert done.code == 0, done.err
    assert done.json["damaged"] == []
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
    (tmp_path / "c.note").write_text(done.json["checkpoint"])

    asked = project.run("erase", "document/docs/cards.md", "--json")
    assert asked.code == 3, asked.err
    project.environment["COLONNADE_KEY"] = heidi
    assert project.run("approve", asked.json["ref"]).code == 0
    del project.environment["COLONNADE_KEY"]

    other = elsewhere(project, tmp_path / "there")
    home = tmp_path / "home"
    refused = other.run("restore", str(tmp_path / "b.tar"), "--home", str(home))
    assert refused.code != 0
    assert "keys" in refused.err
    assert not home.exists()
    listed = next((project.folder / ".keys").glob("*.erased"))
    words = ("--home", str(home), "--keys", str(tmp_path / "keys.json"), "--erasures", str(listed))
    restored = other.run("restore", str(tmp_path / "b.tar"), *words, "--json")
    assert restored.code == 0, restored.err
    assert restored.json["replayed"] == [asked.json["ref"]]
    assert other.run("restore", str(tmp_path / "b.tar"), *words).code == 2, "what is there is not overwritten"

    other.environment["COLONNADE_HOME"] = str(home)
    verified = other.run("verify", "--since", str(tmp_path / "c.note"), "--json")
    assert verified.code == 0, verified.out
    up = other.run("up", "--detach", "--port", "0")
    assert up.code == 0, up.err
    try:
        status = other.run("status", "--wait", "60", "--json")
        assert status.code == 0, status.out
        held = status.json["knowledge"]["handbook"]["unreadable"]
        assert [one["code"] for one in held] == ["erased"]
        again = other.run("ask", QUESTION, "--json").json
        assert again["answer"] == before["answer"]
        assert [c["quote"] for c in again["citations"]] == [c["quote"] for c in before["citations"]]
        assert other.run("ask", SECRET, "--json").json["status"] == "abstained"
        assert other.run("verify", "--json").code == 0
    finally:
        assert other.run("down").code == 0


def test_a_backup_that_was_changed_or_cut_is_refused_and_nothing_is_left(project: Project, tmp_path: Path) -> None:
    whole = tmp_path / "b.tar"
    assert project.run("backup", str(whole)).code == 0
    assert project.run("backup", str(whole)).code == 2, "a backup is not overwritten"
    data = bytearray(whole.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as tar:
        members = {member.name: member for member in tar}
    blob = next(member for name, member in members.items() if name.startswith("blobs/"))
    store, listed = members["state.db"], members["manifest.json"]

    def refused(what: str, changed: bytes) -> None:
        bad = tmp_path / f"{what}.tar"
        bad.write_bytes(changed)
        home = tmp_path / what
        done = project.run("restore", str(bad), "--home", str(home), "--json")
        assert done.code != 0, what
        assert done.json["error"]["code"] == "backup_damaged", (what, done.out)
        assert not home.exists(), what
        assert not list(tmp_path.glob(f".{what}*")), what

    for what, member in (("blob", blob), ("store", store), ("list", listed)):
        changed = bytearray(data)
        changed[member.offset_data + member.size // 2] ^= 1
        refused(what, bytes(changed))
    refused("cut", bytes(data[: listed.offset]))
    home = tmp_path / "good"
    assert project.run("restore", str(whole), "--home", str(home)).code == 0

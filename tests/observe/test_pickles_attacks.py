# SPDX-License-Identifier: Apache-2.0
"""Published and thinkable ways past a scanner: every one is refused, whatever it is named. Nothing is ever loaded."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zlib
from pathlib import Path

import pytest

from colonnade.observe.security import CLEAN, MALICIOUS, judge, judge_bytes
from tests.observe.pickle_attacks import EVIL, GADGETS, OLD, archives, call, tricks

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "malicious_pickles"


@pytest.mark.parametrize("gadget", GADGETS)
def test_a_call_of_a_published_gadget_is_malicious_in_every_protocol(gadget: str) -> None:
    for protocol in range(6):
        verdict = judge_bytes(call(gadget, protocol), "model.pkl")
        assert verdict.verdict == MALICIOUS, protocol
        assert gadget in verdict.globals


@pytest.mark.parametrize("name", sorted(tricks()))
@pytest.mark.parametrize("ending", ["pkl", "bin", "pt", "txt", ""])
def test_a_pickle_that_hides_what_it_does_is_malicious(name: str, ending: str) -> None:
    if ending == "txt" and name in {"import_only", "a_line_of_two_megabytes_first"}:
        assert judge_bytes(tricks()[name], "notes.txt").verdict in {MALICIOUS, "unreadable"}
        return
    assert judge_bytes(tricks()[name], f"model.{ending}").verdict == MALICIOUS


@pytest.mark.parametrize("name", sorted(archives()))
@pytest.mark.parametrize("ending", ["zip", "pt", "npz", "dat"])
def test_an_archive_that_shows_readers_different_things_is_malicious(name: str, ending: str) -> None:
    assert judge_bytes(archives()[name], f"model.{ending}").verdict == MALICIOUS


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_compressed_pickle_is_judged_by_what_it_unpacks_to(pack) -> None:  # type: ignore[no-untyped-def]
    assert judge_bytes(pack(EVIL), "model.joblib").verdict == MALICIOUS
    assert judge_bytes(pack(pickle.dumps([1])), "model.joblib").verdict == CLEAN
    assert judge_bytes(pack(EVIL)[:-6], "model.joblib").verdict != CLEAN


def test_a_member_of_a_tar_is_judged_and_a_link_is_not_followed() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("weights")
        info.size = len(OLD)
        archive.addfile(info, io.BytesIO(OLD))
    assert judge_bytes(buffer.getvalue(), "model.tar").verdict == MALICIOUS
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("weights")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    assert judge_bytes(buffer.getvalue(), "model.tar").verdict == "unreadable"


@pytest.mark.parametrize(
    "data",
    [b"7z\xbc\xaf\x27\x1c" + bytes(40), b"Rar!\x1a\x07\1\0", b"\x28\xb5\x2f\xfd" + bytes(9), b"\x7fELF" + bytes(60)],
)
def test_what_this_scan_cannot_read_is_never_clean(data: bytes) -> None:
    assert judge_bytes(data, "model.bin").verdict == "unreadable"


def test_a_bomb_is_given_up_and_not_unpacked() -> None:
    from colonnade.observe.security import Limits

    bomb = zlib.compress(b"(" * (8 << 20))
    limits = Limits(unpacked_bytes=1 << 20)
    assert judge_bytes(bomb, "model.joblib", limits).verdict == "unreadable"
    endless = b"N0" * 40_000 + OLD
    assert judge_bytes(endless, "model", Limits(operations=10_000)).verdict == "unreadable"


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples of picklescan are not here")
def test_every_published_sample_is_judged_as_expected() -> None:
    expected = json.loads((SAMPLES / "expected.json").read_text())
    wrong = {}
    for name, wanted in expected.items():
        said = judge(SAMPLES / name).verdict
        if said != wanted and not (wanted == "not-clean" and said != CLEAN):
            wrong[name] = (wanted, said)
    assert wrong == {}

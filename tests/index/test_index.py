# SPDX-License-Identifier: Apache-2.0
"""What an index promises: found at once, rights at the next question, filters inside, copies collapsed, gaps closed."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.errors import StateError
from colonnade.core.search import IndexedChunk, Visibility
from colonnade.knowledge.index import Index
from tests.index.corpus import DIMENSIONS, File, index_of, named, put, vector_of

EVERYONE = frozenset({"everyone"})
NOW = (("everyone", 0, None),)


def file(name: str, *chunks: str, standings: tuple[tuple[str, int, int | None], ...] = NOW) -> File:
    return File(name, chunks, standings)


def found(index: Index, names: dict[str, str], question: str, **asked: object) -> list[str]:
    asked = {"readers": EVERYONE, "k": 10, "vector": None} | asked
    return [names[h.content] for h in index.search(question, **asked)]  # type: ignore[arg-type]


def test_a_content_is_found_the_moment_it_is_added_and_gone_when_removed() -> None:
    index, names = index_of([file("a", "holiday rules")])
    names[content := put(index, file("b", "parking rules"), "")] = "b"
    assert found(index, names, "parking") == ["b"]
    index.remove(content)
    assert found(index, names, "parking") == []
    assert index.sizes().chunks == 1


def test_adding_a_content_again_replaces_its_chunks_and_vectors() -> None:
    index, names = index_of([file("a", "one", "two", "three")])
    content = next(iter(names))
    index.add(content, [IndexedChunk(0, "four", b"k")])
    assert found(index, names, "two") == []
    assert found(index, names, "four") == ["a"]
    assert (index.sizes().chunks, index.sizes().embedded) == (1, 0)


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "dense"])
def test_a_right_taken_away_is_gone_at_the_next_question(mode: str) -> None:
    index, names = index_of([file("a", "salary bands"), file("b", "salary policy", standings=(("hr", 0, None),))])
    both = {"readers": frozenset({"everyone", "hr"}), "mode": mode, "vector": vector_of("salary policy")}
    assert set(found(index, names, "salary policy", **both)) == {"a", "b"}
    content = next(c for c, name in names.items() if name == "b")
    index.set_visibility([Visibility("docb", content, "board", 0, None)])
    assert set(found(index, names, "salary policy", **both)) == {"a"}
    index.set_visibility([Visibility("docb", content, "hr", 0, None)])
    assert set(found(index, names, "salary policy", **both)) == {"a", "b"}
    index.drop_visibility("docb")
    assert set(found(index, names, "salary policy", **both)) == {"a"}


def test_one_content_in_two_documents_is_readable_through_either() -> None:
    index, names = index_of([file("a", "shared text")])
    content = next(iter(names))
    index.set_visibility([Visibility("secret", content, "board", 0, None)])
    index.drop_visibility("doca")
    assert found(index, names, "shared") == []
    assert found(index, names, "shared", readers=frozenset({"board"})) == ["a"]
    assert [v.document for v in index.standing(content, frozenset({"board"}))] == ["secret"]


def test_a_past_instant_shows_what_stood_then() -> None:
    old = file("old", "price is 10", standings=(("everyone", 100, 200),))
    new = file("new", "price is 12", standings=(("everyone", 200, None),))
    index, names = index_of([old, new])
    assert [found(index, names, "price", at_ms=at) for at in (99, 100, 199, 200, None)] == [
        [], ["old"], ["old"], ["new"], ["new"],
    ]  # fmt: skip


def test_a_filter_narrows_what_is_found_and_leaves_scores_of_words_alone() -> None:
    index, names = index_of([file(f"f{i}", f"policy number{i} text") for i in range(30)])
    wanted = [c for c, name in names.items() if name in {"f3", "f4"}]
    for mode in ("hybrid", "lexical", "dense"):
        hits = index.search(
            "policy number4", vector_of("policy number4"), readers=EVERYONE, k=10, mode=mode, only=wanted
        )  # type: ignore[arg-type]
        assert {names[h.content] for h in hits} <= {"f3", "f4"}
        assert names[hits[0].content] == "f4"
    free = index.search("policy number4", None, readers=EVERYONE, k=1)[0]
    assert index.search("policy number4", None, readers=EVERYONE, k=1, only=wanted)[0].score == free.score
    assert index.search("policy", None, readers=EVERYONE, only=[]) == []


def test_a_filter_never_shows_what_may_not_be_read() -> None:
    index, names = index_of([file("a", "open text"), file("b", "hidden text", standings=(("hr", 0, None),))])
    assert found(index, names, "text", only=list(names)) == ["a"]


def test_passages_that_say_the_same_take_one_place_but_numbers_and_negations_count() -> None:
    long = "the lease of the office in the old town ends in the month of march and is renewed by the board each year"
    index, names = index_of(
        [
            file("a", long),
            file("layout", f"- {long.upper()}!"),
            file("longer", f"{long} again"),
            file("number", long.replace("each year", "every 2 years")),
            file("negation", long.replace("is renewed", "is not renewed")),
        ]
    )
    kept = found(index, names, "lease office board")
    assert len(kept) == 3
    assert {"number", "negation"} < set(kept)
    assert len(found(index, names, "lease office board", collapse=False)) == 5


def test_ties_break_by_key_and_never_by_order_of_adding() -> None:
    texts = [f"same words {i}" for i in "bcdefghj"]
    orders = []
    for sign in (1, -1):
        index, names = index_of([file(t, t) for t in texts[::sign]], str(sign))
        hits = index.search("same words", None, readers=EVERYONE, k=8, collapse=False)
        assert len({h.score for h in hits}) == 1
        orders.append([names[h.content] for h in hits])
    assert orders[0] == orders[1]
    assert orders[0] != texts


def test_chunks_without_vectors_are_still_found_by_their_words() -> None:
    index, names = index_of([file("a", "embedded words")])
    names[put(index, file("b", "waiting words"), "", embed=False)] = "b"
    assert set(found(index, names, "words", vector=vector_of("words"))) == {"a", "b"}
    assert found(index, names, "waiting", vector=vector_of("waiting"))[0] == "b"


@pytest.mark.parametrize("question", ["", "the of and", "   ", "neverseen", "💥", "\udc80"])
def test_a_question_without_known_words_finds_nothing_lexically(question: str) -> None:
    index, names = index_of([file("a", "some words")])
    assert found(index, names, question, mode="lexical") == []


def test_an_empty_index_and_an_unknown_reader_find_nothing() -> None:
    index, _ = index_of([])
    assert index.search("x", vector_of("x"), readers=EVERYONE) == []
    index, _ = index_of([file("a", "x")])
    assert index.search("x", vector_of("x"), readers=frozenset()) == []
    assert index.search("x", vector_of("x"), readers=frozenset({"nobody"})) == []


def test_vectors_of_a_wrong_shape_or_for_an_unknown_content_are_refused() -> None:
    index, names = index_of([file("a", "x")])
    with pytest.raises(ValueError):
        index.set_vectors(next(iter(names)), 0, np.zeros((2, DIMENSIONS), np.float32))
    with pytest.raises(ValueError):
        index.set_vectors(next(iter(names)), 0, np.zeros((1, 3), np.float32))
    with pytest.raises(KeyError):
        index.set_vectors("cnt_unknown", 0, np.zeros((1, DIMENSIONS), np.float32))


def test_gaps_of_removed_contents_close_and_nothing_changes_for_the_rest() -> None:
    files = [file(f"f{i}", f"topic{i % 7} word{i}", f"second part {i}") for i in range(3000)]
    index, names = index_of(files, embed=False)
    for content, name in names.items():
        if name in {"f2900", "f2901"}:
            index.set_vectors(content, 0, np.stack([vector_of("topic"), vector_of("second")]))
    before = named(index.search("topic3 word2998", None, readers=EVERYONE, k=5), names)
    for content, name in list(names.items()):
        if int(name[1:]) < 2500:
            index.remove(content)
    alone, other_names = index_of(files[2500:], "b", embed=False)
    after = named(index.search("topic3 word2998", None, readers=EVERYONE, k=5), names)
    assert index.sizes().chunks == 1000
    assert len(index._rows.live) < 4096
    assert after == named(alone.search("topic3 word2998", None, readers=EVERYONE, k=5), other_names)
    assert after[0][0] == before[0][0] == "f2998"
    assert index.search("", vector_of("topic"), readers=EVERYONE, k=1, mode="dense")[0].dense == pytest.approx(
        1, abs=1e-4
    )


def test_searches_run_while_contents_are_added_and_rights_change() -> None:
    index, names = index_of([file(f"f{i}", f"steady words {i}") for i in range(50)])
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(60):
            hits = index.search("steady words", vector_of("steady words"), readers=EVERYONE, k=60, collapse=False)
            steady = [h for h in hits if names.get(h.content, "").startswith("f")]
            if len(steady) != 50 or any(names.get(h.content) == "hidden" for h in hits):
                wrong.append(str(len(steady)))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(150):
        names[put(index, file(f"n{i}", f"other thing {i}"), "")] = "new"
        if i % 10 == 0:
            hidden = file(f"h{i}", "steady words hidden", standings=(("hr", 0, None),))
            names[put(index, hidden, "")] = "hidden"
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_saved_index_comes_back_with_its_stamp_and_answers_the_same(tmp_path: Path) -> None:
    index, names = index_of([file(f"f{i}", f"topic{i % 5} word{i}", "tail") for i in range(200)])
    index.remove(next(iter(names)))
    index.save(tmp_path / "index", "at 7")
    other, _ = index_of([file("stale", "stale")])
    assert other.load(tmp_path / "index") == "at 7"
    assert other.sizes() == index.sizes()
    for question in ("topic3 word8", "word77", "stale"):
        for recall in ("default", "wide"):
            asked = {"readers": EVERYONE, "k": 10, "recall": recall}
            assert other.search(question, vector_of(question), **asked) == index.search(  # type: ignore[arg-type]
                question,
                vector_of(question),
                **asked,  # type: ignore[arg-type]
            )
    names[put(other, file("later", "added after loading"), "")] = "later"
    assert found(other, names, "loading") == ["later"]
    assert [p.name for p in tmp_path.iterdir()] == ["index"]


@pytest.mark.parametrize("at", [0, 20, 300, 5000, -40, -1])
def test_one_flipped_bit_of_the_file_is_found_and_the_index_stays_as_it_was(tmp_path: Path, at: int) -> None:
    index, names = index_of([file(f"f{i}", f"topic{i % 5} word{i}") for i in range(100)])
    index.save(tmp_path / "index")
    data = bytearray((tmp_path / "index").read_bytes())
    data[at] ^= 4
    (tmp_path / "index").write_bytes(bytes(data))
    with pytest.raises(StateError) as caught:
        index.load(tmp_path / "index")
    assert caught.value.code == "index_unusable"
    assert found(index, names, "word7") == ["f7"]


@pytest.mark.parametrize(
    "data", [b"", b"x", b"COLONNADE INDEX\n", b"\0" * 5000], ids=["empty", "byte", "head", "zeros"]
)
def test_what_is_no_index_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "index").write_bytes(data)
    for path in (tmp_path / "index", tmp_path / "absent"):
        with pytest.raises(StateError):
            index_of([])[0].load(path)


def test_a_file_of_another_secret_or_dimension_is_refused(tmp_path: Path) -> None:
    index_of([file("a", "x")], "one")[0].save(tmp_path / "index")
    with pytest.raises(StateError):
        index_of([], "two")[0].load(tmp_path / "index")
    with pytest.raises(StateError):
        Index(5, SignVectors(5), b"secretone").load(tmp_path / "index")


def test_no_word_stands_in_the_file(tmp_path: Path) -> None:
    index, _ = index_of([file("a", "Kardashev confidential Zanzibar", "Kardashev again")])
    index.save(tmp_path / "index")
    data = (tmp_path / "index").read_bytes().lower()
    for word in (b"kardashev", b"confidenti", b"zanzibar"):
        assert word not in data

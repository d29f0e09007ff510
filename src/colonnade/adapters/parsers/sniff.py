# SPDX-License-Identifier: Apache-2.0
"""In which encoding the bytes of a text file are written. No dependency, no guess reported as certain: what looks like
no text at all is refused.

The result always satisfies `text == raw.decode(encoding)`: for files with a byte-order mark the encoding named is the
one that keeps the mark ("utf-8", "utf-16-le"), because spans are counted in that text.
"""

from __future__ import annotations

import re

from colonnade.core.errors import Unreadable

_SAMPLE = 1 << 17
_HIGH = re.compile(rb"[\x80-\xff]+")
_CONTROLS = bytes(c for c in range(32) if c not in b"\t\n\r\f\x0b\x1b\x08")
_UTF8_MANY = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_PUNCTUATION = frozenset("–—‘’“”„‚•…€£¥§©®°«»¿¡×÷±µ·™†‡‰ª º¹²³¼½¾¢´¨¶‹›\xa0")


def decode(raw: bytes) -> tuple[str, str]:
    """The text and its encoding; raises `Unreadable` with code `encoding` when it is none that we know."""
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return _strict(raw, encoding), encoding
    wide = _utf16_without_mark(raw)
    if wide:
        return _strict(raw, wide), wide
    if _looks_binary(raw[:_SAMPLE]) or b"\x00" in raw:
        raise _refusal("It holds control bytes that no text has.")
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    encoding = _legacy(raw)
    return _strict(raw, encoding), encoding


def _refusal(why: str) -> Unreadable:
    return Unreadable(why, code="encoding", hint="Save it as UTF-8, or give it the suffix of what it is.")


def _strict(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _refusal(f"It is not valid {encoding} at byte {error.start}.") from error


def _looks_binary(sample: bytes) -> bool:
    bad = len(sample) - len(sample.translate(None, _CONTROLS))
    return bad > 0 and bad * 500 >= len(sample)


def _utf16_without_mark(raw: bytes) -> str | None:
    """UTF-16 betrays itself by zero bytes on one side of most pairs."""
    sample = raw[:_SAMPLE]
    if len(raw) % 2 or b"\x00" not in sample:
        return None
    pairs = max(len(sample) // 2, 1)
    high, low = sample[0::2].count(0), sample[1::2].count(0)
    if low > pairs * 0.2 and high < pairs * 0.02:
        return "utf-16-le"
    if high > pairs * 0.2 and low < pairs * 0.02:
        return "utf-16-be"
    return None


def _legacy(raw: bytes) -> str:
    """The most plausible of the encodings before Unicode, by how much of what it gives looks like its language."""
    sample = _around_high_bytes(raw)
    valid = sum(len(m.group()) for m in _UTF8_MANY.finditer(sample))
    high = sum(len(m.group()) for m in _HIGH.finditer(sample))
    if valid * 2 > high:
        raise _refusal("It is UTF-8 with damaged bytes in it.")
    scores = {encoding: score(sample, encoding) for encoding, score in _SCORES.items()}
    best = max(scores, key=lambda encoding: scores[encoding])
    if scores[best] < 0.6:
        raise _refusal("Its bytes are text in no encoding that we recognise.")
    if best != "cp1252":
        return best
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1" if not re.search(rb"[\x80-\x9f]", raw) else _refuse_c1()
    return "cp1252"


def _refuse_c1() -> str:
    raise _refusal("Its bytes are text in no encoding that we recognise.")


def _around_high_bytes(raw: bytes) -> bytes:
    """A sample that starts a little before the first byte that is not ASCII and ends at an ASCII line end."""
    first = _HIGH.search(raw)
    start = raw.rfind(b"\n", 0, first.start()) + 1 if first else 0
    start = max(start, (first.start() if first else 0) - 2000)
    sample = raw[start : start + _SAMPLE]
    if start + _SAMPLE < len(raw):
        cut = sample.rfind(b"\n")
        sample = sample[:cut] if cut > _SAMPLE // 2 else sample
    return sample


def _decoded(sample: bytes, encoding: str) -> str:
    """The sample decoded, forgiving only a character cut off at its end; "" when it is not valid."""
    for cut in range(4):
        try:
            return sample[: len(sample) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4:
                return ""
    return ""


def _share(text: str, weights: dict[tuple[int, int], float]) -> float:
    """Mean weight of the characters beyond ASCII, each weighed by the range in which it lies (0 outside of all)."""
    foreign = [ord(c) for c in text if c > "\x7f"]
    if len(foreign) < 3:
        return 0.0
    total = 0.0
    for code in foreign:
        for (low, high), weight in weights.items():
            if low <= code <= high:
                total += weight
                break
    return total / len(foreign)


_CJK_COMMON = {(0x3000, 0x303F): 0.9, (0xFF01, 0xFF5E): 0.8}
_JAPANESE = {(0x3040, 0x30FF): 1.3, (0x4E00, 0x9FFF): 0.75, (0xFF61, 0xFF9F): 0.2, **_CJK_COMMON}
_KOREAN = {(0xAC00, 0xD7A3): 1.15, (0x4E00, 0x9FFF): 0.3, **_CJK_COMMON}
_CHINESE = {(0x4E00, 0x9FFF): 0.62, **_CJK_COMMON}
_FREQUENT_CHINESE = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然没"
    "日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长這個來國們為時會過學對後發無開長說們"
)


def _japanese(sample: bytes, encoding: str) -> float:
    return _share(_decoded(sample, encoding), _JAPANESE)


def _korean(sample: bytes, encoding: str) -> float:
    return _share(_decoded(sample, encoding), _KOREAN)


def _chinese(sample: bytes, encoding: str) -> float:
    text = _decoded(sample, encoding)
    han = [c for c in text if "\u4e00" <= c <= "\u9fff"]
    frequent = sum(c in _FREQUENT_CHINESE for c in han) / len(han) if han else 0.0
    return _share(text, _CHINESE) + min(frequent, 0.35) * 1.5


def _cyrillic(sample: bytes, encoding: str) -> float:
    text = _decoded(sample, encoding)
    foreign = [c for c in text if c > "\x7f"]
    if len(foreign) < 4:
        return 0.0
    lower = sum("а" <= c <= "я" or c == "ё" for c in foreign)
    upper = sum("А" <= c <= "Я" or c == "Ё" for c in foreign)
    runs = sum(len(m.group()) for m in _HIGH.finditer(sample) if len(m.group()) > 2)
    return (lower + 0.4 * upper) / len(foreign) * (runs / max(len(foreign), 1))


def _western(sample: bytes, _encoding: str) -> float:
    """Accented letters stand alone among plain ones, and the rest is punctuation that people type."""
    text = sample.decode("cp1252", "replace")
    good = total = 0
    for at, c in enumerate(text):
        if c <= "\x7f":
            continue
        total += 1
        if c in _PUNCTUATION:
            good += 1
        elif c.isalpha():
            near = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
            good += any(n.isalpha() and n <= "\x7f" for n in near)
    return 0.85 * good / total if total else 0.0


_SCORES = {
    "cp932": _japanese,
    "euc_jp": _japanese,
    "euc_kr": _korean,
    "gb18030": _chinese,
    "big5": _chinese,
    "cp1251": _cyrillic,
    "koi8_r": _cyrillic,
    "cp1252": _western,
}

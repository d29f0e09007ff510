# SPDX-License-Identifier: Apache-2.0
"""Ed25519 in plain Python, after RFC 8032 section 6: for fakes and test vectors, so that no test depends on one
library's word.

Slow (milliseconds), and not constant in time: never for a real key.
"""

from __future__ import annotations

from hashlib import sha512

Point = tuple[int, int, int, int]
_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)


def public_key(seed: bytes) -> bytes:
    """The public key (32 bytes) of a seed (32 bytes)."""
    return _compress(_times(_expand(seed)[0], _BASE))


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature (64 bytes)."""
    scalar, prefix = _expand(seed)
    public = _compress(_times(scalar, _BASE))
    nonce = _number(prefix + message)
    point = _compress(_times(nonce, _BASE))
    answer = (nonce + _number(point + public + message) * scalar) % _Q
    return point + answer.to_bytes(32, "little")


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature holds."""
    key, point = _open(public), _open(signature[:32])
    answer = int.from_bytes(signature[32:], "little")
    if len(public) != 32 or len(signature) != 64 or key is None or point is None or answer >= _Q:
        return False
    left = _times(answer, _BASE)
    right = _add(point, _times(_number(signature[:32] + public + message), key))
    return _same(left, right)


def _expand(seed: bytes) -> tuple[int, bytes]:
    digest = sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar & (1 << 254) - 8 | 1 << 254, digest[32:]


def _number(data: bytes) -> int:
    return int.from_bytes(sha512(data).digest(), "little") % _Q


def _add(one: Point, two: Point) -> Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _add(total, point)
        point = _add(point, point)
        number >>= 1
    return total


def _same(one: Point, two: Point) -> bool:
    return not (one[0] * two[2] - two[0] * one[2]) % _P and not (one[1] * two[2] - two[1] * one[2]) % _P


def _compress(point: Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _recover(y: int, sign_bit: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign_bit):
        return None
    return x if x & 1 == sign_bit else _P - x


def _open(data: bytes) -> Point | None:
    whole = int.from_bytes(data, "little")
    y = whole & (1 << 255) - 1
    x = _recover(y, whole >> 255) if y < _P else None
    return None if x is None else (x, y, 1, x * y % _P)


def _base() -> Point:
    y = 4 * pow(5, _P - 2, _P) % _P
    x = _recover(y, 0)
    assert x is not None
    return x, y, 1, x * y % _P


_BASE = _base()

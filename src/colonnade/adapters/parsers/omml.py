# SPDX-License-Identifier: Apache-2.0
"""Office formulas (ECMA-376 part 1, 22.1) as LaTeX, the way people type them into a question. Only the common
constructs; anything else gives the text of its parts in order.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from colonnade.adapters.parsers.package import attribute, local

_SIGNS = {
    "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∬": r"\iint", "∮": r"\oint", "⋃": r"\bigcup", "⋂": r"\bigcap",
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ", "ε": r"\epsilon ", "θ": r"\theta ",
    "λ": r"\lambda ", "μ": r"\mu ", "π": r"\pi ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ", "φ": r"\phi ",
    "ω": r"\omega ", "Δ": r"\Delta ", "Σ": r"\Sigma ", "Ω": r"\Omega ", "∞": r"\infty ", "≤": r"\leq ", "≥": r"\geq ",
    "≠": r"\neq ", "±": r"\pm ", "×": r"\times ", "·": r"\cdot ", "→": r"\rightarrow ", "∈": r"\in ", "∂": r"\partial ",
}  # fmt: skip


def latex(element: Element) -> str:
    """The formula below `element` as LaTeX, without dollar signs."""
    return "".join(_one(child) for child in element).strip()


def _one(element: Element) -> str:
    name = local(element)
    if name == "t":
        return "".join(_SIGNS.get(c, c) for c in element.text or "")
    if name.endswith("Pr") or name in ("del", "moveFrom"):
        return ""
    build = _BUILD.get(name)
    return build(element) if build is not None else "".join(_one(child) for child in element)


def _part(element: Element, name: str) -> str:
    found = next((child for child in element if local(child) == name), None)
    return latex(found) if found is not None else ""


def _property(element: Element, name: str, default: str) -> str:
    for child in element:
        if local(child).endswith("Pr"):
            for inner in child:
                if local(inner) == name:
                    value = attribute(inner, "val")
                    return default if value is None else value
    return default


def _root(element: Element) -> str:
    degree = _part(element, "deg")
    return f"\\sqrt[{degree}]{{{_part(element, 'e')}}}" if degree else f"\\sqrt{{{_part(element, 'e')}}}"


def _nary(element: Element) -> str:
    sign = _SIGNS.get(_property(element, "chr", "∫"), _property(element, "chr", "∫"))
    low, high = _part(element, "sub"), _part(element, "sup")
    return f"{sign}{'_{' + low + '}' if low else ''}{'^{' + high + '}' if high else ''}{{{_part(element, 'e')}}}"


def _delimited(element: Element) -> str:
    inner = _property(element, "sepChr", "|").join(latex(child) for child in element if local(child) == "e")
    return f"{_property(element, 'begChr', '(')}{inner}{_property(element, 'endChr', ')')}"


def _matrix(element: Element) -> str:
    rows = [" & ".join(latex(c) for c in row if local(c) == "e") for row in element if local(row) == "mr"]
    return "\\begin{matrix}" + " \\\\ ".join(rows) + "\\end{matrix}"


def _lines(element: Element) -> str:
    return " \\\\ ".join(latex(child) for child in element if local(child) == "e")


_BUILD: dict[str, Callable[[Element], str]] = {
    "f": lambda e: f"\\frac{{{_part(e, 'num')}}}{{{_part(e, 'den')}}}",
    "sSup": lambda e: f"{_part(e, 'e')}^{{{_part(e, 'sup')}}}",
    "sSub": lambda e: f"{_part(e, 'e')}_{{{_part(e, 'sub')}}}",
    "sSubSup": lambda e: f"{_part(e, 'e')}_{{{_part(e, 'sub')}}}^{{{_part(e, 'sup')}}}",
    "rad": _root,
    "nary": _nary,
    "d": _delimited,
    "m": _matrix,
    "eqArr": _lines,
    "func": lambda e: f"{_part(e, 'fName')} {_part(e, 'e')}",
}

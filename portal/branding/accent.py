"""Accent colour: the operator's, any colour, made readable on light and dark paper by WCAG contrast.

As text its lightness is moved in OKLCH, where it means what the eye sees, until the contrast holds; the hue stays.
Buttons keep the very colour, under black or white text, unless it would be lost on the paper.
"""

import hashlib
import re
from functools import lru_cache
from importlib import import_module
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe

# Four megabytes of each worker, and nothing that the default colour needs.
coloraide: Any = SimpleLazyObject(lambda: import_module("coloraide"))

DEFAULT = "#3b50d6"
READABLE = 4.5
VISIBLE = 1.3  # enough for a button's edge: its text is what is read
# Per scheme: the least favourable paper (hover in tokens.css), and what cards are made of.
PAPER = {"light": "#f1f2f4", "dark": "#20252c"}
SURFACE = {"light": "#ffffff", "dark": "#15181d"}
INKS = ("#ffffff", "#000000")  # one of them is readable on any colour
A_YEAR = 60 * 60 * 24 * 365

HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours, from 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """WCAG 2 relative luminance of a colour as #rrggbb."""
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def accents(colour: str) -> dict[str, str]:
    """The accent for each scheme, as near to the colour as readable text and buttons allow."""
    wanted = normal(colour)
    return {scheme: _readable(wanted, scheme) for scheme in PAPER}


def fill(colour: str, scheme: str) -> str:
    """Fill of buttons: the colour itself wherever it can be told from the paper."""
    wanted = normal(colour)
    return wanted if contrast(wanted, SURFACE[scheme]) >= VISIBLE else _readable(wanted, scheme)


def fills(colour: str) -> dict[str, str]:
    return {scheme: fill(colour, scheme) for scheme in PAPER}


def ink_on(fill: str) -> str:
    """The better readable of white and black."""
    return max(INKS, key=lambda ink: contrast(ink, fill))


def normal(colour: str) -> str:
    """The colour as #rrggbb, without its opacity; the default if it is no hex colour."""
    colour = colour.strip().lower()
    if not HEX.fullmatch(colour):
        return DEFAULT
    digits = colour[1:]
    if len(digits) < 6:
        digits = "".join(digit * 2 for digit in digits)
    return f"#{digits[:6]}"


@lru_cache(maxsize=8)
def stylesheet(colour: str) -> str:
    """CSS custom properties that differ from tokens.css."""
    accent, filled = accents(colour), fills(colour)
    on_fill = {scheme: ink_on(filled[scheme]) for scheme in filled}
    # A pointer over a button moves its colour away from the text's, so that this stays readable.
    away = {scheme: INKS[1 - INKS.index(on_fill[scheme])] for scheme in filled}
    rules = {
        "accent": accent,
        "accent-soft": {scheme: _soft(accent[scheme], scheme) for scheme in accent},
        "accent-fill": filled,
        "accent-fill-strong": {scheme: _mix(filled[scheme], away[scheme], 0.2) for scheme in filled},
        "on-accent-fill": on_fill,
    }
    lines = [f"--{name}: light-dark({pair['light']}, {pair['dark']});" for name, pair in rules.items()]
    return "@layer tokens { :root { " + " ".join(lines) + " } }\n"


def theme_url() -> str:
    """URL of the stylesheet, with its version; "" while the operator has chosen no colour."""
    if not settings.PORTAL_ACCENT:
        return ""
    return f"{reverse('theme')}?v={version_of(stylesheet(settings.PORTAL_ACCENT))}"


@require_safe
def theme_css(request: HttpRequest) -> HttpResponse:
    return cacheable_response(request, stylesheet(settings.PORTAL_ACCENT), "text/css; charset=utf-8")


def cacheable_response(request: HttpRequest, text: str, content_type: str) -> HttpResponse:
    """Cacheable response made of settings, immutable as long as the URL names this very version."""
    version = version_of(text)
    response = HttpResponse(text, content_type=content_type)
    response["ETag"] = f'"{version}"'
    # An address with an older version may be asked for during a deployment: that answer must not stay.
    fresh = request.GET.get("v") == version
    response["Cache-Control"] = f"public, max-age={A_YEAR}, immutable" if fresh else "no-cache"
    return response


@lru_cache(maxsize=8)
def version_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _holds(colour: str, scheme: str) -> bool:
    return all(contrast(colour, paper) >= READABLE for paper in (PAPER[scheme], _soft(colour, scheme)))


@lru_cache(maxsize=64)
def _readable(colour: str, scheme: str) -> str:
    """The colour itself, or the nearest lightness of its hue that holds."""
    if _holds(colour, scheme):
        return colour
    wanted = coloraide.Color(colour).convert("oklch")
    end = 0.0 if scheme == "light" else 1.0
    near, far = 0.0, 1.0
    for _ in range(12):
        middle = (near + far) / 2
        near, far = (near, middle) if _holds(_towards(wanted, end, middle), scheme) else (middle, far)
    return _towards(wanted, end, far)


def _towards(colour: Any, lightness: float, share: float) -> str:
    """The colour with its lightness moved by that share, and as much of its chroma as a screen can show."""
    moved = colour.clone().set("lightness", lambda now: now + (lightness - now) * share)
    return _hex(moved.convert("srgb").fit(method="raytrace", pspace="oklch"))


def _soft(colour: str, scheme: str) -> str:
    return _mix(SURFACE[scheme], colour, 0.08 if scheme == "light" else 0.16)


def _mix(colour: str, other: str, share: float) -> str:
    return _hex(coloraide.Color(colour).mix(other, share, space="srgb"))


def _hex(colour: Any) -> str:
    return str(colour.to_string(hex=True, fit=False))

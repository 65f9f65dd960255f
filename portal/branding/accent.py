"""Accent colour: the operator's, any colour, made readable on light and dark paper by WCAG contrast.

As text its lightness is moved in OKLCH, where it means what the eye sees, until the contrast holds; the hue stays.
Buttons keep the very colour, under black or white text, unless it would be lost on the paper.
"""

import hashlib
import math
import re
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

DEFAULT = "#3b50d6"
READABLE = 4.5
VISIBLE = 1.3  # enough for a button's edge: its text is what is read
# Per scheme: the least favourable paper (hover in tokens.css), and what cards are made of.
PAPER = {"light": "#f1f2f4", "dark": "#20252c"}
SURFACE = {"light": "#ffffff", "dark": "#15181d"}
INKS = ("#ffffff", "#000000")  # one of them is readable on any colour
A_YEAR = 60 * 60 * 24 * 365

RGB = tuple[float, float, float]
HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours, from 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def accents(colour: str) -> dict[str, str]:
    """The accent for each scheme, as near to the colour as readable text and buttons allow."""
    wanted = normal(colour)
    return {scheme: _readable(wanted, scheme) for scheme in PAPER}


def fills(colour: str) -> dict[str, str]:
    """Fill of buttons in each scheme: the colour itself wherever it can be told from the paper."""
    wanted = normal(colour)
    return {
        scheme: wanted if contrast(wanted, SURFACE[scheme]) >= VISIBLE else accent
        for scheme, accent in accents(colour).items()
    }


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
    accent, fill = accents(colour), fills(colour)
    on_fill = {scheme: ink_on(fill[scheme]) for scheme in fill}
    # A pointer over a button moves its colour away from the text's, so that this stays readable.
    away = {scheme: INKS[1 - INKS.index(on_fill[scheme])] for scheme in fill}
    rules = {
        "accent": accent,
        "accent-soft": {scheme: _soft(accent[scheme], scheme) for scheme in accent},
        "accent-fill": fill,
        "accent-fill-strong": {scheme: _mix(fill[scheme], away[scheme], 0.2) for scheme in fill},
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
    return kept(request, stylesheet(settings.PORTAL_ACCENT), "text/css; charset=utf-8")


def kept(request: HttpRequest, text: str, content_type: str) -> HttpResponse:
    """Cacheable response made of settings, immutable as long as the URL names this very version."""
    version = version_of(text)
    response = HttpResponse(text, content_type=content_type)
    response["ETag"] = f'"{version}"'
    # An address with an older version may be asked for during a deployment: that answer must not stay.
    fresh = request.GET.get("v") == version
    response["Cache-Control"] = f"public, max-age={A_YEAR}, immutable" if fresh else "no-cache"
    return response


def version_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _holds(colour: str, scheme: str) -> bool:
    return all(contrast(colour, paper) >= READABLE for paper in (PAPER[scheme], _soft(colour, scheme)))


def _readable(colour: str, scheme: str) -> str:
    """The colour itself, or the nearest lightness of its hue that holds."""
    if _holds(colour, scheme):
        return colour
    lightness, chroma, hue = _to_oklch(_channels(colour))
    end = 0.0 if scheme == "light" else 1.0
    near, far = 0.0, 1.0
    for _ in range(12):
        middle = (near + far) / 2
        tried = _from_oklch(lightness + (end - lightness) * middle, chroma, hue)
        near, far = (near, middle) if _holds(tried, scheme) else (middle, far)
    return _from_oklch(lightness + (end - lightness) * far, chroma, hue)


def _soft(colour: str, scheme: str) -> str:
    return _mix(SURFACE[scheme], colour, 0.08 if scheme == "light" else 0.16)


def _mix(colour: str, other: str, share: float) -> str:
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return _hex(tuple(one + (two - one) * share for one, two in pairs))  # type: ignore[arg-type]


def _channels(colour: str) -> RGB:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _hex(rgb: RGB) -> str:
    return "#" + "".join(f"{round(min(max(part, 0), 1) * 255):02x}" for part in rgb)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _curved(part: float) -> float:
    return part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055


def _luminance(colour: str) -> float:
    red, green, blue = map(_linear, _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _to_oklch(rgb: RGB) -> tuple[float, float, float]:
    """Lightness, chroma and hue; the matrices are Björn Ottosson's, https://bottosson.github.io/posts/oklab/"""
    red, green, blue = map(_linear, rgb)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.atan2(b, a)


def _from_oklch(lightness: float, chroma: float, hue: float) -> str:
    """The colour, with as much of its chroma as a screen can show."""
    for share in range(20, -1, -1):
        a, b = (chroma * share / 20 * part for part in (math.cos(hue), math.sin(hue)))
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        rgb = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        if all(-0.001 <= part <= 1.001 for part in rgb):
            break
    red, green, blue = (_curved(min(max(part, 0.0), 1.0)) for part in rgb)
    return _hex((red, green, blue))

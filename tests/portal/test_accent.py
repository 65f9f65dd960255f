"""Accent colour: whatever the operator chooses, people can read the portal."""

import colorsys
import re
from pathlib import Path

import pytest
from django.urls import reverse

from portal.branding import accent

STEPS = range(0, 360, 15)
SWEEP = [
    "#" + "".join(f"{round(part * 255):02x}" for part in colorsys.hls_to_rgb(hue / 360, lightness, saturation))
    for hue in STEPS
    for lightness in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
    for saturation in (0.0, 0.5, 1.0)
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_becomes_readable_as_text_and_under_text(scheme):
    for colour in SWEEP:
        foreground, fill = accent.accents(colour)[scheme], accent.fills(colour)[scheme]
        assert accent.contrast(foreground, accent.PAPER[scheme]) >= 4.5, colour
        assert accent.contrast(fill, accent.ink_on(fill)) >= 4.5, colour
        assert accent.contrast(fill, accent.SURFACE[scheme]) >= 1.3, colour


def test_all_that_the_stylesheet_pairs_is_readable():
    for colour in SWEEP:
        pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", accent.stylesheet(colour))
        for place in (0, 1):
            token = {name: values[place] for name, *values in pairs}
            assert accent.contrast(token["accent"], token["accent-soft"]) >= 4.5, colour
            assert accent.contrast(token["accent-fill"], token["on-accent-fill"]) >= 4.5, colour
            assert accent.contrast(token["accent-fill-strong"], token["on-accent-fill"]) >= 4.5, colour


def test_a_readable_colour_is_left_alone_and_a_hue_is_kept():
    assert accent.accents("#3b50d6")["light"] == "#3b50d6"
    assert accent.fills("#ffd400") == {"light": "#ffd400", "dark": "#ffd400"}
    assert accent.ink_on("#ffd400") == "#000000"
    assert accent.accents("#8fa2ff")["dark"] == "#8fa2ff"
    red, green, blue = (int(accent.accents("#ffeb3b")["light"][place : place + 2], 16) for place in (1, 3, 5))
    assert red > blue
    assert green > blue


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("#06c", "#0066cc"),
        (" #0066CC ", "#0066cc"),
        ("#06cf", "#0066cc"),
        ("#0066cc80", "#0066cc"),
        ("", accent.DEFAULT),
        ("red", accent.DEFAULT),
        ("#12345", accent.DEFAULT),
        ("#fff;} body{display:none", accent.DEFAULT),
    ],
)
def test_hex_colours_are_taken_and_all_else_is_the_default(given, used):
    assert accent.normal(given) == used


def test_the_least_favourable_paper_is_the_one_in_the_tokens():
    tokens = Path("static/keys/css/tokens.css").read_text()
    papers = re.findall(r"--(?:paper|surface|raised|sunken|hover): light-dark\((#\w{6}), (#\w{6})\)", tokens)
    assert len(papers) == 5
    for light, dark in papers:
        assert accent.contrast("#000000", accent.PAPER["light"]) <= accent.contrast("#000000", light)
        assert accent.contrast("#ffffff", accent.PAPER["dark"]) <= accent.contrast("#ffffff", dark)
    default = accent.stylesheet(accent.DEFAULT)
    for name in ("accent", "accent-soft", "accent-fill", "accent-fill-strong", "on-accent-fill"):
        rule = re.search(rf"--{name}: light-dark\(.*?\);", default)
        assert rule
        assert rule[0] in tokens


def test_the_stylesheet_is_kept_by_browsers_as_long_as_its_address_is_current(client, settings):
    settings.PORTAL_ACCENT = "#e11d48"
    current = client.get(accent.theme_url())
    assert current["Content-Type"].startswith("text/css")
    assert "--accent: light-dark(" in current.text
    assert "immutable" in current["Cache-Control"]
    assert current["ETag"]
    assert client.get(reverse("theme"))["Cache-Control"] == "no-cache"
    assert client.post(reverse("theme")).status_code == 405


def test_without_a_colour_of_the_operator_nothing_is_fetched(settings):
    settings.PORTAL_ACCENT = ""
    assert accent.theme_url() == ""

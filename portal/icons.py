"""The tags of heroicons, each icon drawn once: it is always the same, and drawing is a good part of a page."""

from functools import lru_cache

from django.template import Library
from heroicons.templatetags import heroicons

register = Library()
for _draw in (heroicons.heroicon_micro, heroicons.heroicon_mini, heroicons.heroicon_outline, heroicons.heroicon_solid):
    register.simple_tag(lru_cache(maxsize=256)(_draw))

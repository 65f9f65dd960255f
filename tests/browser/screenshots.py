"""A picture of every page and state, in light, in dark and as on a phone: `make screenshots`.

Not among the tests, as it judges nothing: look at the pictures. LANGUAGE=de takes them in German.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.admin_scenes import ADMIN
from tests.helpers.plan_scenes import ADMIN as PLANS_ADMIN
from tests.helpers.plan_scenes import SCENES as PLAN_SCENES
from tests.helpers.scenes import SCENES
from tests.helpers.stage import Scene

FOLDER = Path(__file__).resolve().parents[2] / "screenshots"
LANGUAGE = os.environ.get("LANGUAGE") or "en"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = (("light", "light", DESKTOP), ("phone", "light", PHONE), ("dark", "dark", DESKTOP))


@pytest.mark.parametrize("scene", [*SCENES, *PLAN_SCENES, ADMIN, PLANS_ADMIN], ids=str)
def test_take_pictures(states: Any, scene: Scene) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, page in states(scene, viewport=DESKTOP, locale=LANGUAGE):
        for look, scheme, size in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            # A dialog stands in the window, not in the page.
            whole = not page.locator("dialog:is([open], :popover-open)").count()
            page.evaluate("scrollTo(0, 0)")  # else the title that stays would stand in the middle of it
            page.screenshot(path=FOLDER / f"{name}.{look}.png", full_page=whole, animations="disabled")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESKTOP)

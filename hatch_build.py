"""Build hook of the wheel: stylesheets of ours, kept to our part of a host project's page.

In the portal the stylesheets speak of the whole page. In a host project theirs and ours must not meet: so all of ours
stands in one cascade layer and one scope, the element with the class `api-keys`, and inside it nothing that the host
says of plain elements counts; only what is inherited, and custom properties, get through.
"""

import re
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STYLES = Path("static/keys/css")
FRAME = """/* Made of tokens.css, base.css, components.css and keys.css; see docs/embedding.md for what to map. */
@layer api-keys {
  @layer tokens, base, components, plans, keys, site;

  @scope (.api-keys) {
%s
    @layer base {
      :scope {
        color: var(--ink);
        font-family: var(--font, inherit);
        font-size: var(--text-md);
        font-weight: var(--normal);
        line-height: 1.5;
        text-align: start;
        accent-color: var(--accent);

        --above: 0px; /* height of what the host keeps in sight above us */
      }

      :is([id], a, button, input, select, textarea, summary) {
        scroll-margin-block-start: var(--above);
      }
    }

    /* Nothing stays in sight: what the host keeps there would cover it. */
    @layer site {
      .page-stays :is(.page-title, .page-tools) {
        position: static;
        background: none;
        box-shadow: none;
      }

      :scope > footer {
        display: flex;
        flex-wrap: wrap;
        align-items: baseline;
        gap: var(--space-2) var(--space-5);
        margin-block-start: var(--space-6);
      }
    }
  }
}

/* What the host says of plain elements stands in no layer, and would win over every layer. */
.api-keys :not(#\\9#\\9#\\9),
.api-keys :not(#\\9#\\9#\\9)::before,
.api-keys :not(#\\9#\\9#\\9)::after {
  all: revert-layer;
}
"""
DERIVED = {
    "accent-soft": "color-mix(in oklab, var(--accent) 10%, var(--surface))",
    "accent-fill": "light-dark(var(--accent), color-mix(in oklab, var(--accent) 55%, black))",
    "accent-fill-strong": "color-mix(in oklab, var(--accent-fill) 80%, black)",
}
"""Colours that follow from the accent that a host says; in the portal portal/branding/accent.py computes them."""
PLANS_FRAME = """@layer api-keys {
  @layer tokens, base, components, plans, keys, site;

  @scope (.api-keys) {
%s
  }
}
"""


def embedded(styles: Path) -> str:
    """The stylesheets without what is about a whole page: layers, typeface, colour scheme."""
    parts = [(styles / f"{name}.css").read_text(encoding="utf-8") for name in ("tokens", "base", "components", "keys")]
    text = "\n".join(parts)
    text = re.sub(r"^@layer [\w, ]+;\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^@font-face \{.*?^\}\n", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^  :root \{\n    color-scheme: [^;]*;\n", "  :scope {\n", text, flags=re.MULTILINE)
    text = re.sub(r"^  :root\[data-theme.*?^  \}\n", "", text, flags=re.DOTALL | re.MULTILINE)
    # In a scope a selector begins at its root, unless it says where that stands.
    text = re.sub(r"^( *)(:root\S*|\[data-js\]) (?![&{])", r"\1\2 :scope ", text, flags=re.MULTILINE)
    text = re.sub(r"^    --font: [^;]*;\n", "", text, flags=re.MULTILINE)
    for name, value in DERIVED.items():
        text = re.sub(rf"^    --{name}: [^;]*;$", f"    --{name}: {value};", text, flags=re.MULTILINE)
    return FRAME % textwrap.indent(text, "    ")


def embedded_plans(styles: Path) -> str:
    """The stylesheet of plans, in a layer of its own above the components: in the portal it stands behind them."""
    text = (styles / "plans.css").read_text(encoding="utf-8")
    return PLANS_FRAME % textwrap.indent(text.replace("@layer components {", "@layer plans {"), "    ")


MADE = {embedded: "keys/static/keys/css/embedded.css", embedded_plans: "plans/static/keys/css/plans.css"}


class EmbeddedStyles(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self.folder = TemporaryDirectory()
        for make, place in MADE.items():
            made = Path(self.folder.name) / Path(place).name
            made.write_text(make(Path(self.root) / STYLES), encoding="utf-8")
            build_data["force_include"][str(made)] = place

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self.folder.cleanup()

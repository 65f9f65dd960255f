"""Hand over: a key in the form in which programs take secrets, quoted for each, whatever the key holds.

Each program allows other names: KEYS_VARIABLE is brought into the form that it takes.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from keys.conf import settings
from keys.redaction import Secret

LONGEST_NAME = 63  # the shortest of the limits: a label in the domain name system, which Kubernetes goes by


@dataclass(frozen=True, slots=True)
class Form:
    """Text around a key: `around` holds {variable}, {secret} and {key}; `quote` makes a key safe to stand there."""

    name: str
    title: str
    quote: Callable[[str], str]
    around: str

    def text(self, value: str) -> Secret:
        return Secret(self.around.format(variable=variable(), secret=secret_name(), key=self.quote(value)))

    def preview(self, masked: str, variable: str, secret: str) -> str:
        """The text with a mask, which is in no need of quotes, in the place of the key."""
        return self.around.format(variable=variable, secret=secret, key=masked)


def variable() -> str:
    """The name as shells, .env files and GitHub take it: [A-Z0-9_], no digit first, and none of GitHub's own."""
    name = re.sub(r"[^A-Z0-9]+", "_", settings.KEYS_VARIABLE.upper()).strip("_") or "API_KEY"
    if name[0].isdigit() or name.startswith("GITHUB_"):
        name = f"KEY_{name}"
    return name[:LONGEST_NAME].rstrip("_")


def secret_name() -> str:
    """The name as Kubernetes and Docker take it: [a-z0-9-], with a letter or digit at either end."""
    return variable().lower().replace("_", "-")


def _in_json(value: str) -> str:
    """Escaped, to stand between double quotes in JSON, and so in YAML."""
    return json.dumps(value)[1:-1]


FORMS = {
    form.name: form
    for form in (
        Form("env", ".env", shlex.quote, "{variable}={key}\n"),
        Form("github", "GitHub Actions", shlex.quote, "printf %s {key} | gh secret set {variable}\n"),
        Form(
            "kubernetes",
            "Kubernetes",
            _in_json,
            "apiVersion: v1\nkind: Secret\nmetadata:\n"
            '  name: "{secret}"\ntype: Opaque\nstringData:\n  "{variable}": "{key}"\n',
        ),
        Form("docker", "Docker", shlex.quote, "printf %s {key} | docker secret create {secret} -\n"),
    )
}

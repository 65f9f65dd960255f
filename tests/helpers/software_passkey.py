"""A passkey in software: what an authenticator answers, honestly or not, to the options that the portal sends."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from bs4 import BeautifulSoup
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode

HOST = "testserver"
ADD, REAUTHENTICATE = "/accounts/2fa/webauthn/add/", "/accounts/2fa/webauthn/reauthenticate/"
LOGIN, SECOND = "/accounts/2fa/webauthn/login/", "/accounts/2fa/authenticate/"
PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def options_of(client: Client, path: str) -> dict[str, Any]:
    """Options that the portal gives the authenticator on this page."""
    answer = client.get(path, headers={"X-Requested-With": "XMLHttpRequest"} if path == LOGIN else {})
    if path == LOGIN:
        return answer.json()["request_options"]["publicKey"]
    return json.loads(BeautifulSoup(answer.text, "html.parser").find(id="passkey-options").string)["publicKey"]


@dataclass
class Passkey:
    checks_the_holder: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = b"0123456789abcdef"
    holder: bytes = b""

    def _said(self, kind: str, options: dict[str, Any]) -> bytes:
        said = {"type": f"webauthn.{kind}", "challenge": options["challenge"], "origin": f"https://{HOST}"}
        return json.dumps(said).encode()

    def _data(self, flags: int, rest: bytes = b"") -> bytes:
        flags |= PRESENT | (VERIFIED if self.checks_the_holder else 0)
        return sha256(HOST.encode()).digest() + bytes([flags]) + bytes(4) + rest

    def _answer(self, response: dict[str, bytes]) -> dict[str, Any]:
        name = websafe_encode(self.id)
        told = {part: websafe_encode(value) for part, value in response.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": told, "clientExtensionResults": {}}

    def made(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to being added."""
        self.holder = websafe_decode(options["user"]["id"])
        public = cbor.encode(dict(ES256.from_cryptography_key(self.key.public_key())))
        data = self._data(ATTESTED, bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public)
        statement = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        answer = self._answer({"clientDataJSON": self._said("create", options), "attestationObject": statement})
        return answer | {"clientExtensionResults": {"credProps": {"rk": True}}}

    def used(self, options: dict[str, Any], holder: bytes = b"") -> dict[str, Any]:
        """The answer to being asked who is there."""
        said, data = self._said("get", options), self._data(0)
        signature = self.key.sign(data + sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        parts = {"clientDataJSON": said, "authenticatorData": data, "signature": signature}
        return self._answer(parts | {"userHandle": holder or self.holder})


def send(client: Client, path: str, answer: Any) -> Any:
    return client.post(path, {"credential": json.dumps(answer)})

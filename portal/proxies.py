"""Reverse proxies: read the client's address and the site's own host from what the operator's proxies pass on."""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

LOOPBACK = "127.0.0.1"
_BRACKETED = re.compile(r"\[([^\]]*)\](?::\d+)?")
_WITH_PORT = re.compile(r"([0-9.]+):\d+")


@lru_cache(maxsize=256)
def parse_address(text: str) -> str:
    """Parse one address of X-Forwarded-For in any form that proxies write; "" for what is none, such as "unknown".

    Azure adds a port (198.51.100.7:4711), others brackets ([2001:db8::7]:4711) and quotes, as RFC 7239 wants them; a
    dual-stack socket maps IPv4 into IPv6 (::ffff:198.51.100.7), and a local one may name its interface (fe80::7%eth0),
    which PostgreSQL refuses as an address.
    """
    text = text.strip().strip('"')
    if found := _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = found[1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def set_client_address(request: HttpRequest) -> None:
    """Make REMOTE_ADDR the client's address, which only the operator's own proxies are believed to know.

    Each proxy adds the address that it sees at the end of X-Forwarded-For; what stands before is hearsay. Who comes
    by a Unix socket has no address, and is on this machine.
    """
    proxies = settings.TRUSTED_PROXY_COUNT
    told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    forwarded = parse_address(told[-proxies]) if proxies and len(told) >= proxies else ""
    peer = parse_address(request.META.get("REMOTE_ADDR") or "")
    request.META["REMOTE_ADDR"] = forwarded or peer or LOOPBACK


def set_host(request: HttpRequest) -> None:
    """Give the Host header the port of PORTAL_URL where a proxy left it out, or added the usual one of its scheme.

    Browsers send the port in Origin, and providers compare it in the callback address: both must be the same here.
    """
    netloc, spellings = _own_host(settings.PORTAL_URL)
    if request.META.get("HTTP_HOST", "").lower() in spellings:
        request.META["HTTP_HOST"] = netloc


@lru_cache(maxsize=8)
def _own_host(url: str) -> tuple[str, set[str]]:
    netloc = urlsplit(url).netloc.lower()
    name = re.sub(r":\d+$", "", netloc)
    return netloc, {name, f"{name}:80", f"{name}:443"}

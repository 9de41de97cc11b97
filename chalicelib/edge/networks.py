"""Which addresses may be called, if a stranger names them. For `push.py`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects it to loopback
        "169.254.0.0/16",  # link-local: the metadata services of the clouds
        "168.63.129.16/32",  # Azure's host
        "100.100.100.200/32",  # Alibaba's metadata
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata among them
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
        "fe80::/10",  # link-local
        "fec0::/10",
        "fd00:ec2::/32",  # AWS's metadata
        "fd20:ce::/32",  # Google's metadata
        "ff00::/8",  # multicast
        # IPv4 in IPv6's clothes: mapped, translated, NAT64, Teredo, 6to4. Who means an IPv4 address writes one.
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    )
)
PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind a provider's address translation
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",  # laboratories
    )
)


def _public() -> Iterator[Network]:
    left = [ipaddress.IPv4Network("0.0.0.0/0")]
    for private in PRIVATE:
        for network in [each for each in left if private.subnet_of(each)]:
            left.remove(network)
            left += network.address_exclude(private)
    yield from sorted(left)
    yield ipaddress.IPv6Network("2000::/3")


PUBLIC: tuple[Network, ...] = tuple(_public())
"""The internet, without what stands in an operator's own networks. `NEVER` still counts."""
_COMPATIBLE = ipaddress.IPv6Network("::/96")
"""The same in an older fashion; only `::1` in it means anything else."""


def problem_with(address: Address, allowed: Sequence[Network], setting: str) -> str | None:
    """Why this address is not called; None if it may be. `setting`: the variable that allows networks."""
    if any(address in network for network in NEVER) or _is_disguised(address):
        return f"{address} is an address that is never called"
    if not any(address in network for network in allowed):
        return f"{address} is outside the networks that the operator allowed ({setting})"
    return None


def _is_disguised(address: Address) -> bool:
    return address in _COMPATIBLE and not address.is_loopback


def address_of(text: str) -> Address | None:
    """None also for an address with a zone, which names a link."""
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None

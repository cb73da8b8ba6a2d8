"""No test reaches for a network: what tries to fails, and its test with it."""

import ipaddress
import socket

# Who was asked for; a library may pass over the error, its test may not.
REACHED: list[str] = []


def is_local(family: int, address) -> bool:
    """Whether an address is on this machine."""
    if family == getattr(socket, "AF_UNIX", None):
        return True
    host = address[0].partition("%")[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def block() -> None:
    """Replaces what opens connections, once a process."""
    if getattr(socket.socket, "blocked", False):
        return

    def guarded(method):
        def connect(self, address):
            # One of datagrams sends nothing by it.
            sends = self.type != socket.SOCK_DGRAM
            if sends and not is_local(self.family, address):
                REACHED.append(str(address))
                raise OSError(f"Tests are offline. Received: {address}")
            return method(self, address)

        return connect

    for name in ("connect", "connect_ex"):
        method = getattr(socket.socket, name)
        setattr(socket.socket, name, guarded(method))
    socket.socket.blocked = True

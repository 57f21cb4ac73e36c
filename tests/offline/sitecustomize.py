"""Connections to this machine only, in every Python that the tests start.

Python imports a module of this name by itself. It is found through the
PYTHONPATH that the conftest.py of the repository sets.
"""

import ipaddress
import socket

_LOCAL = {'localhost', '', socket.gethostname()}


def _check(host):
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in _LOCAL:
        return
    try:
        local = ipaddress.ip_address(name).is_loopback
    except ValueError:
        local = False
    if not local:
        raise OSError(f'the tests are offline: no connection to {name}')


def _guarded(connect):
    def guard(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check(address[0])
        return connect(self, address)

    return guard


def _resolve(host, *args, _resolve=socket.getaddrinfo, **kwargs):
    _check(host)
    return _resolve(host, *args, **kwargs)


socket.socket.connect = _guarded(socket.socket.connect)
socket.socket.connect_ex = _guarded(socket.socket.connect_ex)
socket.getaddrinfo = _resolve

"""Whether an API may start: who could use it, on its address and with its settings."""

import ipaddress
import logging
from collections.abc import Callable

from seewhy.errors import SettingsError, StoreUnavailable
from seewhy.settings import Settings

_log = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Whether a host is only this machine, by an address or a name that no one can rebind."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_protection(
    settings: Settings, *, has_keys: Callable[[], bool], options: str = ""
) -> None:
    """Refuse settings under which anybody on the network could use the API.

    `options` are those that `seewhy keys create` needs for this store. Raises `SettingsError` when
    the API listens on an address that is not loopback without keys and without a gateway, unless
    `SEEWHY_AUTH` says what is wanted. When the object store cannot be asked, the API may start: it
    then requires keys.
    """
    if settings.auth == "none":
        _log.warning("SEEWHY_AUTH=none: everybody who reaches the API can use it")
        return
    if settings.auth == "gateway" or settings.tenant_header:
        return
    if settings.auth == "auto" and is_loopback(settings.api_host):
        return
    try:
        if has_keys():
            return
    except StoreUnavailable as error:
        _log.warning("The API requires keys. Whether there are any is not known yet: %s", error)
        return
    command = f"seewhy keys create --tenant NAME{options}"
    if settings.auth == "keys":
        _log.warning("There is no key yet. Create one: %s", command)
        return
    raise SettingsError(
        f"{settings.api_host} is not a loopback address, and there is no API key. Do one of these: "
        f"create a key with `{command}`; put a gateway in front "
        "(SEEWHY_TENANT_HEADER and SEEWHY_TRUSTED_PROXIES); set SEEWHY_AUTH=keys to start and "
        "create a key later; set SEEWHY_AUTH=none to let everybody in."
    )

"""The certificates that Dask's own configuration names for its clients: without them `tls://` reaches nobody."""

from __future__ import annotations

import ssl
from typing import Any

import dask.config
from distributed import Security

_TLS = "distributed.comm.tls"
HOW = (
    f"name them in Dask's configuration as {_TLS}.ca-file, {_TLS}.client.cert and {_TLS}.client.key, or in the "
    "environment as DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__CLIENT__CERT and ..__CLIENT__KEY"
)


def lacking_certificates(address: str) -> str | None:
    """Why no connection to this address can be made, found out before one is tried; reads the files."""
    if not address.startswith(("tls://", "wss://")):
        return None
    security: Any = Security
    try:
        found = security().get_connection_args("client")["ssl_context"]
    except (OSError, ssl.SSLError, ValueError) as error:
        # The messages of OpenSSL name no file.
        values = (dask.config.get(f"{_TLS}.{name}", None) for name in ("ca-file", "client.cert", "client.key"))
        files = ", ".join(value for value in values if isinstance(value, str) and "\n" not in value)
        return f"the certificates for {address} cannot be read: {error} ({files})"
    return None if found is not None else f"{address} needs certificates: {HOW}"

"""`python -m services.common.healthcheck`: ask servers on this machine how they are; 0 if all serve.

For container engines and monitoring, which start it often: so it asks over the standard health service and
loads next to nothing. What to ask is given as arguments, or in LIANDONG_HEALTHCHECK separated by spaces:

    grpcs://localhost:7445?folder=/data                 a node, shown its own certificate
    grpcs://localhost:7443?folder=/data&pair=server-a   a registry: /data/server-a.crt and .key
    http://127.0.0.1:8080/healthz                       a gateway
"""

import os
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

VARIABLE: Final = "LIANDONG_HEALTHCHECK"
TIMEOUT_S: Final = 5.0


def check(target: str) -> str:
    """What is wrong with a server; empty if it serves."""
    parts = urlsplit(target)
    try:
        if parts.scheme == "grpcs":
            return _grpc(parts)
        if parts.scheme == "http" and parts.hostname:
            return _http(parts)
    except (OSError, HTTPException, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "neither grpcs://host:port?folder=... nor http://host:port/path"


def _grpc(parts: SplitResult) -> str:
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    folder, pair = Path(query.get("folder", ".")), query.get("pair", "tls")
    credentials = grpc.ssl_channel_credentials(
        (folder / query.get("ca", "ca.crt")).read_bytes(),
        (folder / f"{pair}.key").read_bytes(),
        (folder / f"{pair}.crt").read_bytes(),
    )
    name = query.get("server_name", "")
    options = (("grpc.ssl_target_name_override", name),) if name else ()
    with grpc.secure_channel(parts.netloc, credentials, options=options) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return _words(error)
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _words(error: grpc.RpcError) -> str:
    assert isinstance(error, grpc.Call)
    return f"{error.code().name}: {error.details()}"


def _http(parts: SplitResult) -> str:
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return "" if answer.status == 200 else f"HTTP {answer.status}"  # noqa: PLR2004 - a status everybody knows


def main(arguments: list[str] | None = None) -> int:
    """Ask all; returns 0 if all serve, 1 if one does not, 2 if nothing is to be asked."""
    given = sys.argv[1:] if arguments is None else arguments
    targets = given or os.environ.get(VARIABLE, "").split()
    if not targets:
        sys.stderr.write(f"Nothing to ask: name servers as arguments or in {VARIABLE}.\n")
        return 2
    status = 0
    for target in targets:
        wrong = check(target)
        if wrong:
            status = 1
            sys.stderr.write(f"{target}: {wrong}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())

"""An OpenID provider as a process of its own: it keeps the rules, unless a test tells it to break one.

`python -m tests.builders.openid_provider CERT KEY` listens on a free port of loopback over TLS and prints it. It
issues codes with PKCE, once each, to a registered client, and ID tokens under RS256. People are told it by
`PUT /test/people/{sub}`; `PUT /test/fault` says what is wrong with the next ID token.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "liandong-gateway"
CLIENT_SECRET = "only-the-gateway-and-the-provider-know"


@dataclass
class Provider:
    """What it knows.

    Attributes:
        issuer: Its own URL.
        redirects: Where it sends browsers back to.
        people: Their claims by `sub`.
        codes: Issued and not yet used: the request, and who.
        fault: Claims that the next ID token has instead, and under which key it is signed.
    """

    issuer: str = ""
    redirects: list[str] = field(default_factory=list)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)
    fault: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}))

    async def describe(self, _request: Request) -> Response:
        return JSONResponse({
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        })  # fmt: skip

    async def jwks(self, _request: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def authorize(self, request: Request) -> Response:
        """A page that asks who one is; then back with a code."""
        asked = dict(request.query_params)
        wrong = (
            "client"
            if asked.get("client_id") != CLIENT_ID
            else "redirect"
            if asked.get("redirect_uri") not in self.redirects
            else "request"
            if asked.get("response_type") != "code"
            or "openid" not in asked.get("scope", "").split()
            or asked.get("code_challenge_method") != "S256"
            or len(asked.get("code_challenge", "")) != 43
            or not asked.get("state")
            or not asked.get("nonce")
            else ""
        )
        if wrong:
            return HTMLResponse(f"wrong {wrong}", 400)
        if request.method == "GET":
            return HTMLResponse(
                f'<form method="post" action="/authorize?{html.escape(str(request.query_params))}">'
                '<input name="sub"></form>'
            )
        form = dict(parse_qsl((await request.body()).decode()))
        back = {"state": asked["state"], "iss": self.issuer}
        if form.get("sub") not in self.people:
            back["error"] = "access_denied"
        else:
            back["code"] = secrets.token_urlsafe()
            self.codes[back["code"]] = (asked, form["sub"])
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back)}", 303)

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if kind != "Basic" or shown != expected:
            return JSONResponse({"error": "invalid_client"}, 401)
        asked, sub = self.codes.pop(form.get("code", ""), ({}, ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            form.get("grant_type") != "authorization_code"
            or not sub
            or asked["redirect_uri"] != form.get("redirect_uri")
            or asked["code_challenge"] != challenge
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        fault, self.fault = self.fault, {}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": sub, "aud": CLIENT_ID, "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], **self.people[sub], **fault.get("claims", {}),
        }  # fmt: skip
        for name in fault.get("without", []):
            del claims[name]
        return JSONResponse({
            "access_token": secrets.token_urlsafe(), "token_type": "Bearer", "expires_in": 300,
            "id_token": self._signed(claims, fault.get("key", "")),
        })  # fmt: skip

    def _signed(self, claims: dict[str, Any], fault: str) -> str:
        if fault == "new":
            # keys change now and then; the old one is gone
            self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})
        if fault == "secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET * 2))
        if fault == "none":
            parts = [base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in _unsigned(claims)]
            return f"{'.'.join(parts)}."
        kid = str(self.key.kid)
        key = RSAKey.generate_key(2048, {"kid": kid}) if fault == "other" else self.key
        return jwt.encode({"alg": "RS256", "kid": kid}, claims, key)

    async def log_out(self, request: Request) -> Response:
        target = request.query_params.get("post_logout_redirect_uri", "")
        if request.query_params.get("client_id") != CLIENT_ID:
            return HTMLResponse("wrong client", 400)
        return RedirectResponse(target, 303)

    async def set_person(self, request: Request) -> Response:
        self.people[request.path_params["sub"]] = await request.json()
        return Response(status_code=204)

    async def set_fault(self, request: Request) -> Response:
        self.fault = await request.json()
        return Response(status_code=204)

    async def set_redirects(self, request: Request) -> Response:
        self.redirects = await request.json()
        return Response(status_code=204)


def _unsigned(claims: dict[str, Any]) -> tuple[bytes, bytes]:
    import json  # noqa: PLC0415 - one fault's

    return b'{"alg":"none"}', json.dumps(claims).encode()


def main() -> None:
    """Serve until the process is ended."""
    cert, key = sys.argv[1:3]
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    provider = Provider(issuer=f"https://localhost:{port}")
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", provider.describe),
            Route("/jwks", provider.jwks),
            Route("/authorize", provider.authorize, methods=["GET", "POST"]),
            Route("/token", provider.token, methods=["POST"]),
            Route("/logout", provider.log_out),
            Route("/test/people/{sub}", provider.set_person, methods=["PUT"]),
            Route("/test/fault", provider.set_fault, methods=["PUT"]),
            Route("/test/redirects", provider.set_redirects, methods=["PUT"]),
        ]
    )
    config = uvicorn.Config(app, ssl_certfile=cert, ssl_keyfile=key, log_level="warning", lifespan="off")
    print(port, flush=True)  # noqa: T201 - to who started it
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()

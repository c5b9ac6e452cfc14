"""Logging in by an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0; RFC 7636).

What the browser brings back is believed only where it belongs together: its cookie names a log-in that was begun
here, is taken once, and holds the state, the nonce and the verifier that provider and token have to match. Authlib
speaks to the provider; the ID token's signature is checked by joserfc, against the provider's keys alone.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from services.common.clock import Clock
from services.common.errors import Unauthenticated, Unavailable
from services.gateway.accounts import identity_store
from services.gateway.accounts.identity_store import Flow
from services.gateway.accounts.stored import SECRET_BYTES, Stored, digest_of
from services.gateway.settings import OidcSettings

if TYPE_CHECKING:
    from services.common.db import Database
    from services.gateway.audit import Audit

BACK: Final = "/login/openid/back"
"""Where the provider sends the browser back to."""
FLOW_TIME: Final = timedelta(minutes=10)
"""How long a log-in may take at the provider."""
_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
"""Asymmetric ones: a client's secret signs nothing here, and `none` is no signature."""
_METADATA_KEPT: Final = timedelta(hours=1)
_KEYS_ASKED_EVERY: Final = timedelta(seconds=30)
_LEEWAY_S: Final = 60
_LARGEST: Final = 1024 * 1024

_log = structlog.get_logger(__name__)


class FlowOver(Unauthenticated):
    """This log-in was begun too long ago, in another browser, or was used; begin again."""

    reason = "LOGIN_OVER"


class ProviderRefused(Unauthenticated):
    """The provider did not let you in."""

    reason = "IDENTITY_REFUSED"


class TokenRefused(Unauthenticated):
    """What the provider says cannot be believed."""

    reason = "IDENTITY_REFUSED"


class OpenId(Stored):
    """Log-ins by one provider.

    Args:
        settings: Which one.
        public_url: Where browsers reach this gateway.
        database: The gateway's own.
        clock: The time.
        audit: Where it is noted.

    Raises:
        OSError: A file of the settings cannot be read.
    """

    def __init__(
        self, settings: OidcSettings, public_url: str, database: Database, clock: Clock, audit: Audit
    ) -> None:
        super().__init__(database, clock, audit)
        self.settings = settings
        self._public_url = public_url
        self._secret = (
            settings.client_secret_file.read_text(encoding="utf-8").strip()
            if settings.client_secret_file is not None
            else None
        )
        self._tls = ssl.create_default_context(cafile=settings.ca_file)
        self._metadata: tuple[datetime, Mapping[str, Any]] | None = None
        self._keys: tuple[datetime, KeySet] | None = None
        self._asking = asyncio.Lock()

    async def begin(self, place: str) -> tuple[str, str]:
        """Begin a log-in; returns where the browser goes, and what its cookie holds.

        Args:
            place: Where it goes afterwards, a path of this gateway.

        Raises:
            Unavailable: The provider does not answer.
        """
        metadata = await self._described()
        now = self._clock.now()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        flow = Flow(
            state=secrets.token_urlsafe(SECRET_BYTES), nonce=secrets.token_urlsafe(SECRET_BYTES),
            verifier=secrets.token_urlsafe(SECRET_BYTES), place=place, began_at=now,
        )  # fmt: skip
        client = self._client()
        url, _ = client.create_authorization_url(
            metadata["authorization_endpoint"],
            state=flow.state,
            nonce=flow.nonce,
            code_verifier=flow.verifier,
        )
        await client.aclose()
        forgotten = now - FLOW_TIME
        await self._write(
            lambda connection: identity_store.begin_flow(connection, digest_of(secret), flow, forgotten)
        )
        return str(url), secret

    async def finish(self, secret: str, answer: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
        """Judge what the browser brought back; returns checked claims, and where it goes.

        Args:
            secret: What its cookie holds.
            answer: The query it came back with.

        Raises:
            FlowOver: No such log-in is under way in this browser.
            ProviderRefused: The provider says no.
            TokenRefused: What the provider says cannot be believed.
            Unavailable: The provider does not answer.
        """
        flow = await self._write(lambda connection: identity_store.take_flow(connection, digest_of(secret)))
        if (
            flow is None
            or self._clock.now() - flow.began_at > FLOW_TIME
            or not hmac.compare_digest(flow.state.encode(), answer.get("state", "").encode())
        ):
            raise FlowOver
        metadata = await self._described()
        # another provider's answer, mixed in (RFC 9207)
        told = answer.get("iss", "")
        needed = metadata.get("authorization_response_iss_parameter_supported") is True
        if told != self.settings.issuer and (told or needed):
            raise TokenRefused("The answer is another provider's.")
        if answer.get("error") or not answer.get("code"):
            _log.warning("openid.refused", error=answer.get("error", "")[:100])
            raise ProviderRefused
        token = await self._exchange(metadata["token_endpoint"], answer["code"], flow.verifier)
        return await self._checked(token, flow.nonce), flow.place

    async def log_out_url(self) -> str:
        """Where the provider ends its own session; empty if it does not say, or does not answer."""
        try:
            endpoint = (await self._described()).get("end_session_endpoint", "")
        except Unavailable:
            return ""
        if not endpoint:
            return ""
        query = urlencode({
            "client_id": self.settings.client_id, "post_logout_redirect_uri": f"{self._public_url}/login",
        })  # fmt: skip
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    async def _described(self) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0)."""
        async with self._asking:
            now = self._clock.now()
            if self._metadata is not None and now - self._metadata[0] < _METADATA_KEPT:
                return self._metadata[1]
            issuer = self.settings.issuer
            found = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise Unavailable("The provider calls itself otherwise than the settings do.")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"):
                url = found.get(name, "")
                optional = name == "end_session_endpoint" and not url
                if not optional and not self._is_safe(url):
                    raise Unavailable(f"The provider's {name} is no address that can be trusted.")
            self._metadata = (now, found)
            return found

    def _is_safe(self, url: object) -> bool:
        schemes = {"https", "http"} if self.settings.plain_http else {"https"}
        return isinstance(url, str) and urlsplit(url).scheme in schemes and bool(urlsplit(url).hostname)

    async def _exchange(self, endpoint: str, code: str, verifier: str) -> Mapping[str, Any]:
        import httpx2  # noqa: PLC0415 - only where somebody logs in by it
        from authlib.integrations.base_client import OAuthError  # noqa: PLC0415 - likewise

        try:
            async with self._client() as client:
                found = await client.fetch_token(endpoint, code=code, code_verifier=verifier)
        except OAuthError as error:
            _log.warning("openid.refused", error=str(error.error)[:100])
            raise ProviderRefused from None
        except (httpx2.HTTPError, ValueError) as error:
            _log.warning("openid.unreachable", endpoint=endpoint, error=repr(error)[:200])
            raise Unavailable("The provider does not answer.") from None
        if not isinstance(found, Mapping) or not isinstance(found.get("id_token"), str):
            raise TokenRefused
        return found

    async def _checked(self, token: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 - only where somebody logs in by it

        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        issuer, client_id = self.settings.issuer, self.settings.client_id
        options = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
        }
        parameters = {"nonce": nonce, "client_id": client_id, "access_token": token.get("access_token")}
        try:
            try:
                found = jwt.decode(token["id_token"], await self._keys_of(), registry=registry)
            except (JoseError, ValueError):
                # its keys may be new
                found = jwt.decode(token["id_token"], await self._keys_of(anew=True), registry=registry)
            claims = CodeIDToken(found.claims, found.header, options, parameters)
            claims.validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError) as error:
            _log.warning("openid.token", error=repr(error)[:200])
            raise TokenRefused from None
        return dict(claims)

    async def _keys_of(self, *, anew: bool = False) -> KeySet:
        metadata = await self._described()
        async with self._asking:
            now = self._clock.now()
            if self._keys is not None:
                age = now - self._keys[0]
                if age < _KEYS_ASKED_EVERY or (not anew and age < _METADATA_KEPT):
                    return self._keys[1]
            found = KeySet.import_key_set(await self._get(metadata["jwks_uri"]))  # type: ignore[arg-type]
            self._keys = (now, found)
            return found

    async def _get(self, url: str) -> Mapping[str, Any]:
        import httpx2  # noqa: PLC0415 - only where somebody logs in by it

        try:
            async with httpx2.AsyncClient(verify=self._tls, timeout=self.settings.deadline_s) as client:
                answer = await client.get(url)
                answer.raise_for_status()
                found = answer.json() if len(answer.content) <= _LARGEST else None
        except (httpx2.HTTPError, ValueError) as error:
            _log.warning("openid.unreachable", url=url, error=repr(error)[:200])
            raise Unavailable("The provider does not answer.") from None
        if not isinstance(found, Mapping):
            raise Unavailable("The provider does not answer as one does.")
        return found

    def _client(self) -> Any:
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415 - slow to load

        return AsyncOAuth2Client(
            client_id=self.settings.client_id,
            client_secret=self._secret,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
            scope=" ".join(self.settings.scopes),
            redirect_uri=f"{self._public_url}{BACK}",
            code_challenge_method="S256",
            verify=self._tls,
            timeout=self.settings.deadline_s,
        )

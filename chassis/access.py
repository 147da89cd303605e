"""Who is calling and what they may do: bearer tokens of one issuer, roles that grant permissions. Denies by default."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jwt
import structlog

from chassis.key_set import KeySet
from chassis.problem import Forbidden, Unauthenticated
from chassis.settings import ALGORITHMS, ServiceSettings

log = structlog.get_logger(__name__)

LEEWAY_SECONDS = 30
REMEMBERED_SECONDS = 60.0
"""How long a verified token is taken without looking at its signature again: as long may a withdrawn key live on."""
REMEMBERED_TOKENS = 10_000
LONGEST_TOKEN = 8 * 1024

_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "token_expired"),
    (jwt.ImmatureSignatureError, "token_not_yet_valid"),
    (jwt.InvalidIssuedAtError, "token_not_yet_valid"),
    (jwt.InvalidIssuerError, "issuer_not_accepted"),
    (jwt.InvalidAudienceError, "audience_not_accepted"),
    (jwt.MissingRequiredClaimError, "claim_missing"),
    (jwt.InvalidAlgorithmError, "algorithm_not_accepted"),
    (jwt.InvalidSignatureError, "signature_invalid"),
    (jwt.InvalidKeyError, "key_not_accepted"),
)


class Caller(NamedTuple):
    """The holder of a verified token."""

    subject: str
    roles: frozenset[str]
    until: float
    """Unix time until which the verification is remembered."""


class Access:
    """Verifies bearer tokens of one issuer for one audience."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: Iterable[str],
        keys: KeySet,
        fixed: Mapping[str, tuple[str, frozenset[str]]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._algorithms = frozenset(algorithms)
        if not self._algorithms or not self._algorithms <= ALGORITHMS:
            raise ValueError("only asymmetric signature algorithms can be allowed")
        self._issuer, self._audience, self._keys, self._clock = issuer, audience, keys, clock
        self._fixed = {
            hashlib.sha256(token.encode()).digest(): Caller(*who, math.inf) for token, who in (fixed or {}).items()
        }
        self._known: dict[bytes, Caller] = {}
        self._generation = keys.generation

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> Access:
        """The access rules that the settings name. Reads and connects nothing yet."""
        return cls(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            algorithms=settings.oidc_algorithms,
            keys=KeySet(settings.oidc_jwks),
            fixed=settings.fixed_callers,
        )

    def known(self, header: bytes) -> Caller | None:
        """The caller of an `Authorization` header that was verified a short while ago."""
        key = hashlib.sha256(header).digest()
        caller = self._known.get(key)
        if caller is None or self._generation != self._keys.generation:
            return None
        if caller.until > self._clock():
            return caller
        del self._known[key]
        return None

    async def caller(self, header: bytes) -> Caller:
        """The caller of an `Authorization` header.

        Raises Unauthenticated with the reason, or Unavailable while no key set could be loaded yet.
        """
        if not header:
            raise Unauthenticated
        caller = self.known(header)
        return caller if caller is not None else await self._verified(header)

    async def _verified(self, header: bytes) -> Caller:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthenticated
        token = token.strip()
        if not token or len(token) > LONGEST_TOKEN:
            raise Unauthenticated("token_malformed")
        fixed = self._fixed.get(hashlib.sha256(token).digest()) if self._fixed else None
        if fixed is not None:
            return fixed
        key = await self._key_of(token)
        try:
            claims = jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise Unauthenticated(_reason(error)) from None
        return self._remember(header, claims)

    async def _key_of(self, token: bytes) -> jwt.PyJWK:
        try:
            head = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthenticated("token_malformed") from None
        algorithm, key_id = head.get("alg"), head.get("kid")
        if algorithm not in self._algorithms:
            raise Unauthenticated("algorithm_not_accepted")
        if "crit" in head or not isinstance(key_id, str | None):
            raise Unauthenticated("token_malformed")
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise Unauthenticated("key_not_known")
        return key

    def _remember(self, header: bytes, claims: Mapping[str, Any]) -> Caller:
        subject, roles = claims["sub"], claims.get("roles", [])
        if not isinstance(subject, str) or not 0 < len(subject) <= 200 or not subject.isprintable():
            raise Unauthenticated("subject_malformed")
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise Unauthenticated("roles_malformed")
        until = min(float(claims["exp"]) + LEEWAY_SECONDS, self._clock() + REMEMBERED_SECONDS)
        caller = Caller(subject, frozenset(roles), until)
        if self._generation != self._keys.generation:
            self._known.clear()
            self._generation = self._keys.generation
        if len(self._known) >= REMEMBERED_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[hashlib.sha256(header).digest()] = caller
        return caller


def _reason(error: Exception) -> str:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "token_malformed")


def holders(roles: Mapping[str, frozenset[str]], permission: str) -> frozenset[str]:
    """The roles that grant a permission."""
    return frozenset(role for role, granted in roles.items() if permission in granted)


def require(caller: Caller, allowed: frozenset[str], permission: str) -> None:
    """Raises Forbidden when the caller has none of the roles that grant the permission."""
    if caller.roles.isdisjoint(allowed):
        raise Forbidden(permission)

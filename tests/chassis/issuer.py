"""An issuer of tokens for tests: keys made on the spot, a key set, tokens with any claim bent."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "https://issuer.example"
AUDIENCE = "attune"


class Issuer:
    """One signing key under one id."""

    def __init__(self, key_id: str = "one") -> None:
        self.key_id = key_id
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        key = json.loads(ECAlgorithm.to_jwk(self.private.public_key()))
        return {**key, "kid": self.key_id, "use": "sig", "alg": "ES256"}

    def token(self, *roles: str, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A valid token with these roles, with claims replaced, or left out where None is given."""
        content = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "018f2f6e-7c00-7000-8000-000000000001",
            "exp": int(time.time()) + 600,
            "roles": list(roles),
        }
        content = {name: value for name, value in (content | claims).items() if value is not None}
        return jwt.encode(content, self.private, algorithm="ES256", headers={"kid": self.key_id} | (head or {}))


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def written(path: Path, *keys: dict[str, Any]) -> str:
    """A key set as a file, for a setting."""
    path.write_bytes(key_set(*keys))
    return str(path)

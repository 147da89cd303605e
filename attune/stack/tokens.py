"""Development identities: a key of the stack's own, its public half as a key set, and one bearer token per role.

Only for stacks on one machine: whoever can read the stack's directory can be anybody."""

import datetime
import json
import uuid
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from attune.stack.layout import write_private

ISSUER = "https://development.attune.invalid"
AUDIENCE = "attune"
ALGORITHM = "ES256"
ROLES = (
    "health_visitor",
    "midwife",
    "specialist",
    "team_lead",
    "safeguarding_lead",
    "operator",
    "workforce_admin",
    "records",
    "subscriber",
)
_LIFETIME = datetime.timedelta(days=7)
_STAFF = uuid.UUID("5d9d9e5c-6d6b-4c8e-9a55-0a4f1b0f6f10")


def staff_id(role: str) -> uuid.UUID:
    """Who the token of a role speaks for: the same person on every machine."""
    return uuid.uuid5(_STAFF, role)


class Issuer:
    """The key pair under one directory; made on first use."""

    def __init__(self, directory: Path) -> None:
        self._private = directory / "private.pem"
        self.key_set = directory / "jwks.json"
        if not (self._private.exists() and self.key_set.exists()):
            self._make(directory)
        self._key = self._private.read_text()
        self._key_id = json.loads(self.key_set.read_text())["keys"][0]["kid"]

    def _make(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(self._private, pem.decode())
        public = json.loads(jwt.get_algorithm_by_name(ALGORITHM).to_jwk(key.public_key()))
        named = public | {"kid": uuid.uuid4().hex, "use": "sig", "alg": ALGORITHM}
        write_private(self.key_set, json.dumps({"keys": [named]}, indent=1))

    def token(self, *roles: str, subject: uuid.UUID | None = None, lifetime: datetime.timedelta = _LIFETIME) -> str:
        """A bearer token for these roles; it speaks for `subject`, by default the first role's own person."""
        now = datetime.datetime.now(datetime.UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(subject or staff_id(roles[0])),
            "roles": list(roles),
            "iat": now,
            "exp": now + lifetime,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id})

"""Tokens: what is taken, what is not and why, and keys that change while the service runs."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.access import REMEMBERED_TOKENS, Access, holders, require
from chassis.key_set import KeySet
from chassis.problem import Forbidden, Unauthenticated, Unavailable
from tests.chassis.issuer import AUDIENCE, ISSUER, Issuer, key_set, written


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def access(issuer: Issuer, tmp_path: Path) -> Access:
    return access_of(KeySet(written(tmp_path / "keys.json", issuer.public), look_s=0))


def access_of(keys: KeySet, clock: Any = time.time) -> Access:
    return Access(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), keys=keys, clock=clock)


async def reason(access: Access, token: str | bytes, scheme: str = "Bearer") -> str:
    text = token if isinstance(token, bytes) else token.encode()
    with pytest.raises(Unauthenticated) as caught:
        await access.caller(scheme.encode() + b" " + text)
    return caught.value.errors[0].rule


async def test_a_good_token_names_its_caller_and_roles(access: Access, issuer: Issuer) -> None:
    header = f"Bearer {issuer.token('health_visitor')}".encode()
    caller = await access.caller(header)
    assert caller.roles == {"health_visitor"}
    assert caller.subject == "018f2f6e-7c00-7000-8000-000000000001"
    assert access.known(header) is caller
    assert (await access.caller(header.replace(b"Bearer", b"bearer"))).subject == caller.subject


@pytest.mark.parametrize(
    ("claims", "rule"),
    [
        ({"exp": 1}, "token_expired"),
        ({"exp": None}, "claim_missing"),
        ({"exp": "soon"}, "token_malformed"),
        ({"nbf": time.time() + 1000}, "token_not_yet_valid"),
        ({"iss": "https://other.example"}, "issuer_not_accepted"),
        ({"iss": None}, "claim_missing"),
        ({"aud": "other"}, "audience_not_accepted"),
        ({"aud": None}, "claim_missing"),
        ({"sub": None}, "claim_missing"),
        ({"sub": ""}, "subject_malformed"),
        ({"sub": "a\x00b"}, "subject_malformed"),
        ({"sub": "x" * 201}, "subject_malformed"),
        ({"roles": "operator"}, "roles_malformed"),
    ],
)
async def test_a_bad_claim_is_refused_by_its_rule(
    access: Access, issuer: Issuer, claims: dict[str, Any], rule: str
) -> None:
    token = issuer.token("operator", **claims) if "roles" not in claims else roles_as(issuer, claims["roles"])
    assert await reason(access, token) == rule


def roles_as(issuer: Issuer, roles: Any) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": time.time() + 60, "roles": roles}
    return jwt.encode(claims, issuer.private, algorithm="ES256", headers={"kid": issuer.key_id})


def unsigned(head: dict[str, Any]) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": time.time() + 60, "roles": ["operator"]}
    return ".".join(base64.urlsafe_b64encode(json.dumps(x).encode()).rstrip(b"=").decode() for x in (head, claims))


async def test_a_machine_outside_proves_itself_by_the_token_that_was_agreed(issuer: Issuer, tmp_path: Path) -> None:
    keys = KeySet(written(tmp_path / "keys.json", issuer.public))
    fixed = {"agreed": ("channel", frozenset({"receipts"}))}
    access = Access(issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), keys=keys, fixed=fixed)
    assert (await access.caller(b"Bearer agreed"))[:2] == fixed["agreed"]
    assert await reason(access, "agreed", "Basic") == await reason(access, "x", "Basic")
    for wrong in ("Agreed", "agreed2", ""):
        with pytest.raises(Unauthenticated):
            await access.caller(f"Bearer {wrong}".encode())


async def test_an_unsigned_token_is_refused(access: Access) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        assert await reason(access, unsigned({"alg": algorithm, "kid": "one"}) + ".") == "algorithm_not_accepted"


async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(access: Access, issuer: Issuer) -> None:
    import hashlib
    import hmac

    public = issuer.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = unsigned({"alg": "HS256", "kid": "one", "typ": "JWT"})
    signature = base64.urlsafe_b64encode(hmac.digest(public, text.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert await reason(access, f"{text}.{signature}") == "algorithm_not_accepted"


async def test_a_changed_token_is_refused(access: Access, issuer: Issuer) -> None:
    token = issuer.token("health_visitor")
    other = issuer.token("operator")
    bent = ".".join((*token.split(".")[:1], other.split(".")[1], token.split(".")[2]))
    assert await reason(access, bent) == "signature_invalid"
    await access.caller(b"Bearer " + token.encode())
    assert await reason(access, bent) == "signature_invalid"


async def test_another_key_under_the_same_id_is_refused(access: Access) -> None:
    assert await reason(access, Issuer().token("operator")) == "signature_invalid"
    assert await reason(access, Issuer("two").token("operator")) == "key_not_known"


async def test_critical_extensions_are_not_ignored(access: Access, issuer: Issuer) -> None:
    token = issuer.token("operator", head={"crit": ["b64"], "b64": True})
    assert await reason(access, token) == "token_malformed"


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "....", "é", "e30.e30.", "A" * 9000, "\x00"])
async def test_garbage_is_refused(access: Access, token: str) -> None:
    assert await reason(access, token) in ("token_malformed", "algorithm_not_accepted")


@pytest.mark.parametrize("header", [b"", b"Bearer", b"Basic YTpi", b"\xff\xfe"])
async def test_without_a_bearer_token_nobody_is_known(access: Access, header: bytes) -> None:
    with pytest.raises(Unauthenticated):
        await access.caller(header)


async def test_a_remembered_token_is_forgotten_when_it_expires(issuer: Issuer, tmp_path: Path) -> None:
    now = time.time()
    access = access_of(KeySet(written(tmp_path / "k.json", issuer.public)), clock=lambda: now)
    header = f"Bearer {issuer.token('x', exp=int(now) - 10)}".encode()
    await access.caller(header)
    assert access.known(header) is not None
    now += 25
    assert access.known(header) is None


async def test_memory_is_bounded(access: Access, issuer: Issuer) -> None:
    await access.caller(f"Bearer {issuer.token('operator')}".encode())
    access._known = dict.fromkeys((str(n).encode() for n in range(REMEMBERED_TOKENS)), None)  # type: ignore[assignment]
    await access.caller(f"Bearer {issuer.token()}".encode())
    assert len(access._known) == REMEMBERED_TOKENS


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("ES256", "HS256")])
def test_symmetric_or_no_signatures_cannot_be_configured(algorithms: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="asymmetric"):
        Access(issuer=ISSUER, audience=AUDIENCE, algorithms=algorithms, keys=KeySet("x"))


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_a_file_of_keys_is_read_again_when_it_changes(issuer: Issuer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    access = access_of(KeySet(written(path, issuer.public), look_s=0))
    header = f"Bearer {issuer.token('operator')}".encode()
    await access.caller(header)
    other = Issuer("two")
    written(path, other.public)
    assert (await access.caller(f"Bearer {other.token('operator')}".encode())).roles == {"operator"}
    with pytest.raises(Unauthenticated):
        await access.caller(header)


async def test_without_keys_the_service_is_unavailable_until_they_appear(issuer: Issuer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    access = access_of(KeySet(str(path), look_s=0))
    header = f"Bearer {issuer.token()}".encode()
    for content in (None, b"", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AA"}]}', b"[" * 100_000):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(Unavailable):
            await access.caller(header)
    written(path, issuer.public)
    await access.caller(header)


async def test_a_broken_file_leaves_the_keys_as_they_were(issuer: Issuer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    access = access_of(KeySet(written(path, issuer.public), look_s=0))
    await access.caller(f"Bearer {issuer.token()}".encode())
    path.write_text("half a fi")
    await access.caller(f"Bearer {issuer.token('operator')}".encode())


class Served:
    """A key set at a URL."""

    def __init__(self) -> None:
        self.content, self.asked, self.delay_s = b"", 0, 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                time.sleep(outer.delay_s)
                self.send_response(200 if outer.content else 503)
                self.send_header("content-length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.server.shutdown()
    served.server.server_close()


async def test_keys_are_fetched_once_for_a_crowd_and_the_loop_stays_free(issuer: Issuer, served: Served) -> None:
    served.content, served.delay_s = key_set(issuer.public), 0.2
    access = access_of(KeySet(served.url))
    header = f"Bearer {issuer.token()}".encode()
    crowd = asyncio.gather(*(access.caller(header) for _ in range(50)))
    started, turns = time.monotonic(), 0
    while not crowd.done():
        await asyncio.sleep(0.01)
        turns += 1
    await crowd
    assert served.asked == 1
    assert turns >= 5 or time.monotonic() - started > 1


async def test_an_unknown_key_is_looked_for_but_not_too_often(issuer: Issuer, served: Served) -> None:
    now = 0.0
    served.content = key_set(issuer.public)
    access = access_of(KeySet(served.url, clock=lambda: now))
    await access.caller(f"Bearer {issuer.token()}".encode())
    new = Issuer("two")
    assert await reason(access, new.token()) == "key_not_known"
    assert served.asked == 1
    served.content = key_set(issuer.public, new.public)
    now = 11.0
    await access.caller(f"Bearer {new.token()}".encode())
    assert served.asked == 2
    for n in range(20):
        assert await reason(access, Issuer(f"x{n}").token()) == "key_not_known"
    assert served.asked == 2


async def test_keys_stay_valid_while_the_issuer_is_away(issuer: Issuer, served: Served) -> None:
    now = 0.0
    served.content = key_set(issuer.public)
    keys = KeySet(served.url, clock=lambda: now)
    access = access_of(keys)
    await access.caller(f"Bearer {issuer.token()}".encode())
    served.content, now = b"", 700.0
    await access.caller(f"Bearer {issuer.token('operator')}".encode())
    await asyncio.sleep(0.3)
    await access.caller(f"Bearer {issuer.token('specialist')}".encode())
    assert served.asked == 2


# --- roles ------------------------------------------------------------------------------------------------------------


async def test_permissions_come_from_roles_and_from_nothing_else(access: Access, issuer: Issuer) -> None:
    roles = {"operator": frozenset({"parked.read"}), "specialist": frozenset({"case.read"})}
    caller = await access.caller(f"Bearer {issuer.token('operator', 'unheard_of')}".encode())
    require(caller, holders(roles, "parked.read"), "parked.read")
    for permission in ("case.read", "no.such"):
        with pytest.raises(Forbidden):
            require(caller, holders(roles, permission), permission)
    nobody = await access.caller(f"Bearer {issuer.token()}".encode())
    with pytest.raises(Forbidden):
        require(nobody, holders(roles, "parked.read"), "parked.read")

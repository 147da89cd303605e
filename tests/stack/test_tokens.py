"""Development tokens are real ones: any verifier that knows the key set accepts them, with the right claims."""

import json
from pathlib import Path
from uuid import UUID

import jwt
import pytest

from attune.stack import tokens


def test_a_token_verifies_against_the_published_keys_and_names_its_person(tmp_path: Path) -> None:
    issuer = tokens.Issuer(tmp_path)
    token = issuer.token("specialist")

    published = jwt.PyJWKSet.from_dict(json.loads(issuer.key_set.read_text()))
    key = published[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=[tokens.ALGORITHM], audience=tokens.AUDIENCE, issuer=tokens.ISSUER)

    assert claims["roles"] == ["specialist"]
    assert UUID(claims["sub"]) == tokens.staff_id("specialist")
    assert "d" not in json.loads(issuer.key_set.read_text())["keys"][0]


def test_two_stacks_do_not_accept_each_others_tokens(tmp_path: Path) -> None:
    one, two = tokens.Issuer(tmp_path / "one"), tokens.Issuer(tmp_path / "two")
    keys = jwt.PyJWKSet.from_dict(json.loads(two.key_set.read_text()))
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(one.token("operator"), keys.keys[0], algorithms=[tokens.ALGORITHM], audience=tokens.AUDIENCE)


def test_the_private_key_is_readable_by_its_owner_only_and_kept(tmp_path: Path) -> None:
    first = tokens.Issuer(tmp_path).key_set.read_text()
    assert (tmp_path / "private.pem").stat().st_mode & 0o077 == 0
    assert tokens.Issuer(tmp_path).key_set.read_text() == first

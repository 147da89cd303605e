"""Sends what people do to the services: several families at a time, each family's acts in order, some acts alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby, zip_longest
from typing import Any
from uuid import UUID

import httpx

from attune.asking import Refusal
from attune.simulate.acts import Act
from attune.simulate.chance import chance_of
from attune.stack.stack import Stack

AT_ONCE = 24
_PATIENCE_SECONDS = 20.0
_TRIES = 40
TOO_MANY = 100
"""Unexpected refusals with which the city itself is wrong, and need not live on."""
_COME_AGAIN = (408, 429, 503)


class Hands:
    """Everybody's hands. Counts what was sent and what was refused, by rule."""

    def __init__(self, stack: Stack, seed: int, repeated: float) -> None:
        self._stack, self._seed, self._repeated = stack, seed, repeated
        self._tokens: dict[tuple[str, str | None], str] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self._client = httpx.AsyncClient(timeout=_PATIENCE_SECONDS, trust_env=False, limits=limits)
        self.sent = 0
        self.refused: Counter[str] = Counter()
        self.unexpected: list[str] = []
        """What was refused and should not have been: route and rule."""

    async def close(self) -> None:
        await self._client.aclose()

    async def all(self, acts: Iterable[Act], at_rest: Callable[[], Awaitable[None]]) -> None:
        """Everything that is due, in order where order matters. Raises Refusal when too much is refused."""
        together = sorted((a for a in acts if not a.alone), key=lambda a: (a.about, a.at, a.key))
        groups = [stretches(list(group)) for _, group in groupby(together, key=lambda a: a.about)]
        for n, turn in enumerate(zip_longest(*groups)):
            if n:
                await at_rest()
            await asyncio.gather(*(self._one_by_one(stretch) for stretch in turn if stretch))
        for act in sorted(a for a in acts if a.alone):
            await at_rest()
            await self._send(act)

    async def _one_by_one(self, acts: Sequence[Act]) -> None:
        async with self._turn:
            for act in acts:
                await self._send(act)

    async def _send(self, act: Act) -> None:
        times = 2 if chance_of(self._seed, f"again {act.key}").random() < self._repeated else 1
        answers = [await self._answer(act) for _ in range(times)]
        self.sent += 1
        answer = answers[0]
        if any(a.status_code != answer.status_code for a in answers):
            self._note(act, answers[-1], "another answer than the first time")
        if answer.is_success:
            return
        rule = str(_problem(answer).get("type", "")).rpartition(":")[2]
        if rule in act.may_be_refused:
            self.refused[rule] += 1
        else:
            self._note(act, answer, rule)

    def _note(self, act: Act, answer: httpx.Response, what: str) -> None:
        self.unexpected.append(f"{act.key}: {act.route}: {answer.status_code} {what}")
        if len(self.unexpected) > TOO_MANY:
            raise Refusal(f"{act.key}: {act.route}", answer.status_code, _problem(answer))

    async def _answer(self, act: Act) -> httpx.Response:
        method, _, path = act.route.partition(" ")
        headers = {
            "authorization": f"Bearer {self._token(act.role, act.by)}",
            "idempotency-key": act.key.replace(" ", "-"),
        }
        url = self._stack.url(act.service) + path
        for attempt in range(_TRIES):
            try:
                answer = await self._client.request(method, url, json=act.body, headers=headers)
            except httpx.TransportError:
                if attempt == _TRIES - 1:
                    raise
            else:
                if answer.status_code not in _COME_AGAIN:
                    return answer
            await asyncio.sleep(0.25)
        return answer

    def _token(self, role: str, by: str | None) -> str:
        if (role, by) not in self._tokens:
            self._tokens[role, by] = self._stack.token(role, subject=UUID(by) if by else None)
        return self._tokens[role, by]


def stretches(acts: Sequence[Act]) -> list[list[Act]]:
    """What one family's acts of a day may do without waiting until the other services have heard of it.

    A service knows at once what it was told itself; of two children's events nobody promises which is heard first.
    """
    found: list[list[Act]] = []
    for act in acts:
        if found and found[-1][-1].service == act.service != "screening":
            found[-1].append(act)
        else:
            found.append([act])
    return found


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

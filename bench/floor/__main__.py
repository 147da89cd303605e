"""One process of the yardstick: `python -m bench.floor STEP DSN BOOTSTRAP TOPICS PORT`; says READY when it can work.

TOPICS is the prefix of its topics; PORT is only used by the step that takes HTTP."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.floor.batch import Batch, Input
from bench.floor.roads import Commands, consume, consumer, relay
from bench.floor.rules import STEPS, RecordScreening

WRITERS = 2


async def _or_exit(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        logging.exception("a part of the yardstick died")
        os._exit(3)


def application(commands: Commands) -> Starlette:
    validate = RecordScreening.__pydantic_validator__.validate_json

    async def post(request: Request) -> Response:
        given = validate(await request.body())
        id_ = UUID(request.headers["idempotency-key"])
        await commands.submit(Input(id_, given, str(id_)))
        return Response(b'{"status":"recorded"}', 201, media_type="application/json")

    return Starlette(routes=[Route("/screenings", post, methods=["POST"])])


async def run(name: str, dsn: str, bootstrap: str, prefix: str, port: int) -> None:
    step = STEPS[name]
    batch, work = Batch(name, step), asyncio.Event()
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=WRITERS + 2)
    tasks = [relay(await pool.acquire(), bootstrap, f"{prefix}.{name}", work)]
    if step.reads is None:
        commands = Commands(batch, work)
        tasks += [commands.write(await pool.acquire()) for _ in range(WRITERS)]
        settings = uvicorn.Config(
            application(commands), host="127.0.0.1", port=port, log_level="warning", access_log=False,
            http="httptools", lifespan="off",
        )  # fmt: skip
        tasks.append(uvicorn.Server(settings).serve())
    else:
        reader = await consumer(bootstrap, f"{prefix}.{step.reads}", f"{prefix}.{name}")
        tasks.append(consume(reader, batch, await pool.acquire(), work))
    gc.collect()
    gc.freeze()
    running = asyncio.gather(*(_or_exit(task) for task in tasks))
    await asyncio.sleep(0.2)
    print("READY", flush=True)
    await running


if __name__ == "__main__":
    step_name, database, brokers, topics, http_port = sys.argv[1:]
    uvloop.run(run(step_name, database, brokers, topics, int(http_port)))

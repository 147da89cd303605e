"""The containers, driven: `python -m deploy.compose check|up|down|test`.

`check` needs no engine. `up` makes development secrets under .attune/compose, builds, starts and waits. `test` runs the
demo's story and its check against the containers and always takes them down again.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from attune.stack.layout import ROOT, write_private
from attune.stack.tokens import ROLES, Issuer

STATE = ROOT / ".attune" / "compose"
SERVICES = {"screening": 18001, "referral": 18002, "notification": 18003, "workforce": 18004}
KAFKA_PORT, POSTGRES_PORT = 19092, 15432
PROJECT = "attune"
COMPOSE = Path(sys.executable).with_name("docker-compose")
BOOT_SECONDS = 240


def environment() -> dict[str, str]:
    """Passwords, keys and places for a development run, made once and kept."""
    STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
    passwords = STATE / "passwords.json"
    if not passwords.exists():
        made = {f"ATTUNE_{who}_PASSWORD": secrets.token_urlsafe(18) for who in ("ADMIN", "OWNER", "APP")}
        write_private(passwords, json.dumps(made))
    key_set = STATE / "jwks.json"
    key_set.write_text(Issuer(STATE / "keys").key_set.read_text())
    key_set.chmod(0o644)  # public keys; the container's user is another than ours
    for name in ("mail", "letters"):
        (STATE / name).mkdir(exist_ok=True)
        (STATE / name).chmod(0o777)
    places = {
        "ATTUNE_JWKS": str(key_set),
        "ATTUNE_MAIL_DIRECTORY": str(STATE / "mail"),
        "ATTUNE_LETTERS_DIRECTORY": str(STATE / "letters"),
    }
    return {**os.environ, "COMPOSE_PROJECT_NAME": PROJECT, **json.loads(passwords.read_text()), **places}


def compose(*arguments: str, capture: bool = False) -> str:
    """Runs docker-compose. Raises CalledProcessError."""
    command = [str(COMPOSE), "-f", str(ROOT / "docker-compose.yml"), *arguments]
    done = subprocess.run(command, env=environment(), check=True, text=True, capture_output=capture, cwd=ROOT)
    return done.stdout or ""


def check() -> None:
    """Is the file valid, and does it keep our rules? Raises SystemExit naming what it does not."""
    config: dict[str, Any] = json.loads(compose("config", "--format", "json", capture=True))
    wrong = [f"{name}: {rule}" for name, service in config["services"].items() for rule in _faults(name, service)]
    wrong += [f"no service {name}" for name in SERVICES if name not in config["services"]]
    if wrong:
        raise SystemExit("docker-compose.yml: " + "; ".join(wrong))
    print(f"docker-compose.yml is valid: {len(config['services'])} containers")


def _faults(name: str, service: dict[str, Any]) -> list[str]:
    ours = service["image"].startswith("attune/")
    job = name.endswith(("-migrate", "-topics"))
    rules = {
        "its root must be read-only": not ours or service.get("read_only") is True,
        "it must drop all capabilities": not ours or service.get("cap_drop") == ["ALL"],
        "a foreign server needs a health check": ours or "healthcheck" in service,
        "a job runs once": not job or service.get("restart") == "on-failure",
        "ports are published on the loopback address only": all(
            port.get("host_ip") == "127.0.0.1" for port in service.get("ports", [])
        ),
        "images are pinned": ":" in service["image"] and not service["image"].endswith(":latest"),
    }
    return [rule for rule, kept in rules.items() if not kept]


def up() -> Path:
    """Builds and starts everything; returns the path of its stack.json."""
    if shutil.which("docker") is None:
        raise SystemExit("no docker client on the PATH")
    variables = environment()
    builds = [(name, ["--target", "service", "--build-arg", f"SERVICE={name}"]) for name in SERVICES]
    for name, options in [*builds, ("mail", ["--target", "mail"])]:
        tag = f"attune/{name}:{variables.get('ATTUNE_VERSION', 'dev')}"
        print(f"building {tag}", flush=True)
        command = ["docker", "build", "-q", "-f", "deploy/Dockerfile", "-t", tag, *options, "."]
        subprocess.run(command, env=variables, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", str(BOOT_SECONDS), *SERVICES, "mail")
    return describe()


def describe() -> Path:
    """Where everything answers, in the form of a local stack's stack.json."""
    variables = environment()
    password = variables["ATTUNE_APP_PASSWORD"]
    issuer = Issuer(STATE / "keys")
    content = {
        "name": "compose",
        "kafka": {"bootstrap": f"127.0.0.1:{KAFKA_PORT}", "sasl": None},
        "services": {name: f"http://127.0.0.1:{port}" for name, port in SERVICES.items()},
        "postgres": {n: f"postgresql://{n}_app:{password}@127.0.0.1:{POSTGRES_PORT}/{n}" for n in SERVICES},
        "smtp": "mail:1025",
        "tokens": {role: issuer.token(role) for role in ROLES},
        "files": {"mail": str(STATE / "mail" / "mail.jsonl"), "file_channel": str(STATE / "letters" / "letters.jsonl")},
    }
    path = STATE / "stack.json"
    write_private(path, json.dumps(content, indent=1))
    return path


def down() -> None:
    """Stops everything and removes its data."""
    compose("down", "--volumes", "--timeout", "25")
    for name in ("mail", "letters"):
        shutil.rmtree(STATE / name, ignore_errors=True)


def test() -> None:
    """The demo against the containers. Raises CalledProcessError when it does not add up."""
    down()
    try:
        stack = up()
        attune = str(Path(sys.executable).with_name("attune"))
        subprocess.run([attune, "demo", "--stack", str(stack)], check=True, cwd=ROOT)
    except subprocess.CalledProcessError:
        compose("ps", "--all")
        compose("logs", "--tail", "20")
        raise
    finally:
        down()


if __name__ == "__main__":
    WAYS = {"check": check, "up": up, "down": down, "test": test}
    if len(sys.argv) != 2 or sys.argv[1] not in WAYS:
        sys.exit(f"usage: python -m deploy.compose {{{','.join(WAYS)}}}")
    WAYS[sys.argv[1]]()

"""The local stack keeps its word: apart from others, restarted when something dies, data kept, nothing left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from attune.stack import kafka, ports
from attune.stack.layout import ROOT, BadStackName, Layout, cache_directory, every_stack
from attune.stack.leftovers import is_held, living, remove
from attune.stack.program import born
from attune.stack.stack import Stack, StackNotRunning, down

WITHOUT_SERVICES: dict[str, Any] = {"services": (), "fsync": False}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory of the test's own, with what was fetched already; every stack in it is stopped at the end."""
    tmp_path.chmod(0o711)
    fetched = cache_directory()
    (tmp_path / "cache").symlink_to(fetched)
    monkeypatch.setenv("ATTUNE_STATE", str(tmp_path))
    yield tmp_path
    for layout in every_stack():
        down(layout)
        remove(layout)


def until(true: Callable[[], object], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.05)


def kill_all(stack: Stack) -> None:
    """As the machine would when it loses power: nobody gets to tidy up."""
    for pid in living(stack.layout).values():
        for process in (*psutil.Process(pid).children(recursive=True), psutil.Process(pid)):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    """A new topic with one acknowledged record."""
    quiet = {"bootstrap.servers": bootstrap, "log_level": 0}
    admin, producer = AdminClient(quiet), Producer(quiet | {"acks": "all"})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    producer.produce(topic, value)
    assert producer.flush(10) == 0


def first_record(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    record = consumer.poll(20)
    consumer.close()
    return record.value() if record else None


def gone(pids: dict[str, int]) -> bool:
    return all(born(pid) is None for pid in pids.values())


def test_two_stacks_stand_side_by_side_and_leave_nothing_running(state: Path) -> None:
    one = Stack.up("one", servers=("postgres", "smtp"), **WITHOUT_SERVICES)
    two = Stack.up("two", servers=("postgres", "smtp"), **WITHOUT_SERVICES)

    assert one.administrator_dsn() != two.administrator_dsn()
    assert one.summary["smtp"] != two.summary["smtp"]
    one.psql("CREATE TABLE only_here ()")
    assert two.psql("SELECT to_regclass('only_here') IS NULL") == "t"
    assert Stack.running("one").summary["pids"] == one.summary["pids"]

    assert set(down(one.layout)) == {"postgres", "smtp", "supervisor"}
    assert gone(one.summary["pids"])
    assert not gone(two.summary["pids"])
    with pytest.raises(StackNotRunning):
        Stack.running("one")


def test_data_and_addresses_survive_the_death_of_the_whole_process_tree(state: Path) -> None:
    stack = Stack.up("kept", servers=("postgres", "kafka"), **WITHOUT_SERVICES)
    stack.psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
    produce(stack.bootstrap, "kept", b"still here")

    kill_all(stack)
    until(lambda: not is_held(stack.layout))
    again = Stack.up("kept", servers=("postgres", "kafka"), **WITHOUT_SERVICES)

    assert again.psql("SELECT n FROM kept") == "1"
    assert again.bootstrap == stack.bootstrap
    assert first_record(again.bootstrap, "kept") == b"still here"


def test_what_a_dead_supervisor_left_is_ended_before_the_next_start(state: Path) -> None:
    stack = Stack.up("orphaned", servers=("postgres", "smtp"), **WITHOUT_SERVICES)
    before = dict(stack.summary["pids"])
    os.kill(before["supervisor"], signal.SIGKILL)
    until(lambda: not is_held(stack.layout))
    assert set(living(stack.layout)) == {"postgres", "smtp"}

    again = Stack.up("orphaned", servers=("postgres", "smtp"), **WITHOUT_SERVICES)

    assert gone(before)
    assert again.psql("SELECT 1") == "1"


def test_a_program_that_dies_is_started_again(state: Path) -> None:
    stack = Stack.up("healing", servers=("postgres", "smtp"), **WITHOUT_SERVICES)
    killed = stack.summary["pids"]["postgres"]
    os.kill(killed, signal.SIGKILL)

    def another() -> bool:
        stack.refresh()
        return bool(stack.summary["pids"]["postgres"] != killed)

    until(another)
    until(lambda: "program_ready_again program=postgres" in stack.layout.log("supervisor").read_text())
    assert stack.psql("SELECT 1") == "1"
    assert "program_ended program=postgres" in stack.layout.log("supervisor").read_text()


def test_a_temporary_stack_ends_with_its_parent_however_that_ends() -> None:
    source = (
        "import sys, time; from attune.stack.stack import Stack; "
        "stack = Stack.temporary(services=(), servers=('postgres',), fsync=False); "
        "print(stack.layout.directory, stack.summary['pids']['postgres'], flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    with parent.stdout:
        directory, pid = parent.stdout.readline().split()
    assert psutil.pid_exists(int(pid))

    parent.kill()
    parent.wait()

    until(lambda: gone({"postgres": int(pid)}))
    until(lambda: not Path(directory).exists())


def test_a_port_that_one_stack_has_chosen_is_not_chosen_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server listens only seconds later."""
    first = ports.choose({}, ("one", "two"))
    again = iter([*first.values(), first["one"] + 1 if first["one"] + 1 not in first.values() else first["one"] + 2])
    monkeypatch.setattr("attune.stack.ports.random.randint", lambda *_: next(again))
    assert ports.choose({}, ("three",))["three"] not in first.values()
    assert ports.choose(first, ("one", "two")) == first


def test_an_open_port_of_a_stranger_is_not_taken_for_the_broker() -> None:
    assert kafka.cluster_at(ports.choose({}, ("nobody",))["nobody"]) is None
    with Stack.temporary(services=(), servers=("smtp",)) as stack:
        port = int(stack.summary["smtp"].rsplit(":", 1)[1])
        assert ports.greets_with(port, f"Attune sink {stack.layout.fingerprint()}")
        assert not ports.greets_with(port, "Attune sink of another stack")
        assert kafka.cluster_at(port) is None


@pytest.mark.parametrize("name", ["", "Upper", "../outside", "cache", "a" * 31, "-x"])
def test_a_stack_name_that_could_leave_the_state_directory_is_refused(name: str) -> None:
    with pytest.raises(BadStackName):
        Layout.named(name)

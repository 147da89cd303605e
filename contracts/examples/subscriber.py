"""Prints who was given a case: python subscriber.py BOOTSTRAP. Needs attune-contracts and confluent-kafka only."""

import sys

from confluent_kafka import Consumer

from attune_contracts.referral import CaseAssigned
from attune_contracts.subscriber import receive

consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "example", "auto.offset.reset": "earliest"})
consumer.subscribe(["attune.referral"])
while True:
    message = consumer.poll(1.0)
    if message is not None and message.error() is None and (case := receive(message, CaseAssigned)):
        print(case.assigned_at, case.practitioner_id, case.because, f"waited {case.waited_seconds} s", flush=True)

"""The filesystem broker of the embedded default: a reader never sees half a message."""

import threading
from pathlib import Path

import pytest
from kombu import Connection, Queue

MESSAGES = 400


def connection(folder: Path) -> Connection:
    options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(folder / "control"),
    }
    return Connection("filesystem://localhost//", transport_options=options)


@pytest.mark.parametrize("writers", [3])
def test_every_message_arrives_complete_while_others_are_written(
    tmp_path: Path, writers: int
) -> None:
    def write(writer: int) -> None:
        with connection(tmp_path) as sending, sending.SimpleQueue("work") as queue:
            for number in range(MESSAGES):
                queue.put({"writer": writer, "number": number})

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    with connection(tmp_path) as receiving:
        Queue("work", channel=receiving.default_channel, routing_key="work").declare()
        with receiving.SimpleQueue("work") as queue:
            for thread in threads:
                thread.start()
            got = set()
            for _ in range(writers * MESSAGES):
                message = queue.get(timeout=10)
                got.add((message.payload["writer"], message.payload["number"]))
                message.ack()
    for thread in threads:
        thread.join()
    assert len(got) == writers * MESSAGES
    assert not list(tmp_path.glob("*.part"))

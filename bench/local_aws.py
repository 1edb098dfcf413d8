"""The local AWS itself: how much processor its listings take, how many small calls it answers, how soon it is there."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.stage import HOME, Row, cpu_seconds, show

from goldenami.local.aws import LocalAws

ACCOUNT = "111111111111"
IMAGES, TAGS = 1000, 5
LISTINGS, STARTS = 9, 3
SMALL_CALLS, CLIENTS = 1500, 4


def measure() -> None:
    """Starts servers of its own, so that what other parts left behind does not count."""
    starts = [_start_seconds() for _ in range(STARTS)]
    with LocalAws.start(settings={"throttling": False}) as aws:
        pid = _pid(aws)
        for number in range(IMAGES):
            aws.lab.seed_one(
                "image", ACCOUNT, HOME, name=f"image-{number}", tags={f"key-{n}": f"value {n} of {number}" for n in range(TAGS)}
            )
        listing, wall = _listing(aws, pid)
        rate = _small_calls_a_second(aws)
    show(
        f"Local AWS, {IMAGES} images × {TAGS} tags in a region; medians",
        [
            Row.at_most(f"DescribeImages of all, server processor time ({LISTINGS} runs)", listing * 1000, 60, " ms"),
            Row("the same as the client sees it, its parsing included", f"{wall * 1000:.0f} ms"),
            Row.at_least(f"small calls a second ({CLIENTS} clients in one process, theirs included)", rate, 150),
            Row.at_most(f"start ({STARTS} runs)", statistics.median(starts), 2, " s"),
        ],
    )


def _start_seconds() -> float:
    began = time.monotonic()
    with LocalAws.start() as aws:
        assert aws.lab.healthy()
        return time.monotonic() - began


def _pid(aws: LocalAws) -> int:
    """The server's process: the one that listens on its port."""
    port = int(aws.endpoint_url.rpartition(":")[2])
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inode = next(fields[9] for fields in lines if fields[1].endswith(f":{port:04X}") and fields[3] == "0A")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        if _holds(folder, f"socket:[{inode}]"):
            return int(folder.parent.name)
    raise LookupError(f"nobody listens on port {port}")


def _holds(folder: Path, socket: str) -> bool:
    try:
        return any(str(entry.readlink()) == socket for entry in folder.iterdir())
    except OSError:  # ended meanwhile, or somebody else's
        return False


def _listing(aws: LocalAws, pid: int) -> tuple[float, float]:
    """Processor seconds of the server, and seconds of the clock. A tick is 10 ms: each run is a batch, long enough not to mind."""
    ec2 = aws.client("ec2", HOME, ACCOUNT)
    batch = 3

    def listed() -> None:
        assert len(ec2.describe_images(Owners=["self"])["Images"]) == IMAGES

    listed()
    runs = [_cost(listed, batch, pid) for _ in range(LISTINGS)]
    return statistics.median(cpu for cpu, _ in runs), statistics.median(wall for _, wall in runs)


def _cost(call: Callable[[], None], times: int, pid: int) -> tuple[float, float]:
    cpu, began = cpu_seconds(pid), time.monotonic()
    for _ in range(times):
        call()
    return (cpu_seconds(pid) - cpu) / times, (time.monotonic() - began) / times


def _small_calls_a_second(aws: LocalAws) -> float:
    ec2 = aws.client("ec2", HOME, ACCOUNT)

    def calls(count: int) -> None:
        for _ in range(count):
            ec2.get_ebs_encryption_by_default()

    calls(20)
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(calls, [SMALL_CALLS // CLIENTS] * CLIENTS))
    return SMALL_CALLS / (time.monotonic() - began)

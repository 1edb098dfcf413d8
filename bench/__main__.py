"""`make bench`: measures, prints each number beside its target, and never fails because of one: a slow machine is no bug.

`python -m bench first rest aws` runs only these parts.
"""

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import convergence, fleet, local_aws, local_kubernetes
from bench.retirement import retirement
from bench.stage import Stage, machine, stage

PARTS: Mapping[str, tuple[str, Callable[[Stage], None]]] = {
    "first-3": ("first convergence in 3 regions, beside a hand-written script", lambda on: convergence.first_convergence(on, 3)),
    "first-10": ("the same in 10 regions", lambda on: convergence.first_convergence(on, 10)),
    "aws": ("the local AWS itself", lambda _: local_aws.measure()),
    "kubernetes": ("the local control plane's start", lambda _: local_kubernetes.measure()),
    "rest": ("50 images in 3 regions at rest", convergence.at_rest),
    "memory": ("memory and processor at rest", fleet.memory),
    "edits": ("from an edit to AWS while 200 images rest", fleet.edits),
    "restart": ("from starting the process to everything known", fleet.restart),
    "failover": ("from the end of the active process to the standby's first call", fleet.failover),
    "retire-3": ("100 versions in 3 regions disabled, then deregistered", lambda on: retirement(on, 3)),
    "retire-10": ("the same in 10 regions; minutes, and only when named", lambda on: retirement(on, 10)),
    "scale": ("1,000 images in 10 regions; a quarter of an hour, and only when named", fleet.scale),
}
LONG = ("retire-10", "scale")
"""Measured only when named."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = "\n".join(f"  {name}: {what}" for name, (what, _) in PARTS.items())
    parser.epilog = f"parts, by default all but {' and '.join(LONG)}:\n{parts}"
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="part", help="what to measure")
    chosen = parser.parse_args().parts or [name for name in PARTS if name not in LONG]
    print(f"$ python -m bench {shlex.join(chosen)}\n{machine()}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="goldenami-bench-") as folder, stage(Path(folder)) as on:
        for name in chosen:
            PARTS[name][1](on)
            print(f"{name}: after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"\nmeasured in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()

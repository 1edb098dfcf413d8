"""The C library takes what it is told of memory, where it is the one that is meant."""

import platform
import subprocess
import sys


def test_glibc_takes_it_and_others_are_left_alone() -> None:
    program = "from goldenami.controllers.heap import give_back; print(give_back())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert told == str(platform.libc_ver()[0] == "glibc")

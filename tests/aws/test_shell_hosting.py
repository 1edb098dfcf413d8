"""Starting and ending: nothing is left running however the parent ends, and a server that cannot start says so."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from goldenami.local.aws import LocalAws
from goldenami.local.aws.local import StartError, serve

PACKAGE_ROOT = Path(__file__).parents[2] / "operator"
DEADLINE_SECONDS = 20.0
PARENT = """
import sys
from goldenami.local.aws import LocalAws
with LocalAws.start() as aws:
    print(aws.endpoint_url, flush=True)
    sys.stdin.read()
"""
ELSEWHERE = ("-m", "goldenami", "local", "aws", "--address", "127.0.0.2")
ALONE = ("-m", "goldenami", "local", "aws", "--seed")


@pytest.fixture
def python() -> Iterator["list[subprocess.Popen[str]]"]:
    """Processes a test starts; those still there at its end are killed."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def run(started: "list[subprocess.Popen[str]]", *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    process = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    started.append(process)
    return process


def answers(url: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=5):
            return True
    except OSError:
        return False


def ends_answering(url: str) -> bool:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while answers(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_parent_however_that_ends(python: "list[subprocess.Popen[str]]", how: signal.Signals) -> None:
    parent = run(python, "-c", PARENT)
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    assert answers(url)
    parent.send_signal(how)
    parent.wait(DEADLINE_SECONDS)
    assert ends_answering(url)


def test_a_stopped_server_answers_no_more_and_may_be_stopped_twice() -> None:
    aws = LocalAws.start()
    assert aws.lab.healthy()
    aws.stop()
    aws.stop()
    assert not aws.lab.healthy()


def test_several_servers_run_at_once_and_share_nothing(local_aws: LocalAws) -> None:
    with LocalAws.start() as other:
        other.client("ssm").put_parameter(Name="/only-there", Value="1", Type="String")
        assert other.endpoint_url != local_aws.endpoint_url
        assert local_aws.client("ssm").get_parameters(Names=["/only-there"])["InvalidParameters"] == ["/only-there"]


def test_a_process_hosts_one_at_a_time_and_the_next_begins_empty() -> None:
    with LocalAws.start(in_process=True) as aws:
        aws.client("ssm").put_parameter(Name="/a", Value="1", Type="String")
        with pytest.raises(RuntimeError, match="hosts a local AWS already"):
            LocalAws.start(in_process=True)
    with LocalAws.start(in_process=True) as aws:
        assert aws.client("ssm").get_parameters(Names=["/a"])["InvalidParameters"] == ["/a"]


def test_a_taken_port_is_said(local_aws: LocalAws) -> None:
    with pytest.raises(StartError, match="status 1"):
        LocalAws.start(port=int(local_aws.endpoint_url.rsplit(":", 1)[1]))


def test_settings_are_in_force_from_the_first_call_on() -> None:
    with LocalAws.start(in_process=True, settings={"image_seconds": 42, "regions_not_opted_in": []}) as aws:
        assert aws.lab.settings()["image_seconds"] == 42.0
        assert aws.client("ec2", region="af-south-1").describe_regions()["Regions"]


def test_calls_from_many_threads_do_not_mix(local_aws: LocalAws, account: str) -> None:
    ssm = local_aws.client("ssm", account=account)
    with ThreadPoolExecutor(8) as pool:
        puts = [pool.submit(ssm.put_parameter, Name="/a", Value="1", Type="String", Overwrite=True) for _ in range(32)]
    assert sorted(answer.result()["Version"] for answer in puts) == list(range(1, 33))


def test_only_this_machine_is_served(local_aws: LocalAws) -> None:
    assert local_aws.endpoint_url.startswith("http://127.0.0.1:")


def test_alone_it_may_listen_where_others_reach_it(python: "list[subprocess.Popen[str]]") -> None:
    alone = run(python, *ELSEWHERE)
    assert alone.stdout is not None
    line = alone.stdout.readline()
    assert line.startswith("# A local AWS is at http://127.0.0.2:"), line


@pytest.mark.parametrize(
    ("where", "told"),
    [
        pytest.param({"address": "203.0.113.1"}, "cannot listen on 203.0.113.1", id="an address that is not this machine's"),
        pytest.param({"audit_file": Path("/nonexistent/audit")}, "/nonexistent/audit cannot be written", id="a file in no folder"),
    ],
)
def test_alone_it_says_what_it_cannot_have(where: dict[str, Any], told: str) -> None:
    with pytest.raises(StartError, match=told):
        serve(**where)


def test_alone_a_taken_port_is_told_by_its_number(local_aws: LocalAws) -> None:
    port = int(local_aws.endpoint_url.rsplit(":", 1)[1])
    with pytest.raises(StartError, match=f"port {port} .*choose another --port"):
        serve(port=port)


def test_alone_it_prints_what_to_export_and_ends_at_a_signal(python: "list[subprocess.Popen[str]]") -> None:
    alone = run(python, *ALONE)
    assert alone.stdout is not None
    lines: list[str] = []
    while not lines or "Ctrl-C" not in lines[-1]:
        lines.append(alone.stdout.readline().rstrip("\n"))
        assert lines[-1], "it ended before it was up"
    exported = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    session = boto3.Session(exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"], region_name=exported["AWS_DEFAULT_REGION"])
    ec2 = session.client("ec2", endpoint_url=exported["AWS_ENDPOINT_URL"])
    assert [image["Name"] for image in ec2.describe_images(Owners=["self"])["Images"]] == ["base-linux-2026.11"]
    alone.send_signal(signal.SIGINT)
    assert alone.wait(DEADLINE_SECONDS) == 0


def test_a_client_that_hangs_up_disturbs_nobody(local_aws: LocalAws) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(local_aws.endpoint_url.rsplit(":", 1)[1]), timeout=5)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"Action=")
    connection.close()
    assert local_aws.lab.healthy()

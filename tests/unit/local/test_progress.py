"""What a person sees of a download or a build: a bar on a terminal, a line per tenth elsewhere."""

import pytest

from goldenami.local.kubernetes.progress import download_bar, package_bar


def test_elsewhere_every_tenth_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with download_bar("downloading etcd", 1000) as advance:
        for _ in range(20):
            advance(50)
    assert capsys.readouterr().err.split("\n")[:3] == ["downloading etcd", "  10 %", "  20 %"]


def test_elsewhere_what_has_no_known_end_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with download_bar("downloading etcd", None) as advance:
        advance(50)
    assert capsys.readouterr().err == "downloading etcd\n"


def test_on_a_terminal_there_is_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with package_bar("building", 4) as advance:
        advance(4)
    shown = capsys.readouterr()
    assert "building" in shown.err
    assert "4/4" in shown.err
    assert shown.out == ""

"""Kubernetes' answers as types."""

import json

import pytest

from goldenami.kube.errors import (
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeUnavailable,
    error_from_answer,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(400, KubeInvalid, id="a malformed request"),
        pytest.param(403, KubeForbidden, id="no rights"),
        pytest.param(404, KubeNotFound, id="nothing there"),
        pytest.param(409, KubeConflict, id="changed meanwhile"),
        pytest.param(410, KubeConflict, id="a list that expired while it was read"),
        pytest.param(422, KubeInvalid, id="a refused body"),
        pytest.param(429, KubeUnavailable, id="overloaded"),
        pytest.param(500, KubeUnavailable, id="its own fault"),
        pytest.param(504, KubeUnavailable, id="a gateway's timeout"),
        pytest.param(418, KubeError, id="anything else"),
    ],
)
def test_each_answer_has_its_type(status: int, expected: type[KubeError]) -> None:
    error = error_from_answer(status, json.dumps({"reason": "Because", "message": "it is so"}).encode())
    assert type(error) is expected
    assert (error.reason, error.message) == ("Because", "it is so")


def test_credentials_that_are_not_accepted_are_told_with_what_to_renew() -> None:
    error = error_from_answer(401, json.dumps({"reason": "Unauthorized", "message": "Unauthorized"}).encode())
    assert type(error) is KubeForbidden
    assert "KUBECONFIG" in error.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}"])
def test_an_answer_without_words_gets_some(body: bytes) -> None:
    error = error_from_answer(503, body)
    assert error.reason == "Unavailable"
    assert "503" in error.message

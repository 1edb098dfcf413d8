"""kopf's settings, all of those that we rely on, and its way into the cluster."""

from typing import Any

import kopf

from goldenami.api.kinds import GROUP
from goldenami.kube.connection import load_configuration


class NoDifferences(kopf.AnnotationsDiffBaseStorage):
    """Handlers of events are not told what has changed in an object. So it is not copied to find that out: half of what an event costs."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002 -- kopf's signature
        """An object in which nothing ever changes."""
        return kopf.BodyEssence({})


def login(**_: Any) -> kopf.ConnectionInfo:
    """The same server and identity as our client's; read anew each time, as tokens rotate. Not async: credential plugins take a while."""
    configuration = load_configuration()
    scheme, _space, token = str(configuration.get_api_key_with_prefix("BearerToken") or "").rpartition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        scheme=scheme or None,
        token=token or None,
    )


def kopf_settings() -> kopf.OperatorSettings:
    """Everything we rely on, said explicitly."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 10
    # Kubernetes sends a bookmark a minute: silence for longer is a dead stream.
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    settings.watching.initial_streaming = False
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.enforce_retry_after = True
    # As our client does: HTTPS_PROXY and NO_PROXY.
    settings.networking.trust_env = True
    # A worker keeps its slot while it lingers, so a limit would throttle; lingering for 1 s keeps few of them.
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1
    settings.queueing.exit_timeout = 0.5
    # We wait for our kinds ourselves and start again when they vanish; so no rights on namespaces or definitions are needed.
    settings.scanning.disabled = True
    settings.execution.max_workers = 2
    # The process has its own way to end.
    settings.process.ultimate_exiting_timeout = None
    # Never used, as no handler of ours writes; ours by name should somebody add one that does.
    settings.persistence.finalizer = f"{GROUP}/unused"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = NoDifferences(prefix=GROUP)
    return settings

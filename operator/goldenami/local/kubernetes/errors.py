"""What can go wrong with the local control plane, said to the person who started it."""


class ControlPlaneError(Exception):
    """The control plane, or a program it needs, cannot be had; the text says why and what to do."""


class KubectlError(ControlPlaneError):
    """kubectl ended with an error; the text is what it printed."""


class UnavailableError(Exception):
    """One of several ways to get the programs does not work here; the text says why. The next way is tried."""

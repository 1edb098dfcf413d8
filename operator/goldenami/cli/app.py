"""The commands and their options. Each option is an environment variable, too; `--help` names it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import goldenami
from goldenami.api.duration import parse_duration

if TYPE_CHECKING:
    from goldenami.controllers.settings import Settings

app = typer.Typer(
    name="goldenami",
    help="Golden AMIs as Kubernetes objects: copied, shared, published and retired as declared.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
local = typer.Typer(help="AWS and a Kubernetes control plane on this machine.", no_args_is_help=True)
app.add_typer(local, name="local")

OF_A_CHECKOUT = ("goldenami.local", "goldenami.cli.demo", "moto")
"""What the operator's image leaves out, and an installation without the extra `local`."""


def main() -> None:
    """The entry point of `goldenami` and `kubectl goldenami`."""
    try:
        app()
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(OF_A_CHECKOUT):
            raise
        typer.echo(
            f"goldenami: {error.name} is not part of this installation: run demo and local from a checkout, after `make setup`", err=True
        )
        sys.exit(1)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(goldenami.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Golden AMIs as Kubernetes objects."""


def _interval(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--interval") from None
    if seconds < 1:
        raise typer.BadParameter(
            f"{text} is too short: AWS is compared once a second at most, and every 10m unless it hurries", param_hint="--interval"
        )
    return seconds


def settings_of(
    *,
    installation: str,
    namespace: list[str] | None,
    interval: str,
    workers: int,
    metrics_port: int,
    log_format: Literal["json", "text"],
) -> "Settings":
    """What the options of `goldenami operator` mean. Raises BadParameter for what no type of an option refuses."""
    from goldenami.controllers.settings import Settings

    if "/" in installation or not installation.strip():
        raise typer.BadParameter("a name without slashes is needed: it is one part of a tag", param_hint="--installation")
    return Settings(
        installation=installation,
        # A variable holds one text: a comma or a space separates names in it.
        namespaces=tuple(name for given in namespace or () for name in given.split(",") if name),
        interval_seconds=_interval(interval),
        workers=workers,
        metrics_port=metrics_port,
        log_format=log_format,
    )


@app.command("operator")
def run_operator(
    installation: Annotated[
        str,
        typer.Option(
            envvar="GOLDENAMI_INSTALLATION",
            help="Name of this installation: first part of the owner tag on everything in AWS. The same name in a new cluster finds its "
            "images again.",
        ),
    ] = "default",
    namespace: Annotated[
        list[str] | None,
        typer.Option(envvar="GOLDENAMI_NAMESPACE", help="Serve only this namespace; may be given several times. Absent: all namespaces."),
    ] = None,
    interval: Annotated[
        str, typer.Option(envvar="GOLDENAMI_INTERVAL", help="How often AWS is compared with objects that name no interval themselves.")
    ] = "10m",
    workers: Annotated[int, typer.Option(envvar="GOLDENAMI_WORKERS", min=1, max=256, help="Objects worked on at once.")] = 16,
    metrics_port: Annotated[
        int,
        typer.Option(
            envvar="GOLDENAMI_METRICS_PORT", min=-1, max=65535, help="/metrics, /healthz and /readyz; 0 picks a free port, -1 serves none."
        ),
    ] = 8080,
    log_format: Annotated[
        Literal["json", "text"],
        typer.Option(envvar="GOLDENAMI_LOG_FORMAT", help="json: a JSON object per line, for machines. text: for people."),
    ] = "json",
) -> None:
    """Run the operator until SIGTERM or Ctrl-C.

    Kubernetes is found by KUBECONFIG, or in the cluster the process runs in. AWS is found by the AWS SDK's own settings: environment
    variables, profiles, container and instance roles, AWS_ENDPOINT_URL.
    """
    from goldenami.controllers.health import PortUnusable
    from goldenami.controllers.heap import give_back
    from goldenami.controllers.operator import run
    from goldenami.controllers.reconcilers import build
    from goldenami.kube.errors import KubeError

    give_back()
    settings = settings_of(
        installation=installation,
        namespace=namespace,
        interval=interval,
        workers=workers,
        metrics_port=metrics_port,
        log_format=log_format,
    )
    try:
        raise typer.Exit(run(settings, build))
    except (KubeError, PortUnusable) as error:
        typer.echo(f"goldenami: {error.message if isinstance(error, KubeError) else error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def crds(
    output: Annotated[Path, typer.Option(help="Folder of the CRDs.")] = Path("crds"),
    defaults: Annotated[Path | None, typer.Option(help="Also the page of defaults, in Markdown: this file.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file is not what would be written.")] = False,
) -> None:
    """Write the CustomResourceDefinitions, generated from the API's models."""
    from goldenami.api import crds as generator
    from goldenami.api import defaults as page

    if check:
        differences = [*generator.check(output), *(page.check(defaults) if defaults else [])]
        for line in differences:
            typer.echo(line, err=True)
        if differences:
            typer.echo("what is generated is not what the models say: run `make crds`", err=True)
            raise typer.Exit(1)
        return
    try:
        written = [*generator.write(output), *([page.write(defaults)] if defaults else [])]
    except OSError as error:
        typer.echo(f"goldenami: {error.filename or output} cannot be written ({error.strerror}): name another place", err=True)
        raise typer.Exit(1) from None
    for path in written:
        typer.echo(path)


@app.command()
def demo(
    examples: Annotated[
        Path | None,
        typer.Option(envvar="GOLDENAMI_EXAMPLES", help="Manifest or folder of manifests to apply; absent: examples/ of the checkout."),
    ] = None,
    copy_seconds: Annotated[
        float, typer.Option(envvar="GOLDENAMI_COPY_SECONDS", min=0, help="How long the fastest copy takes in the local AWS.")
    ] = 10.0,
) -> None:
    """See it work: a real operator on a real Kubernetes API server, against a faithful local AWS.

    On a terminal it stays up until Ctrl-C. Elsewhere it exits 0 once everything is ready and everything it broke is repaired.
    """
    from goldenami.cli.demo import run

    raise typer.Exit(run(examples, copy_seconds=copy_seconds))


@local.command("aws")
def local_aws(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 0,
    address: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Signatures are not checked: another than this machine's own only where pods or others need it."
        ),
    ] = "127.0.0.1",
    clock: Annotated[
        float, typer.Option(min=0, help="Seconds that pass in it for each real second; 0 stands still until it is advanced.")
    ] = 1.0,
    seed: Annotated[bool, typer.Option(help="Make the source image and instance that examples/ name.")] = False,
    audit_file: Annotated[Path | None, typer.Option(help="Write every call to this file, a JSON object a line.")] = None,
) -> None:
    """Run the local AWS alone, for anybody's boto3, aws CLI or Terraform, until Ctrl-C."""
    from goldenami.local.aws.local import StartError, serve

    try:
        serve(port=port, address=address, clock_scale=clock, audit_file=audit_file, seed=seed)
    except StartError as error:
        typer.echo(f"goldenami: {error}", err=True)
        raise typer.Exit(1) from None


@local.command("kubernetes")
def local_kubernetes() -> None:
    """Run a Kubernetes control plane (API server, etcd, controllers, no nodes) until Ctrl-C."""
    from goldenami.local.kubernetes.errors import ControlPlaneError
    from goldenami.local.kubernetes.serve import serve

    try:
        serve()
    except ControlPlaneError as error:
        typer.echo(f"goldenami: {error}", err=True)
        sys.exit(1)

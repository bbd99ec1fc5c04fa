"""``endplate review``: check, correct and sign readings in the browser."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="review")(_review)


def _review(
    where: Annotated[
        str,
        typer.Argument(
            metavar="DIR|STORE",
            help="Results of endplate score or endplate batch, or a store (file or address).",
        ),
    ],
    films: Annotated[
        list[Path] | None,
        typer.Option("--films", metavar="DIR", help="Where the films are; may be given again."),
    ] = None,
    private: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Private folder of a pseudonymised batch, if it is not among its results.",
        ),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(
            "--user",
            metavar="NAME:ROLE",
            help="Who may come in, as reader or reviewer; again for each. By default you.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="Name by which browsers reach this server."),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    insecure_network: Annotated[
        bool,
        typer.Option("--insecure-network", help="Listen beyond this machine without encryption."),
    ] = False,
    proxy_header: Annotated[
        str, typer.Option(metavar="NAME", help="Header in which a reverse proxy names the user.")
    ] = "",
    blinded: Annotated[
        bool,
        typer.Option(
            "--blinded", help="A reader study: no machine points, no names, order shuffled."
        ),
    ] = False,
    repeats: Annotated[
        float, typer.Option(help="Share of films that a study shows twice, up to 0.5.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of a study.")] = 1,
    weights: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Networks in place of the packaged ones.")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of a store: where the review keeps its files."),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
) -> int:
    """Check, correct and sign readings in the browser.

    Prints a link for each user, which works once. Nothing leaves this machine. Signing makes new
    readings, in DIR/review and in the store if one is reviewed; nothing is written over.
    """
    from endplate.review.blinded import StudyPlan
    from endplate.review.serve import ReviewOptions, review

    options = ReviewOptions(
        where=where,
        films=tuple(films or ()),
        private=private,
        users=tuple(user or ()),
        host=host,
        port=port,
        names=tuple(name or ()),
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure_network=insecure_network,
        proxy_header=proxy_header,
        weights=weights,
        plan=StudyPlan(seed, repeats) if blinded else None,
        work=work,
        open_browser=open_browser,
    )
    return review(options)

"""The application that every command joins."""

import typer

app = typer.Typer(
    name="segrepro",
    help="Reproduce medical-image-segmentation papers from the published bytes.",
    epilog="`snakemake --cores all` runs every arrow in order; these commands run one by hand.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

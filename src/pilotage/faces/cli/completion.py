"""`completion`: the script that a shell sources to complete verbs and flags."""

import click
from click.shell_completion import get_completion_class

from pilotage.faces.cli.run import COMPLETE


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
      source <(pilotage completion bash)
      source <(pilotage completion zsh)
      pilotage completion fish | source
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(made(context.find_root().command, {}, "pilotage", COMPLETE).source())

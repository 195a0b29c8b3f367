"""`completion`: the script that a shell sources to complete verbs and flags; and kubectl's way to ask for the same."""

import sys

import click
from click.shell_completion import FishComplete, ShellComplete, get_completion_class

from pilotage.faces.cli.run import COMPLETE

_NO_FILES, _DEFAULT = 4, 0  # directives of cobra, kubectl's library


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
      source <(pilotage completion bash)
      source <(pilotage completion zsh)     # after: autoload -Uz compinit; compinit
      pilotage completion fish | source

    In a file that the shell reads at its start, such as ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish, the line is
    for every session. `kubectl pilotage` is completed by kubectl's own script.
    """
    made = _Fish if shell == "fish" else get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(made(context.find_root().command, {}, "pilotage", COMPLETE).source())


class _Fish(FishComplete):
    """click's own script takes what follows the first comma of an explanation away."""

    def source(self) -> str:
        return super().source().replace('string split ","', 'string split --max 1 ","')


def for_kubectl() -> None:
    """Entry point `kubectl_complete-pilotage`, which kubectl runs with all words after `kubectl pilotage`.

    Prints a completion a line, then cobra's directive. https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
    """
    from pilotage.faces.cli.main import cli

    *words, begun = sys.argv[1:] or [""]
    found = ShellComplete(cli, {}, "pilotage", COMPLETE).get_completions(words, begun)
    plain = [item for item in found if item.type == "plain"]
    for item in plain:
        click.echo(f"{item.value}\t{item.help or ''}")
    click.echo(f":{_NO_FILES if len(plain) == len(found) else _DEFAULT}")

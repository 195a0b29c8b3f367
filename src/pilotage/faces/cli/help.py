"""`help`: what `--help` of a verb prints, for those who type it the other way round."""

import click


@click.command()
@click.argument("words", nargs=-1, metavar="[VERB]…")
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a verb."""
    context = context.find_root()
    for word in words:
        if not isinstance(context.command, click.Group):
            raise click.UsageError(f"{context.command_path} has no verbs below it", context)
        _, found, _ = context.command.resolve_command(context, [word])
        assert found is not None  # resolve_command raises where there is none
        context = click.Context(found, parent=context, info_name=word)
    click.echo(context.get_help())

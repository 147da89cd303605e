"""The `attune` command: one module per subcommand, loaded only when it is asked for.

A new subcommand is a function in a module of its own, or a `typer.Typer` with further subcommands, and a line in
COMMANDS."""

import sys
from importlib import import_module

import typer

COMMANDS = {
    "setup": "attune.stack.commands:setup",
    "up": "attune.stack.commands:up",
    "down": "attune.stack.commands:down",
    "import": "attune.births:imports",
    "clock": "attune.clock:clock",
    "doctor": "attune.stack.doctor:doctor",
    "demo": "attune.demo:demo",
    "pathway": "attune.pathway.document:pathway",
    "simulate": "attune.simulate.command:simulate",
    "demo-break": "attune.demo_break:demo_break",
    "watch": "attune.watch:watch",
    "case": "attune.case:case",
    "status": "attune.status:status",
    "parked": "attune.parked:parked",
    "backup": "attune.backup:backup",
    "restore": "attune.restore:restore",
    "refill": "attune.refill:refill",
    "replay": "attune.replay:replay",
    "describe": "attune.describe:describe",
}
"""Where each subcommand is: module:function."""


def application(wanted: str | None = None) -> typer.Typer:
    """The command line with one subcommand, or with all of them."""
    app = typer.Typer(
        name="attune",
        help="Run Attune on this machine and look into it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_show_locals=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)
    for name in (wanted,) if wanted in COMMANDS else tuple(COMMANDS):
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """What the console script calls."""
    application(sys.argv[1] if len(sys.argv) > 1 else None)()


if __name__ == "__main__":
    main()

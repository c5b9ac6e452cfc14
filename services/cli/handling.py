"""`liandong handling`: letters inside the department, before they are sent and after they arrived."""

import typer

from services.cli import handling_files, handling_rules, handling_seals, handling_steps

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(handling_steps.app)
app.add_typer(handling_rules.app)
app.add_typer(handling_seals.app)
app.add_typer(handling_files.app)

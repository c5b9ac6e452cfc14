"""`liandong case`: a department's cases."""

import typer

from services.cli import case_documents, case_reading, case_subject, case_writing

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(case_reading.app)
app.add_typer(case_writing.app)
app.add_typer(case_subject.app)
app.add_typer(case_documents.app)

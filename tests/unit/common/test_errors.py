"""The family of errors."""

from services.common.errors import (
    CommitInDoubt,
    InvalidField,
    LiandongError,
    NotFound,
    Stale,
    Unavailable,
    error_for,
)


def test_the_docstring_is_the_message() -> None:
    """Without a message of its own an error says the first line of its class's docstring."""
    assert str(Stale()) == "The object changed since it was read; read it again."
    assert CommitInDoubt().message.startswith("The connection broke during the commit")


def test_a_remote_reason_becomes_the_class_that_states_it() -> None:
    """An answer read from the wire is the same class that was raised, with the sender's words."""
    error = error_for("NOT_FOUND", "NOT_FOUND", "No such case.", field="case_id")
    assert isinstance(error, NotFound)
    assert (error.message, error.field) == ("No such case.", "case_id")


def test_a_reason_from_the_future_is_kept() -> None:
    """A reason that this program does not know still reaches the one who asked."""
    error = error_for("MOON_PHASE", "FAILED_PRECONDITION", "Wait.")
    assert type(error) is LiandongError
    assert (error.reason, error.code) == ("MOON_PHASE", "FAILED_PRECONDITION")


def test_a_subclass_that_states_no_reason_does_not_take_over() -> None:
    """`CommitInDoubt` shares the reason of `Unavailable`, which stays the class of that reason."""
    assert type(error_for("UNAVAILABLE", "UNAVAILABLE")) is Unavailable


def test_retryable_is_what_may_succeed_unchanged() -> None:
    """A time to retry at, or an unavailable server; never a mistake in the request."""
    assert Unavailable().is_retryable
    assert LiandongError(reason="QUOTA", retry_after_ms=5).is_retryable
    assert not InvalidField().is_retryable

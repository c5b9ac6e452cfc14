"""The services over REST: `/api/v1`, as the contracts' `google.api.http` options have it."""

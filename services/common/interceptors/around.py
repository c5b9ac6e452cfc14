"""The form of every interceptor: something before a call, something after it, in all four kinds of calls.

grpc hands an interceptor the handler, once for each call, and lets it return another one. A wrapped handler
is kept for each method, so that a call costs one more coroutine and no new closures.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # grpc.RpcMethodHandler, whose stubs do not know of its four fields


class Around(grpc.aio.ServerInterceptor):
    """Base of the interceptors: subclasses say what happens before and after."""

    def __init__(self) -> None:
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    def before(self, method: str, context: Context) -> Any:
        """Run before the handler; what it raises ends the call; what it returns is given to `after`."""
        raise NotImplementedError

    async def after(self, method: str, context: Context, state: Any, error: BaseException | None) -> None:
        """Run after the handler; may raise another error in place of the handler's."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the method's handler."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is not None and known[0] is handler:
            return known[1]
        wrapped = self._wrap(method, handler)
        self._wrapped[method] = (handler, wrapped)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        make, behaviour = _parts(handler)
        if not handler.response_streaming or not inspect.isasyncgenfunction(behaviour):
            around = self._around_result(method, behaviour)
        else:
            around = self._around_stream(method, behaviour)
        return make(
            around,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _around_result(self, method: str, behaviour: Callable[..., Awaitable[Any]]) -> Any:
        before, after = self.before, self.after
        # most have nothing to do afterwards, and a coroutine that does nothing still costs
        has_after = type(self).after is not Around.after

        async def call(request: Any, context: Context) -> Any:
            state = before(method, context)
            if not has_after:
                return await behaviour(request, context)
            try:
                response = await behaviour(request, context)
            except BaseException as error:
                await after(method, context, state, error)
                raise
            await after(method, context, state, None)
            return response

        return call

    def _around_stream(self, method: str, behaviour: Callable[..., AsyncIterator[Any]]) -> Any:
        before, after = self.before, self.after

        async def call(request: Any, context: Context) -> AsyncIterator[Any]:
            state = before(method, context)
            try:
                async for response in behaviour(request, context):
                    yield response
            except BaseException as error:
                await after(method, context, state, error)
                raise
            await after(method, context, state, None)

        return call


def _parts(handler: Handler) -> tuple[Callable[..., Handler], Any]:
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler, handler.unary_unary
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler, handler.unary_stream
    if handler.stream_unary:
        return grpc.stream_unary_rpc_method_handler, handler.stream_unary
    return grpc.stream_stream_rpc_method_handler, handler.stream_stream

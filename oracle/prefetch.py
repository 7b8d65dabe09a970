"""To send for memory before it is looked at: compiled loops that know where they go next need not wait for it."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _sent_for(_: Any, array: Any, at: Any) -> Any:
    """Send for the line of memory in which array[at] lies, counted flat, to be read and written."""

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        data = context.make_array(array)(context, builder, given[0]).data
        place, number = builder.bitcast(builder.gep(data, [given[1]]), ir.IntType(8).as_pointer()), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(prefetch, [place, number(1), number(3), number(1)])  # to be written, to be kept, data
        return context.get_dummy_value()

    return types.void(array, at), emit


send_for: Any = intrinsic(_sent_for)

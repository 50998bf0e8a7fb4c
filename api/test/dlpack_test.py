# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""segue/dlpack.h against numpy: array -> capsule -> segue_tensor, element by element, and back.

usage: dlpack_test.py LIBRARY     (dlpack_calls.c as a shared library)
"""
import ctypes as C
import itertools
import sys

try:
    import numpy as np
except ImportError:
    print("skipped: no numpy")
    sys.exit(77)


class DType(C.Structure):
    _fields_ = [("code", C.c_uint8), ("bits", C.c_uint8), ("lanes", C.c_uint16)]


class DLTensor(C.Structure):
    _fields_ = [("data", C.c_void_p), ("device_type", C.c_int32), ("device_id", C.c_int32), ("ndim", C.c_int32),
                ("dtype", DType), ("shape", C.POINTER(C.c_int64)), ("strides", C.POINTER(C.c_int64)),
                ("byte_offset", C.c_uint64)]


class Managed(C.Structure):
    _fields_ = [("tensor", DLTensor), ("context", C.c_void_p), ("deleter", C.c_void_p)]


class Tensor(C.Structure):
    _fields_ = [("data", C.c_void_p), ("offset", C.c_uint64), ("bytes", C.c_uint64), ("dtype", DType),
                ("rank", C.c_uint16), ("flags", C.c_uint16), ("shape", C.c_int64 * 6), ("stride", C.c_int64 * 6)]


class Diag(C.Structure):
    _fields_ = [("code", C.c_int32), ("native", C.c_int32), ("field", C.c_uint32), ("phase", C.c_uint32),
                ("text", C.c_char * 496)]


OK, ARGUMENT = 0, -1
CPU, OPENCL = 1, 4
lib = C.CDLL(sys.argv[1])
lib.size_of.restype = C.c_size_t
for which, struct in enumerate((DLTensor, Managed, Tensor, Diag)):
    assert lib.size_of(which) == C.sizeof(struct), struct

python = C.pythonapi
python.PyCapsule_GetPointer.restype = C.c_void_p
python.PyCapsule_GetPointer.argtypes = [C.py_object, C.c_char_p]
python.PyCapsule_New.restype = C.py_object
python.PyCapsule_New.argtypes = [C.c_void_p, C.c_char_p, C.c_void_p]


def convert(dl):
    t, why = Tensor(), Diag()
    status = lib.from_dlpack(C.byref(dl), C.byref(t), C.byref(why))
    assert status == OK, (status, why.text)
    return t


def elements(t, dtype):
    """Every element, read through offset and strides only, from inside [0, bytes)."""
    shape, size = t.shape[:t.rank], t.dtype.bits // 8
    out = np.empty(shape, dtype)
    for index in itertools.product(*map(range, shape)):
        at = t.offset + size * sum(i * s for i, s in zip(index, t.stride))
        assert 0 <= at and at + size <= t.bytes, (at, t.bytes)
        out[index] = np.frombuffer(C.string_at(t.data + at, size), dtype)[0]
    return out


class Capsule:
    """A DLPack producer over a segue_tensor. numpy calls the deleter when its array goes away."""
    deleted = 0

    def __init__(self, t):
        self.t, self.managed, why = t, Managed(), Diag()
        status = lib.to_dlpack(C.byref(t), CPU, 0, C.byref(self.managed.tensor), C.byref(why))
        assert status == OK, why.text
        assert self.managed.tensor.byte_offset == t.offset and self.managed.tensor.device_type == CPU
        self.deleter = C.CFUNCTYPE(None, C.c_void_p)(self.delete)
        self.managed.deleter = C.cast(self.deleter, C.c_void_p)

    def delete(self, _):
        Capsule.deleted += 1

    def __dlpack__(self, stream=None):
        return python.PyCapsule_New(C.addressof(self.managed), b"dltensor", None)

    def __dlpack_device__(self):
        return (CPU, 0)


def round_trip(a, expect_strides=True):
    capsule = a.__dlpack__()
    managed = Managed.from_address(python.PyCapsule_GetPointer(capsule, b"dltensor"))
    t = convert(managed.tensor)
    assert t.rank == a.ndim and tuple(t.shape[:t.rank]) == a.shape and t.flags == 0
    assert (t.dtype.bits, t.dtype.lanes) == (a.itemsize * 8, 1)
    assert list(t.shape[t.rank:]) == [0] * (6 - t.rank) and list(t.stride[t.rank:]) == [0] * (6 - t.rank)
    if a.size > 1 and expect_strides:
        assert [s * a.itemsize for n, s in zip(a.shape, t.stride) if n > 1] == [s for n, s in zip(a.shape, a.strides) if n > 1]
    np.testing.assert_array_equal(elements(t, a.dtype), a)
    source, before = Capsule(t), Capsule.deleted
    back = np.from_dlpack(source)
    assert back.dtype == a.dtype and back.shape == a.shape
    np.testing.assert_array_equal(back, a)
    if a.size:
        assert back.__array_interface__["data"][0] == a.__array_interface__["data"][0], "copied"
    del back
    assert Capsule.deleted == before + 1


def arrays():
    for dtype in ("float64", "float32", "float16", "int32", "int64", "uint8", "complex64"):
        base = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(dtype)
        yield from (base, base.transpose(2, 0, 3, 1), base[:, 1:, ::2, 1:4], base[::-1], base[:, ::-1, :, ::-2], base[1, 2],
                    np.broadcast_to(base[:1], (3, 3, 4, 5)).copy(), base[0, 0, 0, 0:1], np.array(7, dtype), base[:, :0],
                    np.empty((0, 3), dtype), base.reshape(1, 2, 3, 4, 5, 1))


def raw(shape, strides=None, bits=32, code=2, lanes=1, data=4096, offset=0, device=CPU, ndim=None):
    """A DLTensor by hand, for what numpy does not make; data is never read."""
    dl = DLTensor(data, device, 0, len(shape) if ndim is None else ndim, DType(code, bits, lanes), None, None, offset)
    dl.shape = C.cast((C.c_int64 * max(1, len(shape)))(*shape), C.POINTER(C.c_int64)) if shape is not None and len(shape) else None
    if strides is not None:
        dl.strides = C.cast((C.c_int64 * max(1, len(strides)))(*strides), C.POINTER(C.c_int64))
    return dl


def placed(dl):
    t = convert(dl)
    return t.data, t.offset, t.bytes


BIG = 1 << 62
ACCEPTED = [  # by hand: data, offset, bytes wanted
    (raw((2, 3), offset=64), (4096, 64, 64 + 24)),
    (raw((2, 3), (0, 0)), (4096, 0, 4)),
    (raw((4,), (0,), offset=8), (4096, 8, 12)),
    (raw((4,), (-1,)), (4096 - 12, 12, 16)),
    (raw((4,), (-1,), offset=12), (4096, 12, 16)),
    (raw((4,), (-1,), offset=4), (4096 - 8, 12, 16)),
    (raw((3, 4), (4, -1), offset=12, device=OPENCL), (4096, 12, 48)),
    (raw((9,), bits=4, code=0), (4096, 0, 5)),
    (raw((0, 5), data=None), (None, 0, 0)),
    (raw((0, 5), offset=32), (4096, 32, 32)),
    (raw(()), (4096, 0, 4)),
    (raw((3,), bits=8, code=6), (4096, 0, 3)),
]
REFUSED = [  # and what the text must say
    (raw((1,) * 7), (b"ndim is 7", b"wanted 0 to 6")),
    (raw((1,), ndim=-1), (b"ndim is -1", b"wanted 0 to 6")),
    (raw((), ndim=2), (b"shape is NULL", b"wanted 2 sizes")),
    (raw((2, 2), lanes=4), (b"4 lanes", b"wanted 1")),
    (raw((2, 2), lanes=0), (b"0 lanes", b"wanted 1")),
    (raw((2, 2), bits=0), (b"0 bits", b"wanted at least 1")),
    (raw((2, -3)), (b"dimension 1 is -3", b"wanted at least 0")),
    (raw((2, 2), data=None), (b"data is NULL", b"wanted 16 bytes")),
    (raw((4,), (-1,), data=None), (b"data is NULL", b"first element at 12")),
    (raw((4,), (-1,), data=None, offset=12), (b"data is NULL", b"wanted 16 bytes")),
    (raw((BIG, BIG)), (b"2^63 bytes", b"wanted less")),
    (raw((2,), (-(1 << 58),)), (b"2^63 bytes", b"wanted less")),
    (raw((BIG,), (4,)), (b"2^63 bytes", b"wanted less")),
    (raw((BIG, 3), (-1, -BIG)), (b"2^63 bytes", b"wanted less")),
    (raw((2,), offset=(1 << 63) + 8), (b"2^63 bytes", b"wanted less")),
    (raw((2,), offset=(1 << 63) - 4), (b"2^63 bytes", b"wanted less")),
    (raw((4,), (-1,), device=OPENCL), (b"12 bytes before", b"wanted a byte_offset of 12")),
]


def refused(call, out, *patterns):
    canary = bytes(out)
    why = Diag()
    C.memset(C.byref(why), 0xA5, C.sizeof(why))
    assert call(C.byref(out), C.byref(why)) == ARGUMENT, patterns
    assert (why.code, why.native, why.field, why.phase) == (ARGUMENT, 0, 0, 0)
    for pattern in patterns:
        assert pattern in why.text, (pattern, why.text)
    assert call(C.byref(out), None) == ARGUMENT
    assert bytes(out) == canary, "written on failure"


def main():
    count = 0
    for a in arrays():
        round_trip(a)
        count += 1
    for dl, want in ACCEPTED:
        assert placed(dl) == want, (placed(dl), want)
    for dl, patterns in REFUSED:
        refused(lambda out, why: lib.from_dlpack(C.byref(dl), out, why), Tensor(flags=99), *patterns)
    refused(lambda out, why: lib.from_dlpack(None, out, why), Tensor(flags=99), b"from is NULL", b"wanted a DLTensor")
    refused(lambda out, why: lib.to_dlpack(None, CPU, 0, out, why), DLTensor(ndim=99), b"from is NULL", b"wanted a segue_tensor")
    refused(lambda out, why: lib.to_dlpack(C.byref(Tensor()), CPU, 0, out, why), DLTensor(ndim=99), b"absent", b"wanted one that")
    high = Tensor(rank=7, dtype=DType(2, 32, 1))
    refused(lambda out, why: lib.to_dlpack(C.byref(high), CPU, 0, out, why), DLTensor(ndim=99), b"rank is 7", b"wanted 0 to 6")
    print(f"{count} arrays there and back, {len(ACCEPTED)} placements, {len(REFUSED) + 4} refusals")


main()

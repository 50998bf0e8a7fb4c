/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Segue tensors from DLPack and back. Include your own <dlpack/dlpack.h> first: 0.6 and 1.x both do.
 *
 * Devices  A tensor's data means something to one device only. The caller opens the Segue device that
 *          DLTensor.device names, and names it on the way back.
 * Owners   Nothing is copied but the description: the memory stays its owner's, who keeps it until the last run
 *          that uses it is done. Deleters of managed tensors are the caller's affair.
 * Errors   As in segue.h; these functions are inline, so that segue_last_error() does not hear of them. */
#ifndef SEGUE_DLPACK_H
#define SEGUE_DLPACK_H

#ifndef DLPACK_DLPACK_H_
#error "segue/dlpack.h: include your own <dlpack/dlpack.h> first"
#endif

#include <segue/segue.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Used below: a text of pieces and numbers, without stdio. */
static inline size_t segue_dlpack_put(char *text, size_t at, size_t size, const char *piece)
{
    while (*piece && at + 1 < size) text[at++] = *piece++;
    text[at] = 0;
    return at;
}

static inline size_t segue_dlpack_put_number(char *text, size_t at, size_t size, int64_t number)
{
    char digits[24];
    size_t i = sizeof digits - 1;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[i] = 0;
    do digits[--i] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0) digits[--i] = '-';
    return segue_dlpack_put(text, at, size, digits + i);
}

static inline segue_status segue_dlpack_refuse(segue_diag *diag, const char *before, int64_t first,
                                               const char *between, int64_t second, const char *after)
{
    size_t at = 0;
    if (!diag) return SEGUE_ERROR_ARGUMENT;
    memset(diag, 0, sizeof *diag);
    diag->code = SEGUE_ERROR_ARGUMENT;
    diag->phase = SEGUE_PHASE_CALL;
    at = segue_dlpack_put(diag->text, at, sizeof diag->text, before);
    at = segue_dlpack_put_number(diag->text, at, sizeof diag->text, first);
    at = segue_dlpack_put(diag->text, at, sizeof diag->text, between);
    at = segue_dlpack_put_number(diag->text, at, sizeof diag->text, second);
    segue_dlpack_put(diag->text, at, sizeof diag->text, after);
    return SEGUE_ERROR_ARGUMENT;
}

static inline segue_status segue_dlpack_refuse_text(segue_diag *diag, const char *text)
{
    if (!diag) return SEGUE_ERROR_ARGUMENT;
    memset(diag, 0, sizeof *diag);
    diag->code = SEGUE_ERROR_ARGUMENT;
    diag->phase = SEGUE_PHASE_CALL;
    segue_dlpack_put(diag->text, 0, sizeof diag->text, text);
    return SEGUE_ERROR_ARGUMENT;
}

/* What can be read off the members alone: rank, dtype, shape. */
static inline segue_status segue_dlpack_check(const DLTensor *from, segue_diag *diag)
{
    if (from->ndim < 0 || from->ndim > SEGUE_MAX_RANK)
        return segue_dlpack_refuse(diag, "DLTensor: ndim is ", from->ndim, ", wanted 0 to ", SEGUE_MAX_RANK,
                                   ": merge axes");
    if (from->ndim && !from->shape)
        return segue_dlpack_refuse(diag, "DLTensor: ndim is ", from->ndim, ", but shape is NULL; wanted ",
                                   from->ndim, " sizes");
    if (from->dtype.lanes != 1)
        return segue_dlpack_refuse(diag, "DLTensor: dtype has ", from->dtype.lanes, " lanes, wanted ", 1,
                                   ": make them an axis");
    if (!from->dtype.bits)
        return segue_dlpack_refuse_text(diag, "DLTensor: dtype has 0 bits, wanted at least 1");
    for (int i = 0; i < from->ndim; i++)
        if (from->shape[i] < 0)
            return segue_dlpack_refuse(diag, "DLTensor: dimension ", i, " is ", from->shape[i],
                                       ", wanted at least 0");
    return SEGUE_OK;
}

/* Fills offset and bytes of t, and moves data back, so that all elements lie in [0, bytes) from data; *moved:
 * by how many bytes. 0 = out of range of 63 bits. */
static inline int segue_dlpack_place(segue_tensor *t, uint64_t byte_offset, int64_t *moved)
{
    int64_t low = 0, high = 1, reach,
            offset = (int64_t)byte_offset; /* low and high in elements, then bits, then bytes */
    *moved = 0;
    if (byte_offset > INT64_MAX) return 0;
    t->offset = t->bytes = byte_offset;
    for (int i = 0; i < t->rank; i++)
        if (!t->shape[i]) return 1;
    for (int i = 0; i < t->rank; i++) {
        int64_t *end = t->stride[i] < 0 ? &low : &high;
        if (__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &reach) ||
            __builtin_add_overflow(*end, reach, end))
            return 0;
    }
    if (__builtin_mul_overflow(low, (int64_t)t->dtype.bits, &low) ||
        __builtin_mul_overflow(high, (int64_t)t->dtype.bits, &high))
        return 0;
    if (low < 7 - INT64_MAX || high > INT64_MAX - 7) return 0;
    low = -((7 - low) / 8);
    high = (high + 7) / 8;
    if (low + offset < 0) {
        *moved = -(low + offset);
        if (t->data) t->data = (char *)t->data - *moved;
        offset = -low;
    }
    if (__builtin_add_overflow(high, offset, &high)) return 0;
    t->offset = (uint64_t)offset;
    t->bytes = (uint64_t)high;
    return 1;
}

/* Shape and strides; 0 = packed, but with more than 2^63 elements. */
static inline int segue_dlpack_axes(const DLTensor *from, segue_tensor *t)
{
    int64_t packed = 1;
    t->rank = (uint16_t)from->ndim;
    for (int i = from->ndim - 1; i >= 0; i--) {
        t->shape[i] = from->shape[i];
        t->stride[i] = from->strides ? from->strides[i] : packed;
        if (!from->strides && __builtin_mul_overflow(packed, from->shape[i], &packed)) return 0;
    }
    return 1;
}

/* The same tensor for Segue. NULL strides mean packed. bytes is what the elements span, since DLPack does not
 * tell how much there is. With negative strides data may come to lie before from->data: never with OpenCL,
 * whose data is a handle. More than SEGUE_MAX_RANK axes and vector dtypes are refused; dtypes are judged where
 * an op takes them. */
static inline segue_status segue_tensor_from_dlpack(const DLTensor *from, segue_tensor *out, segue_diag *diag)
{
    segue_tensor t;
    int64_t moved = 0;
    segue_status status;
    if (!from) return segue_dlpack_refuse_text(diag, "from is NULL, wanted a DLTensor");
    if (!out) return segue_dlpack_refuse_text(diag, "out is NULL, wanted a segue_tensor");
    status = segue_dlpack_check(from, diag);
    if (status) return status;
    memset(&t, 0, sizeof t);
    t.data = from->data;
    t.dtype.code = from->dtype.code;
    t.dtype.bits = from->dtype.bits;
    t.dtype.lanes = from->dtype.lanes;
    if (!segue_dlpack_axes(from, &t) || !segue_dlpack_place(&t, from->byte_offset, &moved))
        return segue_dlpack_refuse_text(
            diag, "DLTensor: shape, strides and byte_offset reach beyond 2^63 bytes, wanted less");
    if (moved && from->device.device_type == kDLOpenCL)
        return segue_dlpack_refuse(diag, "DLTensor: negative strides reach ", moved,
                                   " bytes before an OpenCL buffer, wanted a byte_offset of ",
                                   (int64_t)t.offset, "");
    if (!t.data && t.bytes > t.offset)
        return segue_dlpack_refuse(diag, "DLTensor: data is NULL, wanted ", (int64_t)t.bytes,
                                   " bytes, first element at ", (int64_t)t.offset, "");
    *out = t;
    return SEGUE_OK;
}

/* The same tensor for DLPack. out->shape and out->strides point into *from, which must stay as long as out is
 * used. */
static inline segue_status segue_tensor_to_dlpack(const segue_tensor *from, DLDevice device, DLTensor *out,
                                                  segue_diag *diag)
{
    if (!from) return segue_dlpack_refuse_text(diag, "from is NULL, wanted a segue_tensor");
    if (!out) return segue_dlpack_refuse_text(diag, "out is NULL, wanted a DLTensor");
    if (!from->dtype.bits)
        return segue_dlpack_refuse_text(
            diag, "segue_tensor: absent (its dtype has 0 bits), wanted one that is there");
    if (from->rank > SEGUE_MAX_RANK)
        return segue_dlpack_refuse(diag, "segue_tensor: rank is ", from->rank, ", wanted 0 to ", SEGUE_MAX_RANK,
                                   "");
    memset(out, 0, sizeof *out);
    out->data = from->data;
    out->device = device;
    out->ndim = from->rank;
    out->dtype.code = from->dtype.code;
    out->dtype.bits = from->dtype.bits;
    out->dtype.lanes = from->dtype.lanes;
    out->shape = (int64_t *)from->shape; /* DLPack has no const */
    out->strides = (int64_t *)from->stride;
    out->byte_offset = from->offset;
    return SEGUE_OK;
}

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a call sees of memory: one device allocation that holds every operand and the workspace, each between guards, and a
 * host copy of every byte of it as it was before the run and as it is after. Between rows that lie far apart nothing is
 * copied or touched: then the copy consists of spans. */
#ifndef SEGUE_CONFORMANCE_IMAGE_H
#define SEGUE_CONFORMANCE_IMAGE_H

#include "call.h"
#include "check_case.h"

struct
    style { /* how a call lies in memory; from a hash of the case, so that each case is the same everywhere */
    uint32_t guard; /* 0: one element, 1: 64 bytes, 2: 4 KiB */
    uint32_t
        pattern; /* of guards and holes. 0: 0xff, 1: NaN of every dtype, signalling ones, 2: told from the address */
    int aligned; /* operands begin on multiples of 64 bytes, else exactly on their element's size */
    int clean;   /* inputs that the reference does not read keep their values, else they are NaN bytes */
    unsigned char poison; /* what outputs and workspace hold before the run */
    uint32_t shift;       /* bytes in front of everything: other addresses, the same alignment */
};

struct region {
    uint64_t at, bytes; /* from the allocation's first byte */
};

struct span {                 /* a part of the allocation that is copied */
    uint64_t at, bytes, copy; /* copy: where it lies in before and after */
};

struct spare { /* the last large allocation, for the next image: making one anew is slow under sanitizers */
    const struct lab_device *device;
    segue_buffer memory;
};
void spare_free(struct spare *s);

struct image {
    const struct lab_device *device;
    struct spare *spare;
    const struct call *call;
    struct style style;
    segue_buffer memory;
    uint64_t bytes, copied;
    struct region regions[DESCRIPTOR_FIELDS], workspace;
    struct span *spans;
    size_t span_count, span_room, last_span;
    unsigned char *before, *after;
    segue_op_header *op; /* with data */
    segue_diag diag;     /* of the device call that failed */
};

/* Bytes of device memory that the call takes with this workspace. */
uint64_t image_bytes(const struct call *c, uint64_t workspace);

/* Lays the call out. alignment: of the workspace, which gets exactly that and no more. spare: may be NULL. 0; -1 = no memory here; -2 = a call
 * of the device failed: diag. image_free() is legal after any. */
int image_make(struct image *out, struct spare *spare, const struct lab_device *device, const struct call *c,
               uint64_t workspace, uint64_t alignment, const struct style *style);
void image_free(struct image *m);
segue_buffer image_workspace(const struct image *m);

/* The host's copy to the device, the device's bytes to `after`; both wait. */
segue_status image_upload(struct image *m);
segue_status image_download(struct image *m);

/* The copies' bytes of an offset in the allocation, which must lie in a span. */
unsigned char *image_byte(struct image *m, unsigned char *copy, uint64_t at);

struct damage {     /* a byte that must not have changed and did */
    uint64_t bytes; /* how many did */
    uint32_t field; /* the operand that it belongs to or lies next to; field_count: the workspace */
    int has_index;
    int64_t index[SEGUE_MAX_RANK];
    char where[240]; /* "12 bytes behind y" */
};

/* After image_download(): 1 = bytes have changed that nobody may write. nothing: not even the outputs and the workspace. */
int image_damage(struct image *m, int nothing, struct damage *out);

/* Element by element of a written operand from `after`: values (may be NULL) and bytes as they lie there. */
void image_read(struct image *m, uint32_t field, double *value, unsigned char *bytes);

#endif

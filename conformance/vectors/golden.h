/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Golden vectors: one call of the original authors' code, as a safetensors file. golden/README.md has the
 * format. */
#ifndef SEGUE_CONFORMANCE_GOLDEN_H
#define SEGUE_CONFORMANCE_GOLDEN_H

#include <segue/segue.h>

#include <jansson.h>

enum { GOLDEN_WHY = 512 }; /* bytes of a reason */

typedef struct golden_tensor {
    const char *name;
    uint32_t dtype; /* SEGUE_..., 0 = one that Segue has no name for */
    int rank;
    int64_t shape[SEGUE_MAX_RANK];
    char axes[SEGUE_MAX_RANK + 1]; /* a letter an axis, slowest first; "" = the file does not say */
    const unsigned char *data;     /* packed, little-endian; not aligned */
    uint64_t bytes;
    int bound; /* an operand or a judgement took it */
} golden_tensor;

typedef struct golden_file {
    const char *primitive, *name, *source;
    double rtol;    /* bound on max abs(got - want) / max(1, max abs(want)); 0 = equal */
    json_t *params; /* object: name -> number, bool or string */
    golden_tensor *tensors;
    int tensor_count;
    json_t *header, *dims; /* own what the pointers above point to */
    unsigned char *content;
} golden_file;

/* Reads and checks a file. 0, or -1 with the reason in why[GOLDEN_WHY]; golden_free() is legal after either. */
int golden_read(const char *path, golden_file *out, char *why);
void golden_free(golden_file *file);

/* The first tensor of the file among names, which are separated by spaces; NULL = none. */
golden_tensor *golden_find(const golden_file *file, const char *names);
int64_t golden_count(const golden_tensor *t);
/* Element number index in the file's order; NAN where there is none, and of dtypes other than F64, F32, I64, I32. */
double golden_value(const golden_tensor *t, int64_t index);

#endif

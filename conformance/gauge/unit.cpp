/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One reference over one kind of number. Built once for each of reference/<primitive>.c, for each kind and, where it pays,
 * for each instruction set, with
 *
 *   SEGUE_REFERENCE   "<primitive>.c"
 *   SEGUE_GAUGE       "tangent.h", "tokens.h" or "counter.h": the header that defines its `real`
 *   SEGUE_PRIMITIVE   <primitive>
 *   SEGUE_UNIT        the name of the one function that this file exports
 *
 * Everything else is in an unnamed namespace: two units must not share an inline function, since one of them may be
 * compiled for a processor that is not here. For the same reason no header of the C++ library is included. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <segue/segue.h>

#include "numbers.h"

namespace
{
#include SEGUE_REFERENCE

#define JOIN(a, b, c) a##b##c
#define NAME(a, b, c) JOIN(a, b, c)
const auto reference = NAME(segue_reference_, SEGUE_PRIMITIVE, );
const auto work_of = NAME(segue_reference_, SEGUE_PRIMITIVE, _work);
} // namespace

extern "C" int SEGUE_UNIT(const segue_op_header *op, const gauge_class *of);
extern "C" int SEGUE_UNIT(const segue_op_header *op, const gauge_class *of)
{
    const int64_t count = work_of(op);
    /* All bits 0 is the number 0 of every kind. */
    const size_t bytes = (size_t)(count > 0 ? count : 1) * sizeof(real);
    real *work = (real *)aligned_alloc(alignof(real), bytes);
    if (!work) return -2;
    memset((void *)work, 0, bytes);
    gauge::begin(of);
    reference(op, work);
    free(work);
    return gauge::now.failed;
}

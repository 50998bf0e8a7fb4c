/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include "numbers.h"

/* gauge_names.h is made by the build: one REFERENCE(id, primitive) for each reference/<primitive>.c. */
#define REFERENCE(id, p) int gauge_counter_##p(const segue_op_header *, const struct gauge_class *);
#include "gauge_names.h"
#undef REFERENCE

int tally_run(const segue_op_header *op)
{
    static const struct built {
        uint32_t id;
        gauge_unit count;
    } references[] = {
#define REFERENCE(id, p) { id, gauge_counter_##p },
#include "gauge_names.h"
#undef REFERENCE
        { 0, NULL },
    };
    const struct built *r = references;
    while (r->id && r->id != op->primitive) r++;
    return r->id ? r->count(op, NULL) : -1;
}

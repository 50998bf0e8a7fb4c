/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a primitive's description by its id. */
#include "op.h"

static const struct {
    uint32_t id;
    const segue_primitive_facts *facts;
} primitives[] = {
#define PRIMITIVE(id, name) { id, &segue_facts_##name },
#include "primitives.def"
#undef PRIMITIVE
};

const segue_primitive_facts *segue_describe(uint32_t primitive)
{
    const size_t count = sizeof primitives / sizeof *primitives;
    if (primitive >= 1 && primitive <= count && primitives[primitive - 1].id == primitive)
        return primitives[primitive - 1].facts;
    return NULL;
}

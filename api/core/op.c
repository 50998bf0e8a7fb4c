/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One primitive's description as data. The only file that expands the rows of a .def: built once per line of
 * primitives.def with -DNAME=<primitive> -DID=<number>. Its functions are elsewhere, its logic is nowhere. */
#include "op.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define DESCRIPTION TEXT(NAME.def)

#define TYPE_INT int64_t
#define TYPE_REAL double

/* The op struct as the rows lay it out. */
#define OP(revision, title, source, dynamic, rules)
#define TENSOR(role, name, kind, dims, since, doc) segue_tensor name;
#define PARAM(type, name, initial, min, max, since, doc) TYPE_##type name;
#define ENUM(param, name, value, doc)
struct layout {
    segue_op_header header;
#include DESCRIPTION
};
#undef TENSOR
#undef PARAM

#define TENSOR(role, name, kind, dims, since, doc) \
    { #name, dims, doc, 0, 0, 0, SEGUE_ROLE_##role, SEGUE_KIND_##kind, offsetof(struct layout, name), since },
#define PARAM(type, name, initial, min, max, since, doc)                                                    \
    { #name, "", doc, initial, min, max, SEGUE_ROLE_##type, SEGUE_KIND_NONE, offsetof(struct layout, name), \
      since },
static const segue_field_facts fields[] = {
#include DESCRIPTION
};
#undef TENSOR
#undef PARAM
#undef ENUM

#define TENSOR(role, name, kind, dims, since, doc)
#define PARAM(type, name, initial, min, max, since, doc)
#define ENUM(param, name, value, doc) { #param, #name, doc, value },
static const segue_enum_facts enums[] = {
#include DESCRIPTION
    { NULL, NULL, NULL, 0 } /* C has no empty arrays */
};
#undef OP
#undef ENUM

#define OP(revision, title, source, dynamic, rules)                                              \
    title, source, dynamic, rules, fields, enums, ID, revision, (uint32_t)sizeof(struct layout), \
        sizeof fields / sizeof *fields, sizeof enums / sizeof *enums - 1, 0
#define ENUM(param, name, value, doc)
const segue_primitive_facts JOIN(segue_facts_, NAME) = {
    TEXT(NAME),
#include DESCRIPTION
};
#undef OP
#undef TENSOR
#undef PARAM

/* The library's build: ops.h, which was printed from these rows, must agree with them. */
#ifdef SEGUE_CHECK_OPS_H
#define PUBLIC JOIN(segue_, NAME)
#define OP(revision, title, source, dynamic, rules)
#define TENSOR(role, name, kind, dims, since, doc)                          \
    _Static_assert(offsetof(struct layout, name) == offsetof(PUBLIC, name), \
                   "ops.h is stale: run tools/dev/emit");
#define PARAM(type, name, initial, min, max, since, doc) TENSOR(0, name, 0, 0, 0, 0)
#include DESCRIPTION
_Static_assert(sizeof(struct layout) == sizeof(PUBLIC), "ops.h is stale: run tools/dev/emit");
_Static_assert(sizeof(struct layout) <= SEGUE_MAX_OP_SIZE, "the op struct is too large");
#endif

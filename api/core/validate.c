/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "validate.h"

#include "diag.h"

#include <inttypes.h>
#include <stdio.h>

#define PHASE SEGUE_PHASE_VALIDATE

struct job {
    const struct shapes *shapes;
    const segue_op_header *op;
    enum validate_mode mode;
    int handles;
    struct form *form;
    segue_diag *diag;
};

static const struct {
    uint32_t id;
    const char *name;
} dtype_names[] = {
    { SEGUE_F64, "f64" }, { SEGUE_F32, "f32" },       { SEGUE_F16, "f16" }, { SEGUE_BF16, "bf16" },
    { SEGUE_I64, "i64" }, { SEGUE_I32, "i32" },       { SEGUE_I8, "i8" },   { SEGUE_I4, "i4" },
    { SEGUE_U8, "u8" },   { SEGUE_C64, "complex64" },
};

const char *segue_dtype_text(segue_dtype dtype, char text[32])
{
    for (size_t i = 0; i < sizeof dtype_names / sizeof *dtype_names; i++)
        if (dtype_names[i].id == segue_dtype_id(dtype)) return dtype_names[i].name;
    snprintf(text, 32, "code %u, %u bits, %u lanes", dtype.code, dtype.bits, dtype.lanes);
    return text;
}

static const struct kind_rule { /* what a kind admits, and whether all operands of the kind share it */
    const char *words;
    int integer, shared;
} kinds[] = {
    [SEGUE_KIND_ACT] = { "f32, f16, bf16 or f64", 0, 1 },
    [SEGUE_KIND_GATE] = { "f32, f16, bf16 or f64", 0, 0 },
    [SEGUE_KIND_WEIGHT] = { "f32, f16, bf16 or f64", 0, 0 },
    [SEGUE_KIND_STATE] = { "f32, f16, bf16 or f64", 0, 1 },
    [SEGUE_KIND_I32] = { "i32", 1, 0 },
    [SEGUE_KIND_MIXED] = { "f32, f16, bf16 or f64", 0, 0 },
};

int segue_is_float(segue_dtype dtype)
{
    const uint32_t id = segue_dtype_id(dtype);
    return id == SEGUE_F32 || id == SEGUE_F16 || id == SEGUE_BF16 || id == SEGUE_F64;
}

static const segue_field_facts *field(const struct job *job, int i)
{
    return &job->shapes->facts->fields[i];
}

static segue_status check_dtype(struct job *job, int i, const segue_tensor *t, int first_of_kind[8])
{
    const segue_field_facts *f = field(job, i);
    const struct kind_rule *kind = &kinds[f->kind];
    const uint32_t id = segue_dtype_id(t->dtype);
    char text[32], other[32];
    if (kind->integer ? id != SEGUE_I32 : !segue_is_float(t->dtype))
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: dtype is %s, wanted %s%s", f->name,
                          segue_dtype_text(t->dtype, text), kind->words,
                          t->dtype.code == SEGUE_CODE_COMPLEX ? "; complex operands are not supported" : "");
    if (!kind->shared) return SEGUE_OK;
    if (first_of_kind[f->kind] < 0) first_of_kind[f->kind] = i;
    const segue_field_facts *first = field(job, first_of_kind[f->kind]);
    const segue_dtype want = tensor_at(job->op, first)->dtype;
    if (id == segue_dtype_id(want)) return SEGUE_OK;
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: dtype is %s, wanted %s as %s has",
                      f->name, segue_dtype_text(t->dtype, text), segue_dtype_text(want, other), first->name);
}

static void axis_text(struct axis axis, char text[16])
{
    if (axis.letter == CONSTANT) snprintf(text, 16, "fixed");
    else if (axis.plus) snprintf(text, 16, "%c%+d", 'a' + axis.letter, axis.plus);
    else snprintf(text, 16, "%c", 'a' + axis.letter);
}

static segue_status check_axis(struct job *job, int i, int d, int64_t size)
{
    const segue_field_facts *f = field(job, i);
    const struct axis axis = job->shapes->axes[i][d];
    int64_t *dims = job->form->dims, want = axis.plus;
    char text[16];
    axis_text(axis, text);
    if (axis.letter != CONSTANT) {
        const int64_t least = job->shapes->dynamic >> axis.letter & 1 ? 0 : 1;
        if (size < least + axis.plus)
            return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                              "%s: dimension %d is %" PRId64 ", wanted at least %" PRId64 " (%s)", f->name, d,
                              size, least + axis.plus, text);
        if (dims[axis.letter] == UNBOUND) {
            dims[axis.letter] = size - axis.plus;
            job->form->origin[axis.letter] = i;
        }
        want += dims[axis.letter];
    }
    if (size == want) return SEGUE_OK;
    if (axis.letter == CONSTANT)
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                          "%s: dimension %d is %" PRId64 ", wanted %" PRId64, f->name, d, size, want);
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                      "%s: dimension %d is %" PRId64 ", wanted %" PRId64 " (%s, from %s)", f->name, d, size,
                      want, text, field(job, job->form->origin[axis.letter])->name);
}

/* Stride 0 makes huge tensors of little memory; kernels still count their elements. */
static segue_status check_count(struct job *job, int i, const segue_tensor *t)
{
    int64_t count;
    if (segue_count(t, &count)) return SEGUE_OK;
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                      "%s: its axes multiply to more than 2^48 elements, wanted at most that",
                      field(job, i)->name);
}

static segue_status check_shape(struct job *job, int i, const segue_tensor *t)
{
    const segue_field_facts *f = field(job, i);
    const int rank = job->shapes->rank[i];
    if (t->rank != rank)
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: rank is %u, wanted %d [%s]",
                          f->name, t->rank, rank, f->dims);
    if (t->flags)
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: flags are %u, wanted 0", f->name,
                          t->flags);
    for (int d = 0; d < rank; d++) {
        const segue_status status = check_axis(job, i, d, t->shape[d]);
        if (status) return status;
    }
    return check_count(job, i, t);
}

/* Data, extent and alignment of one tensor; metadata (NULL data) only for planning. */
static segue_status check_memory(struct job *job, int i, const segue_tensor *t)
{
    const segue_field_facts *f = field(job, i);
    struct extent *e = &job->form->extents[i];
    const uint64_t bytes = t->dtype.bits / 8;
    int overflow;
    *e = segue_extent(t, &overflow);
    if (overflow)
        return segue_fail(
            job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
            "%s: shape, strides and offset reach beyond 2^63 bytes, wanted them within the %" PRIu64
            " bytes given",
            f->name, t->bytes);
    const int empty = e->low == e->high;
    if (is_written(f) && !empty && segue_overlaps_itself(t))
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                          "%s: its strides put two elements of an output in one place, wanted a place for each",
                          f->name);
    if (t->data && !empty)
        job->form->has_data |= (uint64_t)1 << i; /* what lies nowhere makes no alias choice */
    if (!t->data) {
        if (job->mode == FOR_PLAN || empty) return SEGUE_OK;
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                          "%s: data is NULL, wanted memory of the device", f->name);
    }
    if (e->low < 0 || (uint64_t)e->high > t->bytes)
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                          "%s: touches bytes %" PRId64 " to %" PRId64 ", given %" PRIu64 " bytes", f->name,
                          e->low, e->high, t->bytes);
    const uint64_t address = (job->handles ? 0 : (uint64_t)(uintptr_t)t->data) + t->offset;
    if (!empty && address % bytes)
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                          "%s: first element lies %" PRIu64 " bytes beyond a multiple of %" PRIu64 ", wanted 0",
                          f->name, address % bytes, bytes);
    return SEGUE_OK;
}

static segue_status check_tensor(struct job *job, int i, int first_of_kind[8])
{
    const segue_field_facts *f = field(job, i);
    const segue_tensor *t = tensor_at(job->op, f);
    segue_status status;
    if (!t->dtype.bits) {
        if (t->data)
            return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                              "%s: has data but no dtype; wanted both or neither", f->name);
        if (!is_required(f)) return SEGUE_OK;
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: missing, wanted a tensor [%s]",
                          f->name, f->dims);
    }
    job->form->present |= (uint64_t)1 << i;
    if ((status = check_dtype(job, i, t, first_of_kind))) return status;
    if ((status = check_shape(job, i, t))) return status;
    return check_memory(job, i, t);
}

/* The default of a parameter that has none. */
static segue_status fail_unset(struct job *job, int i)
{
    const segue_field_facts *f = field(job, i);
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                      "%s: required: wanted %.15g to %.15g, given %.15g: %s", f->name, f->min, f->max,
                      f->initial, f->doc);
}

static segue_status check_parameter(struct job *job, int i)
{
    const segue_primitive_facts *facts = job->shapes->facts;
    const segue_field_facts *f = &facts->fields[i];
    const char *at = (const char *)job->op + f->offset;
    int64_t whole = 0;
    double value = 0;
    if (f->role == SEGUE_ROLE_REAL) {
        memcpy(&value, at, 8);
        if (value >= f->min && value <= f->max) return SEGUE_OK; /* false for NaN */
        if (must_be_set(f) && value == f->initial) return fail_unset(job, i);
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: %.17g, wanted %.17g to %.17g",
                          f->name, value, f->min, f->max);
    }
    memcpy(&whole, at, 8);
    if (whole >= (int64_t)f->min && whole <= (int64_t)f->max) return SEGUE_OK;
    if (must_be_set(f) && whole == (int64_t)f->initial) return fail_unset(job, i);
    char names[200] = "";
    for (uint32_t k = 0, n = 0; k < facts->enum_count && n < sizeof names; k++)
        if (!strcmp(facts->enums[k].param, f->name))
            n += (uint32_t)snprintf(names + n, sizeof names - n, "%s%s = %" PRId64, n ? ", " : ": ",
                                    facts->enums[k].name, facts->enums[k].value);
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                      "%s: %" PRId64 ", wanted %" PRId64 " to %" PRId64 "%s", f->name, whole, (int64_t)f->min,
                      (int64_t)f->max, names);
}

/* The value of a term; UNBOUND if one of its letters is. */
static int64_t term_value(const struct job *job, const struct term *term)
{
    if (term->field >= 0) return segue_parameter_value(field(job, term->field), job->op) + term->plus;
    return segue_axis_sum(term, job->form->dims);
}

static int term_field(const struct job *job, const struct term *term)
{
    if (term->letter >= 0) return job->form->origin[term->letter];
    if (term->product_count) return job->form->origin[term->products[0].a];
    return term->field;
}

static segue_status fail_relation(struct job *job, const struct rule *rule, int64_t left, int64_t right)
{
    static const char *const wants[] = {
        [RULE_EQUAL] = "wanted", [RULE_AT_LEAST] = "wanted at least", [RULE_DIVIDES] = "wanted a multiple of"
    };
    const char *wants_text = wants[rule->kind];
    int blame = term_field(job, &rule->left), from = term_field(job, &rule->right);
    int64_t given = left, wanted = right;
    const struct term *term = &rule->left;
    char letter[4] = "", origin[80] = "";
    if (rule->kind == RULE_DIVIDES && rule->left.letter >= 0 && rule->right.letter >= 0) {
        const int swap = blame; /* "d % g == 0": g is to blame */
        wants_text = "which should divide";
        blame = from, from = swap;
        given = right, wanted = left;
        term = &rule->right;
    }
    if (term->letter >= 0) snprintf(letter, sizeof letter, "%c", 'a' + term->letter);
    if (from >= 0) snprintf(origin, sizeof origin, ", from %s", field(job, from)->name);
    return segue_fail(
        job->diag, SEGUE_ERROR_OPERAND, PHASE, blame + 1, "%s: %s is %" PRId64 ", %s %" PRId64 " (%.*s%s)",
        blame >= 0 ? field(job, blame)->name : job->shapes->facts->name, letter[0] ? letter : "value", given,
        wants_text, wanted, rule->text_length, rule->text, origin);
}

static void list_names(const struct job *job, uint64_t set, char *text, size_t size)
{
    text[0] = 0;
    for (size_t n = 0; set && n < size; set &= set - 1)
        n += (size_t)snprintf(text + n, size - n, "%s%s", n ? " or " : "",
                              field(job, __builtin_ctzll(set))->name);
}

/* "map is FAVOR_PLUS", "causal is 0" */
static void parameter_text(const struct job *job, int i, char text[96])
{
    const segue_primitive_facts *facts = job->shapes->facts;
    const int64_t value = segue_parameter_value(&facts->fields[i], job->op);
    snprintf(text, 96, "%s is %" PRId64, facts->fields[i].name, value);
    for (uint32_t k = 0; k < facts->enum_count; k++)
        if (!strcmp(facts->enums[k].param, facts->fields[i].name) && facts->enums[k].value == value)
            snprintf(text, 96, "%s is %s", facts->fields[i].name, facts->enums[k].name);
}

/* The operands that a condition names, and one of its parameters: -1 = none. */
static uint64_t condition_operands(const struct job *job, const struct condition *condition, int *parameter)
{
    uint64_t operands = 0;
    *parameter = condition->parameter;
    for (uint64_t set = condition->fields; set; set &= set - 1) {
        const int i = __builtin_ctzll(set);
        if (is_tensor(field(job, i))) operands |= (uint64_t)1 << i;
        else *parameter = i;
    }
    return operands;
}

/* An operand is missing, or one too many, for the value of a parameter (-1 = whatever the parameters). */
static segue_status fail_valued(struct job *job, const struct rule *rule, int blame, int parameter)
{
    const int needs = rule->kind == RULE_NEEDS, alone = !(rule->operands & (rule->operands - 1));
    char value[96] = "";
    if (parameter >= 0) parameter_text(job, parameter, value);
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, blame + 1, "%s: %s%s%s, wanted %s (%.*s)",
                      field(job, blame)->name, needs ? "missing" : "given", value[0] ? " while " : "", value,
                      !needs  ? "none"
                      : alone ? "it"
                              : "one of them",
                      rule->text_length, rule->text);
}

static uint64_t set_parameters(const struct job *job, uint64_t fields)
{
    uint64_t out = 0;
    for (uint64_t set = fields; set; set &= set - 1) {
        const int i = __builtin_ctzll(set);
        if (!is_tensor(field(job, i)) && segue_parameter_value(field(job, i), job->op)) out |= set & -set;
    }
    return out;
}

static segue_status fail_alone(const struct job *job, int given, const char *missing)
{
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, given + 1,
                      "%s: given without %s, wanted %s with it", field(job, given)->name, missing, missing);
}

static segue_status check_presence(struct job *job, const struct rule *rule)
{
    const uint64_t given = rule->operands & (job->form->present | set_parameters(job, rule->operands));
    const int needs = rule->kind == RULE_NEEDS;
    int parameter;
    char names[160];
    if (needs ? given != 0 : given == 0) return SEGUE_OK;
    const uint64_t blamed = needs ? rule->operands : given;
    const uint64_t named = condition_operands(job, &rule->condition, &parameter);
    const int first = __builtin_ctzll(blamed);
    if (parameter >= 0 || !named || (needs && rule->condition.unless))
        return fail_valued(job, rule, first, parameter);
    if (rule->condition.unless) { /* "no D unless k" */
        list_names(job, named, names, sizeof names);
        return fail_alone(job, first, names);
    }
    const int condition = __builtin_ctzll(named & job->form->present);
    list_names(job, blamed, names, sizeof names);
    if (needs && !(blamed & (blamed - 1))) return fail_alone(job, condition, names);
    return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, condition + 1,
                      needs ? "%s: given without %s, wanted one of them"
                            : "%s: given together with %s, wanted only one of them",
                      field(job, condition)->name, names);
}

/* An axis that nothing but this rule tells: "s == b" says what s is, and "n == t" what t is. */
static void bind_axis(struct job *job, const struct term *term, int64_t value, const struct term *from)
{
    if (term->letter < 0 || term->product_count || value < term->plus) return;
    job->form->dims[term->letter] = value - term->plus;
    job->form->origin[term->letter] = term_field(job, from);
}

static segue_status check_rule(struct job *job, const struct rule *rule)
{
    if (!segue_condition_holds(job->shapes->facts, &rule->condition, job->op, job->form->present))
        return SEGUE_OK;
    if (rule->kind >= RULE_NEEDS) return check_presence(job, rule);
    const int64_t left = term_value(job, &rule->left), right = term_value(job, &rule->right);
    if (left == UNBOUND || right == UNBOUND) {
        if (rule->kind == RULE_EQUAL && right != UNBOUND) bind_axis(job, &rule->left, right, &rule->right);
        if (rule->kind == RULE_EQUAL && left != UNBOUND) bind_axis(job, &rule->right, left, &rule->left);
        return SEGUE_OK;
    }
    const int good = rule->kind == RULE_EQUAL      ? left == right
                     : rule->kind == RULE_AT_LEAST ? left >= right
                                                   : divides(right, left);
    return good ? SEGUE_OK : fail_relation(job, rule, left, right);
}

/* x for x_out, by name and axes. */
static int named_partner(const segue_primitive_facts *facts, uint32_t i)
{
    const segue_field_facts *out = &facts->fields[i];
    for (uint32_t k = 0; k < i; k++) {
        const segue_field_facts *f = &facts->fields[k];
        const size_t n = strlen(f->name);
        if (is_tensor(f) && !is_written(f) && !strncmp(out->name, f->name, n) &&
            !strcmp(out->name + n, "_out") && !strcmp(out->dims, f->dims))
            return (int)k;
    }
    return -1;
}

int segue_partner(const segue_primitive_facts *facts, uint32_t i)
{
    int nth = 0;
    if (facts->fields[i].role != SEGUE_ROLE_STATE_OUT) return named_partner(facts, i);
    for (uint32_t k = 0; k < i; k++) nth += facts->fields[k].role == SEGUE_ROLE_STATE_OUT;
    for (uint32_t k = 0; k < facts->field_count; k++)
        if (facts->fields[k].role == SEGUE_ROLE_STATE_IN && nth-- == 0) return (int)k;
    return -1;
}

/* Written operand i against every other. */
static segue_status check_aliases(struct job *job, uint32_t i)
{
    const segue_primitive_facts *facts = job->shapes->facts;
    const segue_tensor *t = tensor_at(job->op, &facts->fields[i]);
    const int partner = segue_partner(facts, i);
    for (uint32_t k = 0; k < facts->field_count; k++) {
        const segue_field_facts *f = &facts->fields[k];
        if (k == i || !(job->form->present >> k & 1) ||
            !(job->form->has_data >> k & job->form->has_data >> i & 1))
            continue;
        if (is_written(f) && k < i) continue; /* judged from the other side */
        const segue_tensor *other = tensor_at(job->op, f);
        const int same = segue_same_place(t, other), overlap = segue_overlap(t, other, job->handles);
        if ((int)k == partner) job->form->alias[i] = same ? ALIAS_SAME : ALIAS_APART;
        if (!overlap || ((int)k == partner && same)) continue;
        return segue_fail(job->diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: overlaps %s in memory, wanted %s",
                          facts->fields[i].name, f->name,
                          (int)k == partner ? "the same tensor or one apart from it" : "memory of its own");
    }
    return SEGUE_OK;
}

segue_status segue_validate(const struct shapes *shapes, const segue_op_header *op, enum validate_mode mode,
                            int handles, struct form *out, segue_diag *diag)
{
    struct job job = { shapes, op, mode, handles, out, diag };
    const segue_primitive_facts *facts = shapes->facts;
    int first_of_kind[8] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    segue_status status = SEGUE_OK;
    memset(out, 0, sizeof *out);
    for (int k = 0; k < LETTERS; k++) out->dims[k] = UNBOUND, out->origin[k] = -1;
    for (uint32_t i = 0; i < facts->field_count && !status; i++)
        status = is_tensor(&facts->fields[i]) ? check_tensor(&job, (int)i, first_of_kind)
                                              : check_parameter(&job, (int)i);
    for (uint32_t r = 0; r < shapes->rule_count && !status; r++) status = check_rule(&job, &shapes->rules[r]);
    for (uint32_t i = 0; i < facts->field_count && !status; i++)
        if (is_tensor(&facts->fields[i]) && is_written(&facts->fields[i]) && out->present >> i & 1)
            status = check_aliases(&job, i);
    return status;
}

segue_status segue_validate_header(const segue_op_header *op, struct shapes *shapes, segue_diag *diag)
{
    if (!op)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "op is NULL, wanted a pointer to an op struct's header");
    const segue_primitive_facts *p = segue_describe(op->primitive);
    if (!p)
        return segue_fail(
            diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
            "header.primitive is %u, wanted the id of a primitive of ops.h: start from segue_<primitive>_init()",
            op->primitive);
    const segue_status status = segue_parse_shapes(p, shapes, diag);
    if (status) return status;
    if (op->size < shapes->first_size || op->size > SEGUE_MAX_OP_SIZE || op->size % 8)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "header.size is %u, wanted a multiple of 8 from %u to %d (%s has %u)", op->size,
                          shapes->first_size, SEGUE_MAX_OP_SIZE, p->name, p->op_size);
    for (uint32_t at = p->op_size; at < op->size; at++)
        if (((const char *)op)[at])
            return segue_fail(
                diag, SEGUE_ERROR_FIELD, PHASE, 0,
                "%s: byte %u is set, but this library knows %u bytes; wanted zeros there, or a newer library",
                p->name, at, p->op_size);
    if (op->revision < 1 || op->revision > p->revision)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0, "header.revision is %u, wanted 1 to %u (%s)",
                          op->revision, p->revision, p->name);
    if (op->flags & ~(uint32_t)SEGUE_RUN_TRUSTED)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "header.flags is %#x, wanted 0 or SEGUE_RUN_TRUSTED (%#x)", op->flags,
                          SEGUE_RUN_TRUSTED);
    return SEGUE_OK;
}

const segue_op_header *segue_full_op(const segue_op_header *op, uint32_t size, struct op_storage *storage)
{
    if (op->size >= size) return op;
    memmove(storage->bytes, op, op->size); /* op may be in storage already */
    memset(storage->bytes + op->size, 0, size - op->size);
    ((segue_op_header *)storage->bytes)->size = size;
    return (const segue_op_header *)storage->bytes;
}

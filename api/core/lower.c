/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "lower.h"

#include "check.h"
#include "diag.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PHASE SEGUE_PHASE_PLAN

#define PRIMITIVE(id, name) extern const struct lowering segue_lowering_##name;
#include "primitives.def"
#undef PRIMITIVE

static const struct {
    uint32_t id;
    const struct lowering *lowering;
} lowerings[] = {
#define PRIMITIVE(id, name) { id, &segue_lowering_##name },
#include "primitives.def"
#undef PRIMITIVE
};

const struct lowering *segue_lowering(uint32_t primitive)
{
    for (size_t i = 0; i < sizeof lowerings / sizeof *lowerings; i++)
        if (lowerings[i].id == primitive) return lowerings[i].lowering->count ? lowerings[i].lowering : NULL;
    return NULL;
}

/* ---- reading a table ------------------------------------------------------------------------------------ */

enum { ALTERNATIVES = 2, NONE = -1 };

struct resolver {
    const struct shapes *shapes; /* of the composite */
    const struct form *form;
    const segue_op_header *op;
    struct lowered *out;
    segue_diag *diag;
    const char *temp_names[LOWER_TEMPS];
    struct lowered_step *step;             /* NULL: one that does not run */
    struct shapes of_step;                 /* its primitive's */
    int8_t renamed[LETTERS][ALTERNATIVES]; /* the composite's letters, CONSTANT = length 1, NONE */
    int8_t inner[LETTERS];                 /* the one that is merged with it, NONE */
};

static segue_status fail_table(const struct resolver *r, const struct lowering_row *row, const char *what)
{
    return segue_fail(r->diag, SEGUE_ERROR_INTERNAL, PHASE, 0, "%s.lower: %s \"%s\": %s",
                      r->shapes->facts->name, row->name, row->value, what);
}

/* 1, 0, or -1 where it does not parse. */
static int row_holds(const struct resolver *r, const struct lowering_row *row)
{
    struct condition condition = { .parameter = -1 };
    const char *p = row->condition;
    if (!*p) return 1;
    condition.unless = !strncmp(p, "unless ", 7);
    if (!condition.unless && strncmp(p, "if ", 3)) return -1;
    p = segue_parse_condition(r->shapes->facts, p + (condition.unless ? 7 : 3), &condition);
    if (!p || *p) return -1;
    return segue_condition_holds(r->shapes->facts, &condition, r->op, r->form->present);
}

/* Sizes that the composite's axes have; 0 = one of them is unknown, or the product is beyond 2^48. */
static int temp_bytes(const struct resolver *r, const struct lowered_temp *temp, uint64_t *bytes)
{
    segue_tensor t = { .rank = (uint16_t)temp->rank };
    int64_t count = 1;
    for (int d = 0; d < temp->rank; d++) {
        if (temp->axes[d].letter == CONSTANT || r->form->dims[temp->axes[d].letter] == UNBOUND) return 0;
        t.shape[d] = r->form->dims[temp->axes[d].letter] + temp->axes[d].plus;
    }
    if (!segue_count(&t, &count)) return 0;
    for (int d = 0; d < temp->rank; d++) count = t.shape[d] ? count : 0;
    *bytes = (uint64_t)count * sizeof(float);
    return 1;
}

static segue_status read_temp(struct resolver *r, const struct lowering_row *row)
{
    struct lowered *l = r->out;
    struct lowered_temp *temp = &l->temps[l->temp_count];
    if (l->temp_count == LOWER_TEMPS) return fail_table(r, row, "one intermediate too many");
    temp->rank = segue_parse_axes(row->value, temp->axes);
    if (temp->rank < 1) return fail_table(r, row, "axes do not parse");
    if (!temp_bytes(r, temp, &temp->bytes))
        return segue_fail(r->diag, SEGUE_ERROR_UNSUPPORTED, PHASE, 0,
                          "%s: its axes [%s] multiply to more than 2^48 elements, wanted at most that",
                          row->name, row->value);
    temp->offset = l->bytes;
    l->bytes += (temp->bytes + LOWER_ALIGNMENT - 1) / LOWER_ALIGNMENT * LOWER_ALIGNMENT;
    r->temp_names[l->temp_count++] = row->name;
    return SEGUE_OK;
}

/* "k=n t=t|c o=1 e=r*t" over letters that keep their name; 0 = does not parse. */
static int read_renames(struct resolver *r, const char *p)
{
    memset(r->inner, NONE, sizeof r->inner);
    for (int i = 0; i < LETTERS; i++) r->renamed[i][0] = (int8_t)i, r->renamed[i][1] = NONE;
    for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
        if (!islower((unsigned char)p[0]) || p[1] != '=') return 0;
        int8_t *to = r->renamed[*p - 'a'], *inner = &r->inner[*p - 'a'];
        p++;
        for (int i = 0; i < ALTERNATIVES; i++) to[i] = NONE;
        for (int i = 0; i < ALTERNATIVES && (*p == '=' || *p == '|'); i++, p += 2) {
            if (p[1] != '1' && !islower((unsigned char)p[1])) return 0;
            to[i] = p[1] == '1' ? CONSTANT : (int8_t)(p[1] - 'a');
        }
        if (*p == '*' && to[0] != CONSTANT && to[1] == NONE && islower((unsigned char)p[1]) &&
            p[1] - 'a' != to[0])
            *inner = (int8_t)(p[1] - 'a'), p += 2;
        if (*p && *p != ' ') return 0;
    }
    return 1;
}

static void default_sets(struct resolver *r)
{
    const segue_primitive_facts *facts = r->step->facts;
    for (uint32_t i = 0; i < facts->field_count; i++) {
        const segue_field_facts *f = &facts->fields[i];
        const int64_t whole = (int64_t)f->initial;
        if (is_tensor(f) || r->step->set_count == LOWER_SETS) continue;
        struct lowered_set *set = &r->step->sets[r->step->set_count++];
        set->to = f->offset;
        memcpy(&set->value, f->role == SEGUE_ROLE_INT ? (const void *)&whole : (const void *)&f->initial, 8);
    }
}

static segue_status read_step(struct resolver *r, const struct lowering_row *row, int runs)
{
    struct lowered *l = r->out;
    const segue_primitive_facts *facts = NULL;
    r->step = NULL;
    for (uint32_t id = 1; (facts = segue_describe(id)) && strcmp(facts->name, row->name); id++)
        ;
    if (!facts) return fail_table(r, row, "no such primitive");
    if (!read_renames(r, row->value)) return fail_table(r, row, "renames do not parse");
    if (!runs) return SEGUE_OK;
    if (l->step_count == LOWER_STEPS) return fail_table(r, row, "one step too many");
    r->step = &l->steps[l->step_count++];
    r->step->facts = facts;
    r->step->number = l->step_count;
    default_sets(r);
    return segue_parse_shapes(facts, &r->of_step, r->diag);
}

/* The composite's letter, or the intermediate's: which axes a source has. */
struct source {
    const struct axis *axes;
    int rank;
    int temp, field; /* the one that it is; the other is NONE */
};

/* The first of "a|b" that is there; 0 = none is, -1 = no such name. */
static int find_source(const struct resolver *r, const char *names, struct source *out)
{
    for (const char *p = names; *p;) {
        const size_t n = strcspn(p, "|");
        for (uint32_t i = 0; i < r->out->temp_count; i++) {
            if (strlen(r->temp_names[i]) != n || memcmp(r->temp_names[i], p, n)) continue;
            *out = (struct source){ r->out->temps[i].axes, r->out->temps[i].rank, (int)i, NONE };
            return 1;
        }
        const int field = segue_field_index(r->shapes->facts, p, n);
        if (field >= 0 && !is_tensor(&r->shapes->facts->fields[field])) return -1;
        if (field >= 0 && r->form->present >> field & 1) {
            *out = (struct source){ r->shapes->axes[field], r->shapes->rank[field], NONE, field };
            return 1;
        }
        p += n + (p[n] == '|');
    }
    return 0;
}

/* The source's axis for one of the step's, in place of the letters that it may stand for; NONE = it has none. */
static int find_axis(const struct resolver *r, struct axis axis, const struct source *source, uint32_t used)
{
    for (int a = 0; a < ALTERNATIVES; a++) {
        const int letter = axis.letter == CONSTANT ? CONSTANT : r->renamed[axis.letter][a];
        for (int d = 0; d < source->rank && letter != NONE; d++)
            if (!(used >> d & 1) && source->axes[d].letter == letter && source->axes[d].plus == axis.plus)
                return d;
    }
    return NONE;
}

/* The source's place of one of the composite's letters; NONE. */
static int find_letter(const struct source *source, int letter)
{
    for (int d = 0; d < source->rank; d++)
        if (source->axes[d].letter == letter && !source->axes[d].plus) return d;
    return NONE;
}

/* The step's axis is two of the source's: both or none of them are there. */
static const char *bind_merged(const struct resolver *r, struct axis axis, const struct source *source,
                               int written, struct lowered_axis *out, uint32_t *used)
{
    const int letter = r->renamed[axis.letter][0], inner = r->inner[axis.letter];
    *out = (struct lowered_axis){ (int8_t)find_letter(source, letter), (int8_t)find_letter(source, inner),
                                  (uint8_t)letter, (uint8_t)inner };
    if (axis.plus) return "a merged axis that is counted from another number";
    if ((out->from == NONE) != (out->inner == NONE)) return "one of two merged axes that the source lacks";
    if (out->from != NONE) {
        if (*used & (1u << out->from | 1u << out->inner)) return "an axis of the source that is used twice";
        *used |= 1u << out->from | 1u << out->inner;
        if (source->temp != NONE && out->inner != out->from + 1)
            return "two merged axes that are not neighbours in the intermediate";
        return NULL;
    }
    if (written) return "an output has an axis that its place lacks";
    if (r->form->dims[letter] == UNBOUND || r->form->dims[inner] == UNBOUND) return "an axis of unknown size";
    return NULL;
}

/* Every axis of the source stands for one of the step's; what the source lacks is broadcast, which no output can be. */
static const char *bind_axes(const struct resolver *r, const struct source *source, int written,
                             struct lowered_use *use)
{
    uint32_t used = 0;
    use->rank = r->of_step.rank[use->field];
    use->plain = use->rank == source->rank;
    for (int d = 0; d < use->rank; d++) {
        const struct axis axis = r->of_step.axes[use->field][d];
        if (axis.letter != CONSTANT && r->inner[axis.letter] != NONE) {
            const char *wrong = bind_merged(r, axis, source, written, &use->axes[d], &used);
            if (wrong) return wrong;
            use->merged = 1;
            r->out->merged += use->axes[d].from != NONE && !use->temp;
            use->plain = 0;
            continue;
        }
        const int from = find_axis(r, axis, source, used);
        use->axes[d] = (struct lowered_axis){ (int8_t)from, NONE, CONSTANT, CONSTANT };
        use->plain &= from == d;
        if (from != NONE) {
            used |= 1u << from;
            continue;
        }
        if (axis.letter == CONSTANT || axis.plus) return "an axis that the source lacks";
        const int letter = r->renamed[axis.letter][0];
        if (letter == CONSTANT) continue;
        if (written) return "an output has an axis that its place lacks";
        if (find_letter(source, letter) != NONE) return "an axis of the source that is used twice";
        if (r->form->dims[letter] == UNBOUND) return "an axis of unknown size";
        use->axes[d].letter = (uint8_t)letter;
    }
    return used == (1u << source->rank) - 1 ? NULL : "the source has an axis that the step lacks";
}

/* An intermediate has the dtype that its steps want; an output of the caller's, which stands for one, must not round it. */
static segue_status suit_dtype(struct resolver *r, const struct lowering_row *row, const struct source *source,
                               const segue_field_facts *theirs)
{
    const uint32_t wanted = theirs->kind == SEGUE_KIND_I32 ? SEGUE_I32 : SEGUE_F32;
    if (source->temp != NONE) {
        segue_dtype *dtype = &r->out->temps[source->temp].dtype;
        if (dtype->bits && segue_dtype_id(*dtype) != wanted)
            return fail_table(r, row, "i32 in one step, floating in another");
        *dtype = segue_dtype_of(wanted);
        return SEGUE_OK;
    }
    const segue_field_facts *ours = &r->shapes->facts->fields[source->field];
    const segue_dtype dtype = tensor_at(r->op, ours)->dtype;
    char text[32];
    if (!is_written(ours) || is_written(theirs) || dtype.bits >= 32) return SEGUE_OK;
    return segue_fail(r->diag, SEGUE_ERROR_UNSUPPORTED, PHASE, (uint32_t)source->field + 1,
                      "%s: %s, wanted f32 or f64: step %u, %s, reads it", ours->name,
                      segue_dtype_text(dtype, text), r->step->number, r->step->facts->name);
}

static segue_status read_use(struct resolver *r, const struct lowering_row *row)
{
    const int field = segue_field_index(r->step->facts, row->name, strlen(row->name));
    struct lowered_use *use = &r->step->uses[r->step->use_count];
    struct source source;
    if (field < 0 || !is_tensor(&r->step->facts->fields[field])) return fail_table(r, row, "no such operand");
    if (r->step->use_count == LOWER_USES) return fail_table(r, row, "one operand too many");
    const int found = find_source(r, row->value, &source);
    if (found < 0) return fail_table(r, row, "a parameter, wanted an operand");
    if (!found) return SEGUE_OK; /* absent here as there; the step's own rules judge that */
    for (uint32_t i = 0; i < r->step->use_count; i++)
        if (r->step->uses[i].field == field) return fail_table(r, row, "given twice");
    use->to = r->step->facts->fields[field].offset;
    use->field = (uint8_t)field;
    use->temp = source.temp != NONE;
    use->source = source.field;
    use->from = use->temp ? (uint32_t)source.temp : r->shapes->facts->fields[source.field].offset;
    const char *wrong = bind_axes(r, &source, is_written(&r->step->facts->fields[field]), use);
    if (wrong) return fail_table(r, row, wrong);
    r->step->use_count++;
    return suit_dtype(r, row, &source, &r->step->facts->fields[field]);
}

/* A parameter's value in 8 bytes: the composite's parameter of that name, an enumerator, or a number; 0 = none of them. */
static int read_value(const struct resolver *r, const segue_field_facts *f, const char *text, int64_t *value)
{
    const segue_primitive_facts *ours = r->shapes->facts, *theirs = r->step->facts;
    const int field = segue_field_index(ours, text, strlen(text));
    if (field >= 0) {
        memcpy(value, (const char *)r->op + ours->fields[field].offset, sizeof *value);
        return ours->fields[field].role == f->role;
    }
    for (uint32_t i = 0; i < theirs->enum_count; i++)
        if (!strcmp(theirs->enums[i].param, f->name) && !strcmp(theirs->enums[i].name, text))
            return *value = theirs->enums[i].value, 1;
    char *end;
    const double real = strtod(text, &end);
    if (end == text || *end) return 0;
    *value = (int64_t)real;
    if (f->role == SEGUE_ROLE_REAL) memcpy(value, &real, sizeof *value);
    return 1;
}

static segue_status read_set(struct resolver *r, const struct lowering_row *row)
{
    const int field = segue_field_index(r->step->facts, row->name, strlen(row->name));
    const segue_field_facts *f = field < 0 ? NULL : &r->step->facts->fields[field];
    int64_t value = 0;
    if (!f || is_tensor(f)) return fail_table(r, row, "no such parameter");
    if (!read_value(r, f, row->value, &value)) return fail_table(r, row, "no such value");
    for (uint32_t i = 0; i < r->step->set_count; i++)
        if (r->step->sets[i].to == f->offset) return r->step->sets[i].value = value, SEGUE_OK;
    return fail_table(r, row, "one parameter too many");
}

static segue_status read_refusal(struct resolver *r, const struct lowering_row *row)
{
    const int field = segue_field_index(r->shapes->facts, row->name, strlen(row->name));
    if (field < 0) return fail_table(r, row, "no such operand");
    return segue_fail(r->diag, SEGUE_ERROR_UNSUPPORTED, PHASE, (uint32_t)field + 1, "step %u, %s: %s: %s",
                      r->step->number, r->step->facts->name, row->name, row->value);
}

static segue_status read_row(struct resolver *r, const struct lowering_row *row)
{
    if (row->kind == LOWERING_END) return SEGUE_OK;
    const int met = row_holds(r, row);
    if (met < 0) return fail_table(r, row, "its condition does not parse");
    if (row->kind == LOWERING_TEMP) return met ? read_temp(r, row) : SEGUE_OK;
    if (row->kind == LOWERING_STEP) return read_step(r, row, met);
    if (!r->step || !met) return SEGUE_OK;
    if (row->kind == LOWERING_USE) return read_use(r, row);
    return row->kind == LOWERING_SET ? read_set(r, row) : read_refusal(r, row);
}

/* ---- sizes that change from run to run ------------------------------------------------------------------- */

/* Where an operand of the plan has the axis. */
static int size_by_operand(const struct resolver *r, uint8_t letter, struct lowered_size *out)
{
    const struct shapes *s = r->shapes;
    for (uint32_t i = 0; i < s->facts->field_count; i++)
        for (int d = 0; r->form->present >> i & 1 && d < s->rank[i]; d++) {
            if (s->axes[i][d].letter != letter) continue;
            out->at = s->facts->fields[i].offset + (uint32_t)(offsetof(segue_tensor, shape) + (size_t)d * 8);
            out->plus = -s->axes[i][d].plus;
            return 1;
        }
    return 0;
}

/* "p == s unless slot": axes that no operand has; known: those that have been found. */
static int size_by_rule(const struct resolver *r, uint8_t letter, uint32_t known, struct lowered_size *out)
{
    const struct shapes *s = r->shapes;
    for (uint32_t i = 0; i < 2 * s->rule_count; i++) {
        const struct rule *rule = &s->rules[i / 2];
        const struct term *us = i % 2 ? &rule->right : &rule->left, *other = i % 2 ? &rule->left : &rule->right;
        if (rule->kind != RULE_EQUAL || us->letter != letter || other->letter < 0 ||
            rule->right.product_count || !(known >> other->letter & 1) ||
            !segue_condition_holds(s->facts, &rule->condition, r->op, r->form->present))
            continue;
        out->other = (uint8_t)other->letter;
        out->plus = other->plus - us->plus;
        return 1;
    }
    return 0;
}

/* What neither tells has the planned size in every run. */
static void find_sizes(const struct resolver *r)
{
    struct lowered *l = r->out;
    uint32_t known = 0;
    for (int pass = 0; pass < LETTERS; pass++)
        for (uint8_t k = 0; k < LETTERS; k++) {
            struct lowered_size size = { .letter = k, .other = CONSTANT };
            if (!(r->shapes->dynamic >> k & 1) || known >> k & 1 || r->form->dims[k] == UNBOUND) continue;
            if (pass ? !size_by_rule(r, k, known, &size) : !size_by_operand(r, k, &size)) continue;
            known |= 1u << k;
            l->sizes[l->size_count++] = size;
        }
}

static void find_absent(struct lowered_step *step)
{
    for (uint32_t f = 0; f < step->facts->field_count; f++) {
        int used = !is_tensor(&step->facts->fields[f]);
        for (uint32_t i = 0; i < step->use_count; i++) used |= step->uses[i].field == f;
        if (!used) step->absent[step->absent_count++] = step->facts->fields[f].offset;
    }
}

segue_status segue_lower(const struct lowering *table, const struct shapes *shapes, const struct form *form,
                         const segue_op_header *op, struct lowered *out, segue_diag *diag)
{
    struct resolver r = { .shapes = shapes, .form = form, .op = op, .out = out, .diag = diag };
    segue_status status = SEGUE_OK;
    memset(out, 0, sizeof *out);
    memcpy(out->dims, form->dims, sizeof form->dims);
    out->dims[CONSTANT] = 1;
    for (uint32_t i = 0; i < table->count && !status; i++) status = read_row(&r, &table->rows[i]);
    for (uint32_t i = 0; i < out->step_count && !status; i++) find_absent(&out->steps[i]);
    if (!status) find_sizes(&r);
    if (status || !segue_lower_merges(out, shapes->facts, op, diag)) return status;
    if (diag)
        diag->code = SEGUE_ERROR_UNSUPPORTED; /* here it is no wrong op, but one that the steps cannot see */
    return SEGUE_ERROR_UNSUPPORTED;
}

/* ---- one call ------------------------------------------------------------------------------------------- */

/* By vectors: for 128 bytes compilers emit "rep stos" and "rep movs", whose start alone takes longer. */
static inline void clear(segue_tensor *t)
{
    const pair zero = { 0, 0 };
    for (size_t i = 0; i < sizeof *t; i += sizeof zero) memcpy((char *)t + i, &zero, sizeof zero);
}

static inline void copy(segue_tensor *to, const segue_tensor *from)
{
    for (size_t i = 0; i < sizeof *to; i += sizeof(pair))
        memcpy((char *)to + i, (const char *)from + i, sizeof(pair));
}

static inline int can_merge(const segue_tensor *t, struct lowered_axis axis)
{
    const int64_t outer = t->shape[axis.from], inner = t->shape[axis.inner];
    int64_t step;
    return outer <= 1 || inner <= 1 ||
           (!__builtin_mul_overflow(inner, t->stride[axis.inner], &step) && step == t->stride[axis.from]);
}

static segue_status fail_merge(const struct lowered_step *step, const struct lowered_use *use,
                               struct lowered_axis axis, const segue_primitive_facts *facts,
                               const segue_tensor *t, segue_diag *diag)
{
    return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, (uint32_t)use->source + 1,
                      "%s: strides of axes %c and %c are %" PRId64 " and %" PRId64 ", wanted the first %" PRId64
                      " times the second: step %u, %s, sees them as one axis",
                      facts->fields[use->source].name, 'a' + axis.letter, 'a' + axis.inner_letter,
                      t->stride[axis.from], t->stride[axis.inner], t->shape[axis.inner], step->number,
                      step->facts->name);
}

segue_status segue_lower_merges(const struct lowered *l, const segue_primitive_facts *facts,
                                const segue_op_header *op, segue_diag *diag)
{
    if (!l->merged) return SEGUE_OK;
    for (uint32_t i = 0; i < l->step_count; i++)
        for (uint32_t k = 0; k < l->steps[i].use_count; k++) {
            const struct lowered_use *use = &l->steps[i].uses[k];
            const segue_tensor *t = (const segue_tensor *)((const char *)op + use->from);
            for (int d = 0; use->merged && !use->temp && d < use->rank; d++)
                if (use->axes[d].inner >= 0 && !can_merge(t, use->axes[d]))
                    return fail_merge(&l->steps[i], use, use->axes[d], facts, t, diag);
        }
    return SEGUE_OK;
}

void segue_lower_temps(const struct lowered *l, const segue_op_header *op, segue_buffer workspace,
                       int64_t sizes[LETTERS + 1], segue_tensor temps[LOWER_TEMPS])
{
    memcpy(sizes, l->dims, sizeof l->dims);
    for (uint32_t i = 0; i < l->size_count; i++) {
        const struct lowered_size *s = &l->sizes[i];
        int64_t found = 0;
        if (s->other == CONSTANT) memcpy(&found, (const char *)op + s->at, sizeof found);
        else found = sizes[s->other];
        sizes[s->letter] = found + s->plus;
    }
    for (uint32_t i = 0; i < l->temp_count; i++) {
        const struct lowered_temp *temp = &l->temps[i];
        segue_tensor *t = &temps[i];
        int64_t count = 1;
        clear(t);
        t->data = workspace.data;
        t->offset = workspace.offset + temp->offset;
        t->dtype = temp->dtype;
        t->rank = (uint16_t)temp->rank;
        for (int d = temp->rank - 1; d >= 0; d--) {
            t->shape[d] = sizes[temp->axes[d].letter] + temp->axes[d].plus;
            t->stride[d] = count;
            count *= t->shape[d];
        }
        t->bytes = t->offset + (uint64_t)count * sizeof(float);
    }
}

/* The axes of a view that are two of the source's. */
static __attribute__((noinline)) void merge(const segue_tensor *from, const struct lowered_use *use,
                                            const int64_t sizes[LETTERS + 1], segue_tensor *to)
{
    for (int d = 0; d < use->rank; d++) {
        const struct lowered_axis axis = use->axes[d];
        if (axis.from < 0) to->shape[d] = sizes[axis.letter] * sizes[axis.inner_letter];
        if (axis.inner < 0) continue;
        const int64_t outer = from->shape[axis.from], inner = from->shape[axis.inner];
        to->shape[d] = outer * inner;
        to->stride[d] = from->stride[inner == 1 && outer != 1 ? axis.from : axis.inner];
    }
}

static inline void view(const segue_tensor *from, const struct lowered_use *use,
                        const int64_t sizes[LETTERS + 1], segue_tensor *to)
{
    clear(to);
    to->data = from->data;
    to->offset = from->offset;
    to->bytes = from->bytes;
    to->dtype = from->dtype;
    to->rank = use->rank;
    for (int d = 0; d < use->rank; d++) {
        const struct lowered_axis axis = use->axes[d];
        to->shape[d] = axis.from >= 0 ? from->shape[axis.from] : sizes[axis.letter];
        to->stride[d] = axis.from >= 0 ? from->stride[axis.from] : axis.letter == CONSTANT;
    }
}

/* Every byte once, field by field: an op is thousands of bytes, of which most are those of absent operands. */
void segue_lower_step(const struct lowered_step *step, const segue_op_header *op,
                      const int64_t sizes[LETTERS + 1], const segue_tensor *temps, uint32_t op_size,
                      segue_op_header *out)
{
    char *const bytes = (char *)out;
    *out = (segue_op_header){ op_size, step->facts->id, step->facts->revision, op->flags };
    for (uint32_t i = 0; i < step->set_count; i++)
        memcpy(bytes + step->sets[i].to, &step->sets[i].value, sizeof step->sets[i].value);
    for (uint32_t i = 0; i < step->absent_count; i++) clear((segue_tensor *)(bytes + step->absent[i]));
    for (uint32_t i = 0; i < step->use_count; i++) {
        const struct lowered_use *use = &step->uses[i];
        const segue_tensor *from =
            use->temp ? &temps[use->from] : (const segue_tensor *)((const char *)op + use->from);
        if (use->plain) copy((segue_tensor *)(bytes + use->to), from);
        else view(from, use, sizes, (segue_tensor *)(bytes + use->to));
        if (use->merged) merge(from, use, sizes, (segue_tensor *)(bytes + use->to));
    }
    if (op_size > step->facts->op_size) /* a plugin that knows later fields */
        memset(bytes + step->facts->op_size, 0, op_size - step->facts->op_size);
}

void segue_lower_blame(const struct lowered_step *step, char *text, size_t size, uint32_t *field)
{
    char said[sizeof(((segue_diag *)0)->text)];
    uint32_t ours = 0;
    snprintf(said, sizeof said, "%.*s", (int)size, text); /* a plugin's, which may lack its end */
    snprintf(text, size, "step %u, %s: %s", step->number, step->facts->name, said);
    for (uint32_t i = 0; i < step->use_count; i++)
        if (step->uses[i].field + 1u == *field && !step->uses[i].temp)
            ours = (uint32_t)step->uses[i].source + 1;
    *field = ours;
}

/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "diag.h"
#include "overlap.h"

#include <inttypes.h>

#define PHASE SEGUE_PHASE_RUN

static uint32_t word_of(segue_dtype dtype)
{
    uint32_t word;
    memcpy(&word, &dtype, sizeof word);
    return word;
}

static inline pair load_pair(const int64_t *from)
{
    pair p;
    memcpy(&p, from, sizeof p);
    return p;
}

static inline int64_t load_word(const segue_tensor *t)
{
    int64_t word;
    memcpy(&word, &t->dtype, sizeof word);
    return word;
}

static void compile_tensor(const struct shapes *shapes, const struct form *form, const segue_op_header *op,
                           uint32_t i, struct check *out, int index_of[MAX_FIELDS])
{
    const segue_field_facts *f = &shapes->facts->fields[i];
    struct check_tensor *c = &out->tensors[out->tensor_count];
    const int partner = segue_partner(shapes->facts, i);
    index_of[i] = (int)out->tensor_count++;
    if (is_written(f)) out->written[out->written_count++] = (uint32_t)index_of[i];
    *c = (struct check_tensor){ .offset = f->offset,
                                .dtype = word_of(tensor_at(op, f)->dtype),
                                .rank = shapes->rank[i],
                                .written = (uint8_t)is_written(f),
                                .bytes = tensor_at(op, f)->dtype.bits / 8,
                                .misaligned = tensor_at(op, f)->dtype.bits / 8u - 1u };
    memcpy(c->axes, shapes->axes[i], sizeof c->axes);
    c->geometry.word = load_word(tensor_at(op, f));
    memcpy(c->geometry.shape, tensor_at(op, f)->shape, sizeof c->geometry.shape);
    memcpy(c->geometry.stride, tensor_at(op, f)->stride, sizeof c->geometry.stride);
    c->reach = (struct extent){ form->extents[i].low - (int64_t)tensor_at(op, f)->offset,
                                form->extents[i].high - (int64_t)tensor_at(op, f)->offset };
    const int far = (c->reach.high | (c->reach.low ^ c->reach.low >> 63)) >> 56 != 0; /* place() adds offsets */
    out->no_repeat |= form->extents[i].low == form->extents[i].high || c->rank > 4 || far;
    if (partner >= 0 && form->present >> partner & 1) {
        c->partner = (uint8_t)(1 + index_of[partner]); /* descriptions name the incoming state first */
        c->alias = form->alias[i];
        c->twin = !memcmp(&c->geometry, &out->tensors[c->partner - 1].geometry, sizeof c->geometry);
    }
}

/* A term's letter (CONSTANT without one) and what is added to it; parameters are frozen, so they are constants. */
static int compile_term(const struct shapes *shapes, const segue_op_header *op, const struct term *term,
                        int64_t *plus)
{
    *plus = term->plus;
    if (term->field >= 0) *plus += segue_parameter_value(&shapes->facts->fields[term->field], op);
    return term->letter >= 0 ? term->letter : CONSTANT;
}

/* Presence and parameters are frozen too, so only relations with a dynamic axis are left to a run. */
static void compile_rules(const struct shapes *shapes, const struct form *form, const segue_op_header *op,
                          struct check *out)
{
    for (uint32_t r = 0; r < shapes->rule_count; r++) {
        const struct rule *rule = &shapes->rules[r];
        int64_t left_plus, right_plus;
        if (rule->kind > RULE_DIVIDES) continue;
        if (rule->right.product_count) continue; /* of frozen axes, as what it is compared with */
        if (!segue_condition_holds(shapes->facts, &rule->condition, op, form->present)) continue;
        const int left = compile_term(shapes, op, &rule->left, &left_plus);
        const int right = compile_term(shapes, op, &rule->right, &right_plus);
        const uint32_t letters = (left != CONSTANT ? 1u << left : 0) | (right != CONSTANT ? 1u << right : 0);
        if (!(letters & shapes->dynamic)) continue;
        if ((left != CONSTANT && form->dims[left] == UNBOUND) ||
            (right != CONSTANT && form->dims[right] == UNBOUND))
            continue;
        struct check_relation *c = &out->relations[out->relation_count++];
        *c = (struct check_relation){ .kind = (uint8_t)rule->kind,
                                      .left = (uint8_t)left,
                                      .right = (uint8_t)right,
                                      .plus = right_plus - left_plus };
        if (rule->kind == RULE_DIVIDES) c->plus = right_plus, c->left_plus = left_plus;
    }
}

void segue_check_compile(const struct shapes *shapes, const struct form *form, const segue_op_header *op,
                         int handles, struct check *out)
{
    int index_of[MAX_FIELDS] = { 0 };
    memset(out, 0, sizeof *out);
    out->handles = handles;
    out->no_repeat = handles != 0;
    out->shapes = *shapes;
    out->form = *form;
    for (int k = 0; k < LETTERS; k++) {
        const int dynamic = shapes->dynamic >> k & 1;
        out->dims[k] = dynamic ? UNBOUND : form->dims[k];
        out->bound[k] = form->dims[k];
    }
    for (uint32_t i = 0; i < shapes->facts->field_count; i++) {
        const segue_field_facts *f = &shapes->facts->fields[i];
        if (!is_tensor(f)) {
            struct check_parameter *p = &out->parameters[out->parameter_count++];
            p->offset = f->offset;
            memcpy(&p->value, (const char *)op + f->offset, 8);
        } else if (form->present >> i & 1) {
            compile_tensor(shapes, form, op, i, out, index_of);
        } else {
            out->absent[out->absent_count++] = f->offset;
        }
    }
    compile_rules(shapes, form, op, out);
}

static inline const segue_tensor *tensor_of(const segue_op_header *op, const struct check_tensor *c)
{
    return (const segue_tensor *)((const char *)op + c->offset);
}

enum { PAIRS = MAX_FIELDS / 2 + 2 };

struct places { /* bytes that each tensor touches: [low, high); (0, 0) = none */
    pair low[PAIRS], high[PAIRS];
};

static inline void set_place(struct places *p, size_t i, int64_t low, int64_t high)
{
    ((int64_t *)p->low)[i] = low;
    ((int64_t *)p->high)[i] = high;
}

struct doubts { /* found in any tensor; the top bit of outside counts */
    uint64_t outside, misaligned;
};

/* A handle has no address. Each gets one of its own, aligned and below 2^62, by multiplicative hashing: different
 * handles then lie apart, but for a chance of size / 2^61, which costs a closer look and nothing else. */
static inline uint64_t scattered(uint64_t handle)
{
    return handle * UINT64_C(0x9e3779b97f4a7c15) >> 2 & ~UINT64_C(255);
}

/* Where a tensor of that reach (from its first element) lies, its data at address, and whether it must not. */
static inline void place(uint64_t address, const struct check_tensor *c, const segue_tensor *t,
                         struct extent reach, struct places *places, size_t i, struct doubts *doubts)
{
    const uint64_t data = (uint64_t)(uintptr_t)t->data, first = address + t->offset;
    const uint64_t before = t->offset + (uint64_t)reach.low, behind = t->offset + (uint64_t)reach.high;
    const uint64_t low = first + (uint64_t)reach.low, high = first + (uint64_t)reach.high;
    doubts->outside |= before | behind | (t->bytes - behind) | high | (data - 1);
    doubts->misaligned |= first & c->misaligned;
    set_place(places, i, (int64_t)low, (int64_t)high);
}

static inline int doubtful(struct doubts doubts)
{
    return (doubts.outside >> 63 | doubts.misaligned) != 0;
}

/* Strides that were fine for the plan are fine for any smaller shape. */
static inline int same_strides(const struct check_tensor *c, const segue_tensor *t)
{
    return c->rank <= 4 && !memcmp(c->geometry.stride, t->stride, c->rank * sizeof *t->stride);
}

/* Binds or compares the axes, and finds the place; 0 = look closer. */
static inline int quick_tensor(const struct check *check, const struct check_tensor *c, const segue_tensor *t,
                               int64_t *dims, struct places *places, uint32_t i)
{
    struct extent reach = { 0, 0 };
    uint32_t word;
    int empty = 0;
    memcpy(&word, &t->dtype, sizeof word);
    if (word != c->dtype || t->rank != c->rank || t->flags) return 0;
    for (int d = 0; d < c->rank; d++) {
        const struct axis axis = c->axes[d];
        const int64_t size = t->shape[d], value = (int64_t)((uint64_t)size - (uint64_t)axis.plus);
        int64_t step;
        if (dims[axis.letter] < 0) {
            if ((uint64_t)value > (uint64_t)check->bound[axis.letter]) return 0;
            dims[axis.letter] = value;
        } else if (value != dims[axis.letter]) {
            return 0;
        }
        empty |= !size;
        if (size < 0 || __builtin_mul_overflow(size - 1, t->stride[d], &step)) return 0;
        if ((step ^ step >> 63) >> 50) return 0; /* far from overflow here and below */
        if (step < 0) reach.low += step;
        else reach.high += step;
    }
    if (empty) return set_place(places, i, 0, 0), !(t->offset >> 63);
    if (c->written && !same_strides(c, t) && segue_overlaps_itself(t)) return 0;
    reach.low = reach.low * c->bytes;
    reach.high = (reach.high + 1) * c->bytes;
    struct doubts doubts = { 0, 0 };
    const uint64_t data = (uint64_t)(uintptr_t)t->data;
    place(check->handles ? scattered(data) : data, c, t, reach, places, i, &doubts);
    return !doubtful(doubts);
}

static inline int quick_relation(const struct check_relation *r, int64_t *dims)
{
    const int64_t left = dims[r->left], right = dims[r->right] + r->plus;
    if (r->kind == RULE_EQUAL) {
        if (left < 0) dims[r->left] = right; /* an axis that no operand of this call has */
        else if (dims[r->right] < 0) dims[r->right] = left - r->plus;
        else return left == right;
        return 1;
    }
    if (left < 0 || dims[r->right] < 0) return 0;
    return r->kind == RULE_AT_LEAST ? left >= right : divides(right, left + r->left_plus);
}

/* The outgoing state t lies exactly where the incoming one does. */
static inline int in_its_place(const struct check_tensor *c, const segue_tensor *t, const segue_tensor *partner,
                               int repeat)
{
    return t->data == partner->data && t->offset == partner->offset &&
           (repeat ? c->twin : segue_same_place(t, partner));
}

/* Written tensor i meets no other, except a state in its own place. */
static inline int quick_aliases(const struct check *check, const segue_op_header *op, struct places *places,
                                uint32_t i, int repeat)
{
    const struct check_tensor *c = &check->tensors[i];
    const int64_t low = ((int64_t *)places->low)[i], high = ((int64_t *)places->high)[i];
    const uint32_t partner = c->partner ? c->partner - 1u : i;
    pair meets = { 0, 0 };
    int same = 0;
    if (c->partner) {
        same = in_its_place(c, tensor_of(op, c), tensor_of(op, &check->tensors[partner]), repeat);
        if (c->alias == (same ? ALIAS_APART : ALIAS_SAME)) return 0;
    }
    set_place(places, i, 0, 0); /* out of the way for a moment */
    if (same) set_place(places, partner, 0, 0);
    const pair *l = places->low, *h = places->high, *const end = l + (check->tensor_count + 1u) / 2;
    for (; l < end; l += 2, h += 2) /* two ranges meet where both differences are negative: the top bit */
        meets |= ((low - h[0]) & (l[0] - high)) | ((low - h[1]) & (l[1] - high));
    if (same) set_place(places, partner, low, high);
    set_place(places, i, low, high);
    return (meets[0] | meets[1]) >= 0;
}

static inline pair differing(const struct geometry *g, const segue_tensor *t, int p)
{
    return (load_pair(t->shape + 2 * p) ^ g->shape[p]) | (load_pair(t->stride + 2 * p) ^ g->stride[p]);
}

/* All tensors have the planned geometry, as in every decode step: 1 = and lie well; 0 = look closer; -1 =
 * another geometry. Axes beyond the rank are compared as well: 0 in what segue_tensor_of makes; otherwise the
 * general path decides. */
static inline int quick_repeat(const struct check *check, const segue_op_header *op, struct places *places)
{
    struct doubts doubts = { 0, 0 };
    pair differ = { 0, 0 };
    int64_t words = 0;
    const struct check_tensor *c = check->tensors, *const end = c + check->tensor_count;
    for (size_t i = 0; c < end; c++, i++) {
        const segue_tensor *t = tensor_of(op, c);
        words |= load_word(t) ^ c->geometry.word;
        differ |= differing(&c->geometry, t, 0) | differing(&c->geometry, t, 1);
        place((uint64_t)(uintptr_t)t->data, c, t, c->reach, places, i, &doubts);
    }
    return words | differ[0] | differ[1] ? -1 : !doubtful(doubts);
}

static inline int quick_general(const struct check *check, const segue_op_header *op, struct places *places)
{
    int64_t dims[LETTERS + 1];
    memcpy(dims, check->dims, sizeof dims);
    for (uint32_t i = 0; i < check->tensor_count; i++)
        if (!quick_tensor(check, &check->tensors[i], tensor_of(op, &check->tensors[i]), dims, places, i))
            return 0;
    for (uint32_t i = 0; i < check->relation_count; i++)
        if (!quick_relation(&check->relations[i], dims)) return 0;
    return 1;
}

static inline int is_absent(const segue_tensor *t)
{
    return !t->dtype.bits && !t->data;
}

int segue_check_quickly(const struct check *check, const segue_op_header *op)
{
    struct places places;
    int repeat = -1, good;
    for (uint32_t i = 0; i < check->absent_count; i++)
        if (!is_absent((const segue_tensor *)((const char *)op + check->absent[i]))) return 0;
    for (uint32_t i = 0; i < check->parameter_count; i++)
        if (memcmp((const char *)op + check->parameters[i].offset, &check->parameters[i].value, 8)) return 0;
    for (size_t i = 0; i < 3; i++)
        set_place(&places, check->tensor_count + i, 0, 0); /* the rest of the last four */
    if (!check->no_repeat) repeat = quick_repeat(check, op, &places);
    good = repeat < 0 ? quick_general(check, op, &places) : repeat;
    for (uint32_t i = 0; i < check->written_count && good; i++)
        good = quick_aliases(check, op, &places, check->written[i], repeat > 0);
    return good;
}

static segue_status slow_presence(const struct check *check, const struct form *now, segue_diag *diag)
{
    const uint64_t differ = now->present ^ check->form.present;
    if (!differ) return SEGUE_OK;
    const int i = __builtin_ctzll(differ);
    const int given = (int)(now->present >> i & 1);
    return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                      "%s: %s in this run, wanted it %s as in the plan", check->shapes.facts->fields[i].name,
                      given ? "present" : "absent", given ? "absent" : "present");
}

static segue_status slow_parameter(const segue_field_facts *f, uint32_t i, const char *given, const char *want,
                                   segue_diag *diag)
{
    int64_t whole[2];
    double real[2];
    memcpy(&whole[0], given, 8), memcpy(&whole[1], want, 8);
    memcpy(&real[0], given, 8), memcpy(&real[1], want, 8);
    if (f->role == SEGUE_ROLE_REAL)
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: %.17g, wanted %.17g as in the plan",
                          f->name, real[0], real[1]);
    return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                      "%s: %" PRId64 ", wanted %" PRId64 " as in the plan", f->name, whole[0], whole[1]);
}

static segue_status slow_field(const struct check *check, const struct form *now, const segue_op_header *op,
                               uint32_t i, segue_diag *diag)
{
    const segue_field_facts *f = &check->shapes.facts->fields[i];
    const segue_op_header *planned = (const segue_op_header *)check->planned->bytes;
    char text[32], other[32];
    if (!is_tensor(f)) {
        if (!memcmp((const char *)op + f->offset, (const char *)planned + f->offset, 8)) return SEGUE_OK;
        return slow_parameter(f, i, (const char *)op + f->offset, (const char *)planned + f->offset, diag);
    }
    if (!(now->present >> i & 1)) return SEGUE_OK;
    const segue_dtype given = tensor_at(op, f)->dtype, want = tensor_at(planned, f)->dtype;
    if (segue_dtype_id(given) != segue_dtype_id(want))
        return segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: dtype is %s, wanted %s as in the plan",
                          f->name, segue_dtype_text(given, text), segue_dtype_text(want, other));
    if (check->form.alias[i] == ALIAS_EITHER || now->alias[i] == ALIAS_EITHER ||
        now->alias[i] == check->form.alias[i])
        return SEGUE_OK;
    return segue_fail(
        diag, SEGUE_ERROR_OPERAND, PHASE, i + 1, "%s: lies %s, wanted it %s as in the plan", f->name,
        now->alias[i] == ALIAS_SAME ? "in the place of the incoming one" : "apart from the incoming one",
        now->alias[i] == ALIAS_SAME ? "apart" : "in its place");
}

segue_status segue_check_slowly(const struct check *check, const segue_op_header *op, segue_diag *diag)
{
    const struct shapes *shapes = &check->shapes;
    struct form now;
    segue_status status = segue_validate(shapes, op, FOR_RUN, check->handles, &now, diag);
    if (status) {
        if (diag) diag->phase = PHASE;
        return status;
    }
    if ((status = slow_presence(check, &now, diag))) return status;
    for (uint32_t i = 0; i < shapes->facts->field_count && !status; i++)
        status = slow_field(check, &now, op, i, diag);
    for (int k = 0; k < LETTERS && !status; k++) {
        const int dynamic = shapes->dynamic >> k & 1, i = now.origin[k];
        if (dynamic ? now.dims[k] <= check->form.dims[k] : now.dims[k] == check->form.dims[k]) continue;
        status = segue_fail(diag, SEGUE_ERROR_OPERAND, PHASE, i + 1,
                            "%s: axis %c is %" PRId64 ", wanted %s%" PRId64 " as in the plan",
                            shapes->facts->fields[i].name, 'a' + k, now.dims[k], dynamic ? "at most " : "",
                            check->form.dims[k]);
    }
    return status;
}

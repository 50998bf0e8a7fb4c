/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of ops/<composite>.lower against the descriptions, and what wrong tables are told: internal, so it is compiled
 * into the test. */
#include "diag.c"
#include "lower.c"
#include "overlap.c"
#include "shapes.c"
#undef PHASE
#include "validate.c"

#include "core_testing.h"

#include <sys/mman.h>
#include <unistd.h>

/* The next of "a|b", copied; NULL behind the last. */
static const char *next_name(const char *p, char name[64])
{
    if (!*p) return NULL;
    const size_t n = strcspn(p, "|");
    snprintf(name, 64, "%.*s", (int)n, p);
    return p + n + (p[n] == '|');
}

static const segue_primitive_facts *primitive_named(const char *name)
{
    const segue_primitive_facts *facts = NULL;
    for (uint32_t id = 1; (facts = segue_describe(id)) && strcmp(facts->name, name); id++)
        ;
    return facts;
}

static int is_temp(const struct lowering *l, const char *name)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (l->rows[i].kind == LOWERING_TEMP && !strcmp(l->rows[i].name, name)) return 1;
    return 0;
}

/* Whether a row names an operand or parameter of the composite, as a source, a value or in a condition. */
static int mentions(const struct lowering_row *row, const char *name)
{
    const size_t n = strlen(name);
    const char *texts[] = { row->kind == LOWERING_USE || row->kind == LOWERING_SET ? row->value : "",
                            row->condition };
    for (int i = 0; i < 2; i++)
        for (const char *p = texts[i]; *p; p++) {
            const size_t length = word_length(p);
            if (length == n && !memcmp(p, name, n)) return 1;
            if (length) p += length - 1;
        }
    return 0;
}

/* Every source is there, every condition parses, no intermediate hides an operand, and nothing of the composite is left
 * out: an operand that no step takes would be ignored. */
static void names(void **state)
{
    (void)state;
    for (uint32_t id = 1; segue_describe(id); id++) {
        const segue_primitive_facts *facts = segue_describe(id), *step = NULL;
        const struct lowering *l = segue_lowering(id);
        struct resolver r = { 0 };
        struct shapes shapes;
        assert_ok(segue_parse_shapes(facts, &shapes, why));
        const segue_op_header op[SEGUE_MAX_OP_SIZE / sizeof(segue_op_header)] = { { 0 } };
        const struct form form = { .present = 0 };
        r.shapes = &shapes, r.form = &form, r.op = op;
        for (uint32_t i = 0; l && i < l->count; i++) {
            const struct lowering_row *row = &l->rows[i];
            char name[64];
            if (row_holds(&r, row) < 0)
                fail_msg("%s.lower: \"%s\" does not parse", facts->name, row->condition);
            if (row->kind == LOWERING_STEP) step = primitive_named(row->name);
            if (row->kind == LOWERING_TEMP && segue_field_index(facts, row->name, strlen(row->name)) >= 0)
                fail_msg("%s.lower: intermediate %s is called like an operand", facts->name, row->name);
            for (const char *p = row->value; row->kind == LOWERING_USE && (p = next_name(p, name));)
                if (!is_temp(l, name) && segue_field_index(facts, name, strlen(name)) < 0)
                    fail_msg("%s.lower: %s has no %s", facts->name, step->name, name);
        }
        for (uint32_t f = 0; l && f < facts->field_count; f++) {
            int found = 0;
            for (uint32_t i = 0; i < l->count; i++) found |= mentions(&l->rows[i], facts->fields[f].name);
            if (!found) fail_msg("%s.lower: %s is ignored", facts->name, facts->fields[f].name);
        }
    }
}

/* An op with these optional operands and small axes; integer parameters of the set have this value. */
struct tried {
    struct op_storage storage;
    struct shapes shapes;
    struct form form;
};

static int64_t size_of(int letter)
{
    return letter == CONSTANT ? 0 : strchr("bsp", 'a' + letter) ? 1 : strchr("hgijow", 'a' + letter) ? 2 : 4;
}

/* Returns the number of the field that is wrong, -1 of none in particular; 0 = the op is valid. */
static int try_op(uint32_t id, uint64_t set, int64_t value, struct tried *t)
{
    segue_diag said = { 0 };
    segue_op_header *op = (segue_op_header *)t->storage.bytes;
    const segue_primitive_facts *facts = segue_describe(id);
    memset(&t->storage, 0, sizeof t->storage);
    assert_ok(segue_parse_shapes(facts, &t->shapes, why));
    assert_ok(segue_op_init(id, op, facts->op_size, why));
    for (uint32_t i = 0; i < facts->field_count; i++) {
        const segue_field_facts *f = &facts->fields[i];
        int64_t shape[SEGUE_MAX_RANK] = { 0 }, least = (int64_t)f->min;
        if (f->role == SEGUE_ROLE_REAL && must_be_set(f)) memcpy((char *)op + f->offset, &f->min, 8);
        if (f->role == SEGUE_ROLE_INT && must_be_set(f)) memcpy((char *)op + f->offset, &least, 8);
        if (f->role == SEGUE_ROLE_INT && value >= 0 && value <= (int64_t)f->max && set >> i & 1)
            memcpy((char *)op + f->offset, &value, 8);
        if (!is_tensor(f) || !(is_required(f) || set >> i & 1)) continue;
        for (int d = 0; d < t->shapes.rank[i]; d++)
            shape[d] = size_of(t->shapes.axes[i][d].letter) + t->shapes.axes[i][d].plus;
        *(segue_tensor *)((char *)op + f->offset) =
            segue_tensor_of(NULL, f->kind == SEGUE_KIND_I32 ? SEGUE_I32 : SEGUE_F32, t->shapes.rank[i], shape);
    }
    if (!segue_validate(&t->shapes, op, FOR_PLAN, 0, &t->form, &said)) return 0;
    return said.field ? (int)said.field : -1;
}

static int make_op(uint32_t id, uint64_t set, int64_t value, struct tried *t)
{
    return !try_op(id, set, value, t);
}

/* What is blamed for being there goes, what is missing comes: primitives of many rules are valid by chance too seldom. */
static int repaired_op(uint32_t id, uint64_t set, int64_t value, struct tried *t)
{
    for (int round = 0; round < 24; round++) {
        const int field = try_op(id, set, value, t);
        if (field <= 0) return field == 0;
        set ^= (uint64_t)1 << (field - 1);
    }
    return 0;
}

/* Every step of a lowered op is an op of its primitive that core itself finds right. */
static void check_lowered(const struct tried *t, int *lowered)
{
    const segue_op_header *op = (const segue_op_header *)t->storage.bytes;
    struct lowered l;
    segue_diag why = { 0 };
    const segue_status status = segue_lower(segue_lowering(op->primitive), &t->shapes, &t->form, op, &l, &why);
    if (status == SEGUE_ERROR_UNSUPPORTED) return;
    if (status) fail_msg("%s", why.text);
    for (uint32_t i = 0; i < l.step_count; i++) {
        struct op_storage storage;
        segue_tensor temps[LOWER_TEMPS];
        int64_t sizes[LETTERS + 1];
        segue_lower_temps(&l, op, (segue_buffer){ NULL, 0, 0 }, sizes, temps);
        segue_lower_step(&l.steps[i], op, sizes, temps, l.steps[i].facts->op_size,
                         (segue_op_header *)storage.bytes);
        struct shapes shapes;
        struct form form;
        if (segue_validate_header((segue_op_header *)storage.bytes, &shapes, &why) ||
            segue_validate(&shapes, (segue_op_header *)storage.bytes, FOR_PLAN, 0, &form, &why))
            fail_msg("%s, step %u: %s", segue_describe(op->primitive)->name, i + 1, why.text);
    }
    ++*lowered;
}

/* Random choices of operands and parameters, made valid where one field after the other says how; these are lowered. */
static void random_ops(void **state)
{
    uint64_t seed = 1;
    (void)state;
    for (uint32_t id = 1; segue_describe(id); id++) {
        int lowered = 0;
        if (!segue_lowering(id)) continue;
        for (int i = 0; i < 6000; i++) {
            struct tried t;
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            const uint64_t set = seed >> 20 & seed >> (i % 3 ? 33 : 20);
            if (repaired_op(id, set, (int64_t)(seed >> 57) % 12, &t)) check_lowered(&t, &lowered);
        }
        if (lowered < 300) fail_msg("%s: only %d ops were valid", segue_describe(id)->name, lowered);
    }
}

/* A wrong table is told so, whatever the op. */
static void nonsense_tables(void **state)
{
    static const struct {
        struct lowering_row rows[3];
        const char *words;
    } cases[] = {
        { { { LOWERING_TEMP, "t1", "b T", "" } }, "axes do not parse" },
        { { { LOWERING_TEMP, "t1", "b t", "whenever z" } }, "condition" },
        { { { LOWERING_TEMP, "t1", "b t", "if nobody" } }, "condition" },
        { { { LOWERING_STEP, "no_primitive", "", "" } }, "no such primitive" },
        { { { LOWERING_STEP, "gate_prep", "k:1", "" } }, "renames" },
        { { { LOWERING_STEP, "gate_prep", "k=v|w|x", "" } }, "renames" },
        { { { LOWERING_STEP, "gate_prep", "t=h*h", "" } }, "renames" },
        { { { LOWERING_STEP, "gate_prep", "t=1*h", "" } }, "renames" },
        { { { LOWERING_STEP, "gate_prep", "t=t|h*v", "" } }, "renames" },
        { { { LOWERING_STEP, "gate_prep", "t=t*h|v", "" } }, "renames" },
        { { { LOWERING_TEMP, "t1", "t b h v", "" },
            { LOWERING_STEP, "gate_prep", "b=1 t=t*h h=b k=v", "" },
            { LOWERING_USE, "x", "t1", "" } },
          "not neighbours" },
        { { { LOWERING_STEP, "gate_prep", "t=t*v k=1", "" }, { LOWERING_USE, "x", "dt", "" } }, "one of two" },
        { { { LOWERING_STEP, "gate_prep", "t=t*h k=v", "" }, { LOWERING_USE, "x", "x", "" } }, "used twice" },
        { { { LOWERING_STEP, "gate_prep", "h=n*v k=1", "" }, { LOWERING_USE, "g", "dt", "" } },
          "its place lacks" },
        { { { LOWERING_STEP, "gate_prep", "h=k*v", "" }, { LOWERING_USE, "x", "dt", "" } }, "unknown size" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_USE, "nobody", "dt", "" } },
          "no such operand" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_USE, "gate", "dt", "" } },
          "no such operand" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_USE, "x", "softplus", "" } }, "a parameter" },
        { { { LOWERING_STEP, "gate_prep", "", "" }, { LOWERING_USE, "x", "dt", "" } }, "unknown size" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_USE, "x", "x", "" } }, "the step lacks" },
        { { { LOWERING_STEP, "gate_prep", "k=v", "" }, { LOWERING_USE, "g", "dt", "" } }, "its place lacks" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_SET, "nothing", "1", "" } },
          "no such parameter" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_SET, "gate", "GOLD", "" } },
          "no such value" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_SET, "gate", "dt_min", "" } },
          "no such value" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" },
            { LOWERING_USE, "x", "dt", "" },
            { LOWERING_USE, "x", "dt", "" } },
          "given twice" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_REFUSE, "z", "it is Monday", "" } },
          "step 1, gate_prep: z: it is Monday" },
        { { { LOWERING_STEP, "gate_prep", "k=1", "" }, { LOWERING_REFUSE, "nobody", "it is Monday", "" } },
          "no such operand" },
    };
    struct tried t;
    (void)state;
    assert_true(make_op(SEGUE_SSD, 0, -1, &t));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct lowering table = { cases[i].rows, 3 }; /* the rest are LOWERING_END */
        struct lowered l;
        segue_diag why = { 0 };
        const segue_status status =
            segue_lower(&table, &t.shapes, &t.form, (const segue_op_header *)t.storage.bytes, &l, &why);
        if (!status || !strstr(why.text, cases[i].words)) fail_msg("case %zu: \"%s\"", i, why.text);
    }
}

/* ssd's state [h v n] as the recurrence's [h k v]: strides, a broadcast, an axis of length 1, a run of fewer tokens. */
static void views(void **state)
{
    struct tried t;
    struct lowered l;
    struct op_storage storage;
    segue_tensor temps[LOWER_TEMPS];
    int64_t sizes[LETTERS + 1];
    (void)state;
    assert_true(make_op(SEGUE_SSD, 0, -1, &t));
    segue_ssd *op = (segue_ssd *)t.storage.bytes;
    op->h_in = op->h_out = segue_tensor_of(NULL, F32(1, 2, 4, 4));
    assert_ok(segue_validate(&t.shapes, &op->header, FOR_PLAN, 0, &t.form, why));
    assert_ok(segue_lower(segue_lowering(SEGUE_SSD), &t.shapes, &t.form, &op->header, &l, why));
    assert_int_equal(l.step_count, 2);
    assert_int_equal(l.temp_count, 2);
    assert_int_equal(l.bytes, 2 * 256);
    op->x.shape[1] = op->dt.shape[1] = 3; /* of the planned 4 */
    segue_lower_temps(&l, &op->header, (segue_buffer){ &storage, 512, 4096 }, sizes, temps);
    assert_int_equal(temps[0].shape[1], 3);
    assert_int_equal(temps[0].stride[0], 3 * 2);
    assert_int_equal(temps[1].offset, 512 + 256);
    assert_int_equal(temps[1].bytes, 512 + 256 + 3 * 2 * 4);
    segue_lower_step(&l.steps[0], &op->header, sizes, temps, sizeof(segue_gate_prep), (void *)&storage);
    const segue_gate_prep *g = (const void *)&storage;
    assert_int_equal(g->x.rank, 4);
    assert_int_equal(g->x.shape[3], 1);
    assert_int_equal(g->gate, SEGUE_GATE_PREP_DELTA);
    assert_int_equal(g->bias.dtype.bits, 0);
    segue_lower_step(&l.steps[1], &op->header, sizes, temps, sizeof(segue_gated_recurrence), (void *)&storage);
    const segue_gated_recurrence *r = (const void *)&storage;
    assert_int_equal(r->S_in.stride[2], 1); /* k is our n, which lies last */
    assert_int_equal(r->S_in.stride[3], 4);
    assert_int_equal(r->gain_domain, SEGUE_GATED_RECURRENCE_LINEAR);
    assert_true(r->scale == 1);
    assert_int_equal(r->gk.dtype.bits, 0);
    assert_int_equal(r->gain.offset, temps[0].offset);
}

static const segue_attention *attention_step(const struct lowered *l, const struct tried *t,
                                             struct op_storage *storage)
{
    segue_tensor temps[LOWER_TEMPS];
    int64_t sizes[LETTERS + 1];
    const segue_op_header *op = (const segue_op_header *)t->storage.bytes;
    segue_lower_temps(l, op, (segue_buffer){ NULL, 0, 0 }, sizes, temps);
    segue_lower_step(&l->steps[1], op, sizes, temps, sizeof(segue_attention), (void *)storage);
    return (const void *)storage;
}

/* The items of LSH attention are rounds and tokens in one: of intermediates always, of an operand if its strides allow it. */
static void merged_axes(void **state)
{
    struct tried t;
    struct lowered l;
    struct op_storage storage;
    const segue_primitive_facts *facts = segue_describe(SEGUE_LSH_ATTENTION);
    segue_lsh_attention *op = (segue_lsh_attention *)t.storage.bytes;
    (void)state;
    const uint64_t set = 1u << segue_field_index(facts, "R", 1) |
                         1u << segue_field_index(facts, "round_lse", 9) |
                         1u << segue_field_index(facts, "chunk", 5);
    assert_true(make_op(SEGUE_LSH_ATTENTION, set, 2, &t));
    assert_ok(segue_lower(segue_lowering(SEGUE_LSH_ATTENTION), &t.shapes, &t.form, &op->header, &l, why));
    assert_int_equal(l.step_count, 3);
    assert_int_equal(l.merged, 1); /* round_lse [1 4 4 2] */
    const segue_attention *a = attention_step(&l, &t, &storage);
    assert_int_equal(a->q_index.dtype.code, segue_dtype_of(SEGUE_I32).code);
    assert_int_equal(a->q_index.shape[2], 16);
    assert_int_equal(a->y.shape[1], 16);
    assert_int_equal(a->lse.shape[1], 16);
    assert_int_equal(a->lse.stride[1], 2);
    assert_int_equal(a->chunk, 2);
    /* a run of fewer tokens: intermediates follow, the operand is the caller's part of a longer one, or one of its own */
    op->x.shape[1] = op->v.shape[1] = op->y.shape[1] = op->round_lse.shape[2] = 3;
    assert_refused(SEGUE_ERROR_OPERAND, "round_lse: strides of axes r and t are 8 and 2", "3 times",
                   segue_lower_merges(&l, facts, &op->header, why));
    op->round_lse.stride[1] = 6;
    assert_ok(segue_lower_merges(&l, facts, &op->header, why));
    a = attention_step(&l, &t, &storage);
    assert_int_equal(a->k_index.shape[2], 12);
    assert_int_equal(a->k_index.stride[2], 1);
    assert_int_equal(a->y.shape[1], 12);
    assert_int_equal(a->y.stride[1], 2 * 4);
    assert_int_equal(a->lse.shape[1], 12);
    /* one token, one round: strides of axes of length 1 say nothing */
    op->round_lse.shape[2] = 1, op->round_lse.stride[1] = 9, op->round_lse.stride[2] = 1000;
    assert_ok(segue_lower_merges(&l, facts, &op->header, why));
    assert_int_equal(attention_step(&l, &t, &storage)->lse.stride[1], 9);
    op->round_lse.shape[1] = 1, op->round_lse.shape[2] = 3, op->round_lse.stride[2] = 5;
    assert_ok(segue_lower_merges(&l, facts, &op->header, why));
    assert_int_equal(attention_step(&l, &t, &storage)->lse.stride[1], 5);
}

/* What a plan of such an op is told at once. */
static void unmergeable(void **state)
{
    struct tried t;
    struct lowered l;
    const segue_primitive_facts *facts = segue_describe(SEGUE_LSH_ATTENTION);
    const struct lowering *table = segue_lowering(SEGUE_LSH_ATTENTION);
    segue_lsh_attention *op = (segue_lsh_attention *)t.storage.bytes;
    (void)state;
    const uint64_t set =
        1u << segue_field_index(facts, "R", 1) | 1u << segue_field_index(facts, "round_lse", 9) |
        1u << segue_field_index(facts, "chunk", 5) | 1u << segue_field_index(facts, "round_y", 7);
    assert_true(make_op(SEGUE_LSH_ATTENTION, set, 2, &t));
    assert_ok(segue_lower(table, &t.shapes, &t.form, &op->header, &l, why));
    assert_int_equal(l.step_count, 4); /* and a copy of round_y */
    op->round_y.stride[1]++;
    assert_refused(SEGUE_ERROR_UNSUPPORTED, "round_y: strides of axes r and t are 33 and 8",
                   "step 4, attention_merge", segue_lower(table, &t.shapes, &t.form, &op->header, &l, why));
    op->round_y.stride[1]--;
    op->round_y.dtype = segue_dtype_of(SEGUE_BF16);
    assert_ok(segue_lower(table, &t.shapes, &t.form, &op->header, &l, why));
    op->round_lse.dtype = segue_dtype_of(SEGUE_F16);
    assert_refused(SEGUE_ERROR_UNSUPPORTED, "round_lse: f16, wanted f32 or f64",
                   "step 3, attention_merge, reads it",
                   segue_lower(table, &t.shapes, &t.form, &op->header, &l, why));
}

/* A plugin's words that fill their room and lack their end: nothing behind them is read. */
static void endless_words(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    volatile size_t room =
        sizeof(((segue_diag *)0)->text); /* else the compiler warns that they are cut, as they are to be */
    const size_t size = room;
    const struct lowered_step step = { .number = 2, .facts = segue_describe(SEGUE_GATE_PREP) };
    uint32_t field = 0;
    (void)state;
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    char *text = memset(pages + page - size, 'x', size);
    segue_lower_blame(&step, text, size, &field);
    assert_int_equal(strlen(text), size - 1);
    assert_memory_equal(text, "step 2, gate_prep: xxx", 22);
    munmap(pages, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names),           cmocka_unit_test(random_ops),
                                        cmocka_unit_test(nonsense_tables), cmocka_unit_test(views),
                                        cmocka_unit_test(merged_axes),     cmocka_unit_test(unmergeable),
                                        cmocka_unit_test(endless_words) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

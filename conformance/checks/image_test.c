/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../grammar/dtype.h"

static struct lab lab;

static void make_call(const char *descriptor, struct call *out)
{
    struct test_case c;
    char why[DESCRIPTOR_WHY] = "";
    if (test_case_make(descriptor, &c, why)) fail_msg("%s", why);
    assert_int_equal(call_of_case(out, &c), 0);
    assert_int_equal(call_look(out), 0);
    test_case_free(&c);
}

static const char scan[] = "selective_scan/fwd.h_in.h_out/bf16-A.f32/B2.T5.D3.N4/pad3/benign";

static uint64_t address(const struct image *m, uint64_t at)
{
    return (uint64_t)(uintptr_t)m->memory.data + m->memory.offset + at;
}

/* Every operand begins on its element's size and on no more, or on 64 bytes; nothing overlaps, guards lie between. */
static void places(void **context)
{
    struct call c;
    (void)context;
    make_call(scan, &c);
    for (uint32_t i = 0; i < 18; i++) {
        const struct style style = { .guard = i % 3, .pattern = i / 3 % 3, .aligned = i >= 9, .poison = 0xff };
        const uint64_t guards[] = { 2, 64, 4096 };
        struct image m;
        uint64_t end = 0;
        assert_int_equal(image_make(&m, NULL, &lab.device, &c, 33, 64, &style), 0);
        for (uint32_t k = 0; k < c.primitive->field_count; k++) {
            const struct operand *o = &c.operands[k];
            const uint64_t size = o->view.dtype.bits / 8;
            if (!o->facts) continue;
            assert_true(m.regions[k].at >= end + guards[style.guard]);
            assert_int_equal(address(&m, m.regions[k].at) % (style.aligned ? 64 : 2 * size),
                             style.aligned ? 0 : size);
            assert_int_equal(m.regions[k].bytes, o->view.bytes);
            end = m.regions[k].at + o->view.bytes;
        }
        assert_true(m.workspace.at >= end + guards[style.guard]);
        assert_true(m.bytes >= m.workspace.at + 33 + guards[style.guard]);
        assert_int_equal(address(&m, m.workspace.at) % 128, 64);
        const segue_buffer w = image_workspace(&m);
        assert_int_equal(w.bytes - w.offset, 33);
        assert_true(image_bytes(&c, 33) >= m.bytes);
        image_free(&m);
    }
    call_free(&c);
}

/* What core checks of extents, it finds right: the call runs. */
static void values_go_there_and_back(void **context)
{
    const struct style style = { .guard = 1, .poison = 0x5a };
    struct image m;
    struct call c;
    double values[64];
    unsigned char bytes[64 * 4];
    (void)context;
    make_call(scan, &c);
    assert_int_equal(image_make(&m, NULL, &lab.device, &c, 0, 1, &style), 0);
    assert_int_equal(image_upload(&m), SEGUE_OK);
    assert_int_equal(image_download(&m), SEGUE_OK);
    for (uint32_t k = 0; k < c.primitive->field_count; k++) {
        const struct operand *o = &c.operands[k];
        if (!o->facts || o->count > 64) continue;
        image_read(&m, k, values, bytes);
        for (int64_t i = 0; i < o->count; i++) {
            if (o->value) assert_true(values[i] == o->value[i]);
            else assert_int_equal(bytes[i], 0x5a);
        }
    }
    image_free(&m);
    call_free(&c);
}

static void expect_damage(struct image *m, uint64_t at, const char *operand, const char *where)
{
    struct damage d;
    assert_int_equal(image_download(m), SEGUE_OK);
    *image_byte(m, m->after, at) ^= 0x40;
    assert_int_equal(image_damage(m, 0, &d), 1);
    assert_int_equal(d.bytes, 1);
    assert_string_equal(d.where, where);
    if (operand) assert_string_equal(m->call->primitive->fields[d.field].name, operand);
    else assert_int_equal(d.field, m->call->primitive->field_count);
}

static uint64_t place_of(const struct image *m, const char *name, int64_t i)
{
    const uint32_t field = field_named(m->call->primitive, name);
    struct walk w = walk_from(&m->call->operands[field].view);
    while (w.i < i) walk_on(&w);
    return m->regions[field].at + (uint64_t)w.at;
}

static void damage_has_words(void **context)
{
    const struct style style = { .guard = 1, .poison = 0xff };
    struct damage d;
    struct image m;
    struct call c;
    (void)context;
    make_call(scan, &c);
    assert_int_equal(image_make(&m, NULL, &lab.device, &c, 100, 32, &style), 0);
    assert_int_equal(image_upload(&m), SEGUE_OK);
    assert_int_equal(image_download(&m), SEGUE_OK);
    assert_int_equal(image_damage(&m, 0, &d), 0);
    assert_int_equal(image_damage(&m, 1, &d), 0);
    const struct region *y = &m.regions[field_named(c.primitive, "y")];
    expect_damage(&m, y->at + y->bytes + 11, "y", "12 bytes behind y");
    expect_damage(&m, y->at - 1, "y", "1 byte before y");
    expect_damage(&m, m.workspace.at + 100, NULL, "1 byte behind the workspace");
    expect_damage(&m, place_of(&m, "u", 4), "u", "input u[0,1,1]");
    expect_damage(&m, place_of(&m, "y", 5) + 2, "y", "hole of y between [0,1,2] and [0,2,0]");
    /* Outputs and workspace may change, except where nothing may. */
    assert_int_equal(image_download(&m), SEGUE_OK);
    *image_byte(&m, m.after, place_of(&m, "y", 7)) = 1;
    assert_int_equal(image_damage(&m, 1, &d), 1);
    assert_string_equal(d.where, "y[0,2,1]");
    *image_byte(&m, m.after, m.workspace.at + 99) = 1;
    assert_int_equal(image_damage(&m, 0, &d), 0);
    image_free(&m);
    call_free(&c);
}

/* Row 1 of h_out is nobody's: it keeps what it held. The reference reads no other row of h_in than 0. */
static void unused_rows(void **context)
{
    const struct style style = { .guard = 0, .pattern = 2, .poison = 0xff };
    struct image m;
    struct call c;
    double values[64];
    unsigned char bytes[64 * 4];
    (void)context;
    make_call("selective_scan/fwd.slot.h_in.h_out/f32/B1.T3.D2.N2.P3/btd/benign", &c);
    const uint32_t slot = field_named(c.primitive, "slot"), in = field_named(c.primitive, "h_in");
    c.operands[slot].whole[0] = 0, c.operands[slot].whole[1] = 2;
    assert_int_equal(call_look(&c), 0);
    assert_int_equal(image_make(&m, NULL, &lab.device, &c, 0, 1, &style), 0);
    assert_int_equal(image_upload(&m), SEGUE_OK);
    assert_int_equal(image_download(&m), SEGUE_OK);
    image_read(&m, in, values, bytes);
    for (int i = 0; i < 12; i++) {
        if (i < 4) assert_true(values[i] == c.operands[in].value[i]);
        else assert_true(values[i] != values[i]);
    }
    expect_damage(&m, place_of(&m, "h_out", 4), "h_out", "h_out[1,0,0]: the reference leaves it alone");
    image_free(&m);
    call_free(&c);
}

/* Two GiB between rows: only the rows are copied; damage is found in each of them. */
static void far_rows(void **context)
{
    const struct style style = { .guard = 2, .poison = 0xff };
    struct damage d;
    struct image m;
    struct call c;
    (void)context;
    make_call("causal_conv1d/fwd/f32/B2.T3.D2.W2/far/benign", &c);
    assert_int_equal(image_make(&m, NULL, &lab.device, &c, 64, 64, &style), 0);
    assert_true(m.bytes > (uint64_t)1 << 32);
    assert_true(m.copied < 1 << 17);
    assert_int_equal(image_upload(&m), SEGUE_OK);
    assert_int_equal(image_download(&m), SEGUE_OK);
    assert_int_equal(image_damage(&m, 0, &d), 0);
    expect_damage(&m, place_of(&m, "x", 7), "x", "input x[1,0,1]");
    expect_damage(&m, place_of(&m, "y", 11) + 4, "y", "1 byte behind y");
    expect_damage(&m, place_of(&m, "y", 5) + 4, "y", "hole of y between [0,2,1] and [1,0,0]");
    image_free(&m);
    call_free(&c);
}

/* A state that goes out in the place of the one that came in. */
static void in_place(void **context)
{
    const struct style style = { .guard = 1, .poison = 0xff };
    struct image m;
    struct call c;
    double values[64];
    unsigned char bytes[64 * 4];
    (void)context;
    make_call(scan, &c);
    const uint32_t in = field_named(c.primitive, "h_in"), out = field_named(c.primitive, "h_out");
    assert_int_equal(state_partner(c.primitive, out), in);
    c.over[out] = (uint8_t)(in + 1);
    assert_int_equal(image_make(&m, NULL, &lab.device, &c, 0, 1, &style), 0);
    assert_int_equal(m.regions[in].at, m.regions[out].at);
    assert_int_equal(image_upload(&m), SEGUE_OK);
    assert_int_equal(image_download(&m), SEGUE_OK);
    image_read(&m, out, values, bytes);
    for (int i = 0; i < c.operands[in].count; i++) assert_true(values[i] == c.operands[in].value[i]);
    image_free(&m);
    call_free(&c);
}

static int open_lab(void **context)
{
    char why[600];
    (void)context;
    return lab_open(&lab, "reference", 0, why, sizeof why);
}

static int close_lab(void **context)
{
    (void)context;
    lab_close(&lab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),           cmocka_unit_test(values_go_there_and_back),
        cmocka_unit_test(damage_has_words), cmocka_unit_test(unused_rows),
        cmocka_unit_test(far_rows),         cmocka_unit_test(in_place)
    };
    return cmocka_run_group_tests(tests, open_lab, close_lab);
}

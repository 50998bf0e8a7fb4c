/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions, segue_op_init and the inline makers of tensors. */
#include "core_testing.h"

static void unknown_primitives(void **state)
{
    (void)state;
    assert_null(segue_describe(0));
    assert_null(segue_describe(UINT32_MAX));
    uint32_t id = 1;
    while (segue_describe(id)) {
        assert_int_equal(segue_describe(id)->id, id);
        id++;
    }
    assert_true(id > SEGUE_CAUSAL_CONV1D);
    assert_null(segue_describe(id + 1));
}

static void tables_match_the_structs(void **state)
{
    const segue_primitive_facts *p = segue_describe(SEGUE_SELECTIVE_SCAN);
    (void)state;
    assert_string_equal(p->name, "selective_scan");
    assert_int_equal(p->op_size, sizeof(segue_selective_scan));
    assert_string_equal(p->fields[11].name, "h_out");
    assert_int_equal(p->fields[11].offset, offsetof(segue_selective_scan, h_out));
    assert_int_equal(p->fields[11].role, SEGUE_ROLE_STATE_OUT);
    assert_string_equal(p->fields[11].dims, "p d n");
    assert_int_equal(segue_describe(SEGUE_CAUSAL_CONV1D)->enum_count, 2);
}

/* What segue_op_init does is what the generated initialisers do. */
static void op_init_is_the_inline_init(void **state)
{
    segue_selective_scan scan, scan_init = segue_selective_scan_init();
    segue_causal_conv1d conv, conv_init = segue_causal_conv1d_init();
    (void)state;
    memset(&scan, 0x5a, sizeof scan), memset(&conv, 0x5a, sizeof conv);
    assert_ok(segue_op_init(SEGUE_SELECTIVE_SCAN, &scan.header, sizeof scan, why));
    assert_ok(segue_op_init(SEGUE_CAUSAL_CONV1D, &conv.header, sizeof conv, why));
    assert_memory_equal(&scan, &scan_init, sizeof scan);
    assert_memory_equal(&conv, &conv_init, sizeof conv);
}

static void op_init_refuses(void **state)
{
    segue_selective_scan op, canary;
    (void)state;
    memset(&op, 0x5a, sizeof op);
    canary = op;
    assert_refused(SEGUE_ERROR_ARGUMENT, "primitive is 99", "wanted",
                   segue_op_init(99, &op.header, sizeof op, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "size is 8", "wanted", segue_op_init(1, &op.header, 8, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "size is 20000", "wanted", segue_op_init(1, &op.header, 20000, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "op is NULL", "wanted", segue_op_init(1, NULL, sizeof op, why));
    assert_memory_equal(&op, &canary, sizeof op);
}

/* A shorter struct, of an older header, is filled as far as it goes. */
static void op_init_short(void **state)
{
    segue_selective_scan op;
    (void)state;
    memset(&op, 0x5a, sizeof op);
    assert_ok(segue_op_init(SEGUE_SELECTIVE_SCAN, &op.header, offsetof(segue_selective_scan, y), why));
    assert_int_equal(op.header.size, offsetof(segue_selective_scan, y));
    assert_int_equal(op.y.rank, 0x5a5a);
    assert_int_equal(op.softplus, 0x5a5a5a5a5a5a5a5a);
}

static void tensors(void **state)
{
    float data[24];
    (void)state;
    const segue_tensor t = segue_tensor_of(data, F32(2, 3, 4));
    assert_int_equal(sizeof t, 128);
    assert_int_equal(t.bytes, sizeof data);
    assert_int_equal(t.stride[0], 12);
    assert_int_equal(t.stride[2], 1);
    const segue_tensor after = segue_tensor_after(t, F32(5));
    assert_int_equal(after.offset, 256);
    assert_int_equal(after.bytes, 256 + 20);
    const segue_tensor slice = segue_tensor_slice(t, 1, 2, 1);
    assert_int_equal(slice.offset, 2 * 4 * 4);
    assert_int_equal(slice.shape[1], 1);
    assert_int_equal(slice.stride[0], 12);
    assert_int_equal(segue_tensor_of(data, F32(1, 1, 1, 1, 1, 1, 1)).dtype.bits, 0);
    assert_int_equal(segue_tensor_of(NULL, F32(3, 0)).bytes, 0);
    assert_int_equal(segue_tensor_of(NULL, SEGUE_I4, 1, (int64_t[]){ 3 }).bytes, 2);
    assert_int_equal(segue_dtype_id(segue_dtype_of(SEGUE_BF16)), SEGUE_BF16);
    assert_int_equal(segue_dtype_id((segue_dtype){ 2, 0, 1 }), 0);
}

static void statuses(void **state)
{
    (void)state;
    assert_string_equal(segue_status_name(SEGUE_OK), "SEGUE_OK");
    for (segue_status s = SEGUE_ERROR_INTERNAL; s < 0; s++)
        assert_int_equal(strncmp(segue_status_name(s), "SEGUE_ERROR_", 12), 0);
    assert_string_equal(segue_status_name(1), "unknown status");
    assert_string_equal(segue_status_name(INT32_MIN), "unknown status");
    assert_int_equal(segue_version(), SEGUE_VERSION_NUMBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_primitives),
        cmocka_unit_test(tables_match_the_structs),
        cmocka_unit_test(op_init_is_the_inline_init),
        cmocka_unit_test(op_init_refuses),
        cmocka_unit_test(op_init_short),
        cmocka_unit_test(tensors),
        cmocka_unit_test(statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

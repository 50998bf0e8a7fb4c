/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "core_testing.h"

enum { P = 2, D = 3, N = 5, ROOM = 1024 };

static int set_up(void **state)
{
    static struct bench bench;
    bench = open_bench("reference");
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    close_bench(*state);
    return 0;
}

/* A state that goes out, [n][d][p] in memory, and its saved bytes. */
struct saved {
    float h[N * D * P];
    segue_selective_scan op;
    unsigned char image[ROOM];
    uint64_t bytes;
};

static segue_tensor backwards(float *h)
{
    segue_tensor t = segue_tensor_of(h, F32(P, D, N));
    t.stride[0] = 1, t.stride[1] = P, t.stride[2] = P * D;
    return t;
}

static void save(const struct bench *b, struct saved *s)
{
    for (int i = 0; i < N * D * P; i++) s->h[i] = (float)i / 8;
    s->op = segue_selective_scan_init();
    s->op.h_out = backwards(s->h);
    s->bytes = 0;
    assert_ok(segue_state_save(b->dev, b->stream, &s->op.header, NULL, &s->bytes, why));
    assert_true(s->bytes > sizeof s->h && s->bytes <= sizeof s->image);
    uint64_t exact = s->bytes;
    memset(s->image, 0xee, sizeof s->image);
    assert_ok(segue_state_save(b->dev, b->stream, &s->op.header, s->image, &exact, why));
    assert_true(exact == s->bytes && s->image[s->bytes] == 0xee);
}

/* Other strides, another dtype: the values are what counts. */
static void there_and_back(void **state)
{
    const struct bench *b = *state;
    struct saved s;
    double packed[P * D * N];
    uint16_t narrow[P * D * N];
    segue_selective_scan op = segue_selective_scan_init();
    save(b, &s);
    op.h_in = segue_tensor_of(packed, SEGUE_F64, 3, (int64_t[]){ P, D, N });
    assert_ok(segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    for (int p = 0; p < P; p++)
        for (int d = 0; d < D; d++)
            for (int n = 0; n < N; n++)
                assert_true(packed[(p * D + d) * N + n] == (double)s.h[(n * D + d) * P + p]);
    op.h_in = segue_tensor_of(narrow, SEGUE_BF16, 3, (int64_t[]){ P, D, N });
    assert_ok(segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    assert_int_equal(narrow[0], 0);
    assert_int_equal(narrow[(1 * D + 1) * N + 1], 0x3f90); /* 9 / 8 */
    float back[P * D * N];
    op.h_out = segue_tensor_of(packed, SEGUE_F64, 3, (int64_t[]){ P, D, N }); /* saved as they are */
    s.bytes = sizeof s.image;
    op.h_in = segue_tensor_of(back, F32(P, D, N));
    assert_ok(segue_state_save(b->dev, b->stream, &op.header, s.image, &s.bytes, why));
    assert_ok(segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    for (int i = 0; i < P * D * N; i++) assert_true(back[i] == (float)packed[i]);
}

/* No byte can change without being seen, and nothing is written then. */
static void every_byte_counts(void **state)
{
    const struct bench *b = *state;
    struct saved s;
    float into[P * D * N], before[P * D * N];
    segue_selective_scan op = segue_selective_scan_init();
    memset(before, 0x55, sizeof before);
    memcpy(into, before, sizeof into);
    save(b, &s);
    op.h_in = segue_tensor_of(into, F32(P, D, N));
    for (uint64_t i = 0; i < s.bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            s.image[i] ^= (unsigned char)(1 << bit);
            assert_int_equal(segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, NULL),
                             SEGUE_ERROR_ARGUMENT);
            s.image[i] ^= (unsigned char)(1 << bit);
        }
    s.image[s.bytes - 17] ^= 0x80, s.image[s.bytes - 33] ^= 0x80; /* the highest bits of two words */
    assert_int_equal(segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, NULL),
                     SEGUE_ERROR_ARGUMENT);
    s.image[s.bytes - 17] ^= 0x80, s.image[s.bytes - 33] ^= 0x80;
    for (uint64_t bytes = 0; bytes < s.bytes; bytes++)
        assert_int_equal(segue_state_load(b->dev, b->stream, &op.header, s.image, bytes, NULL),
                         SEGUE_ERROR_ARGUMENT);
    assert_memory_equal(into, before, sizeof into);
    s.image[s.bytes - 12] ^= 1;
    assert_refused(SEGUE_ERROR_ARGUMENT, "has changed", "wanted",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "cut or too long", "wanted",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes - 8, why));
    s.image[0] ^= 1;
    assert_refused(SEGUE_ERROR_ARGUMENT, "do not begin", "wanted",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    assert_ok(segue_state_load(b->dev, b->stream, (save(b, &s), &op.header), s.image, s.bytes, why));
}

static void other_states(void **state)
{
    const struct bench *b = *state;
    struct saved s;
    float into[P * D * (N + 1)];
    segue_selective_scan op = segue_selective_scan_init();
    segue_causal_conv1d conv = segue_causal_conv1d_init();
    save(b, &s);
    assert_refused(SEGUE_ERROR_ARGUMENT, "no incoming state", "wanted",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    op.h_in = segue_tensor_of(into, F32(P, D, N + 1));
    assert_refused(SEGUE_ERROR_OPERAND, "h_in: dimension 2 is 6", "wanted 5 as saved",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    op.h_in = segue_tensor_of(into, F32(P, D));
    assert_refused(SEGUE_ERROR_OPERAND, "h_in: rank is 2", "wanted 3",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    conv.h_in = segue_tensor_of(into, F32(P, D, N));
    assert_refused(SEGUE_ERROR_ARGUMENT, "is of selective_scan", "wanted causal_conv1d",
                   segue_state_load(b->dev, b->stream, &conv.header, s.image, s.bytes, why));
    op.h_in = segue_tensor_of(NULL, F32(P, D, N));
    assert_refused(SEGUE_ERROR_ARGUMENT, "h_in: ", "data is NULL",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    op.h_in = segue_tensor_of(into, SEGUE_I32, 3, (int64_t[]){ P, D, N });
    assert_refused(SEGUE_ERROR_OPERAND, "h_in: dtype is i32", "wanted f32",
                   segue_state_load(b->dev, b->stream, &op.header, s.image, s.bytes, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "from is NULL", "wanted",
                   (op.h_in = segue_tensor_of(into, F32(P, D, N)),
                    segue_state_load(b->dev, b->stream, &op.header, NULL, 0, why)));
}

static void saving_is_refused(void **state)
{
    const struct bench *b = *state;
    struct saved s;
    segue_selective_scan op = segue_selective_scan_init();
    uint64_t bytes = ROOM;
    save(b, &s);
    assert_refused(SEGUE_ERROR_ARGUMENT, "no outgoing state", "wanted",
                   segue_state_save(b->dev, b->stream, &op.header, s.image, &bytes, why));
    op.h_out = backwards(s.h);
    bytes = s.bytes - 1;
    assert_refused(SEGUE_ERROR_ARGUMENT, "bytes is", "wanted at least",
                   segue_state_save(b->dev, b->stream, &op.header, s.image, &bytes, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "bytes is NULL", "wanted",
                   segue_state_save(b->dev, b->stream, &op.header, s.image, NULL, why));
    assert_refused(SEGUE_ERROR_ARGUMENT, "device", "wanted",
                   segue_state_save(NULL, b->stream, &op.header, s.image, &bytes, why));
    op.h_out.bytes = 8;
    bytes = ROOM;
    assert_refused(SEGUE_ERROR_ARGUMENT, "h_out: ", "given 8 bytes",
                   segue_state_save(b->dev, b->stream, &op.header, s.image, &bytes, why));
    op.h_out = segue_tensor_of(NULL, F32(0, D, N)); /* no row: nothing but records */
    assert_ok(segue_state_save(b->dev, b->stream, &op.header, s.image, &bytes, why));
    op.h_in = op.h_out;
    assert_ok(segue_state_load(b->dev, b->stream, &op.header, s.image, bytes, why));
}

/* Two states of different ranks, of which an op may have one. */
static void several(void **state)
{
    const struct bench *b = *state;
    enum { H = 1, K = 3, V = 5 }; /* an odd number of floats: the next state begins behind a gap */
    float S[H * K * V], n[H * K], S2[H * K * V], n2[H * K];
    unsigned char image[ROOM];
    uint64_t bytes = ROOM;
    segue_gated_recurrence op = segue_gated_recurrence_init();
    for (int i = 0; i < H * K * V; i++) S[i] = (float)i;
    for (int i = 0; i < H * K; i++) n[i] = (float)-i;
    op.S_out = segue_tensor_of(S, F32(1, H, K, V));
    op.n_out = segue_tensor_of(n, F32(1, H, K));
    assert_ok(segue_state_save(b->dev, b->stream, &op.header, image, &bytes, why));
    op.S_in = segue_tensor_of(S2, F32(1, H, K, V));
    assert_refused(SEGUE_ERROR_ARGUMENT, "2 states were saved", "wanted 1",
                   segue_state_load(b->dev, b->stream, &op.header, image, bytes, why));
    op.m_in = segue_tensor_of(n2, F32(1, H));
    assert_refused(SEGUE_ERROR_OPERAND, "m_in: not among", "wanted",
                   segue_state_load(b->dev, b->stream, &op.header, image, bytes, why));
    op.m_in = (segue_tensor){ 0 };
    op.n_in = segue_tensor_of(n2, F32(1, H, K));
    assert_ok(segue_state_load(b->dev, b->stream, &op.header, image, bytes, why));
    assert_memory_equal(S, S2, sizeof S);
    assert_memory_equal(n, n2, sizeof n);
}

/* What is wrong with the last state is found before the first is carried. */
static void all_or_nothing(void **state)
{
    const struct bench *b = *state;
    enum { H = 1, K = 3, V = 5 };
    static float S[H * K * V], n[H * K + 1], S2[H * K * V], before[H * K * V];
    unsigned char image[ROOM], untouched[ROOM];
    uint64_t bytes = ROOM;
    const segue_tensor good = segue_tensor_of(n, F32(1, H, K));
    segue_tensor bad[] = { good, good, good, good };
    static const char *const words[] = { "data is NULL", "given 4 bytes", "not aligned to its 4 bytes",
                                         "two elements in one place" };
    segue_gated_recurrence op = segue_gated_recurrence_init();
    bad[0].data = NULL, bad[1].bytes = 4, bad[2].offset += 2, bad[2].bytes += 2, bad[3].stride[2] = 0;
    op.S_out = segue_tensor_of(S, F32(1, H, K, V));
    op.S_in = segue_tensor_of(S2, F32(1, H, K, V));
    op.n_out = op.n_in = good;
    assert_ok(segue_state_save(b->dev, b->stream, &op.header, image, &bytes, why));
    memset(S2, 0x55, sizeof S2), memcpy(before, S2, sizeof S2);
    for (int i = 0; i < 4; i++) {
        segue_diag why = { 0 };
        op.n_in = bad[i];
        assert_int_equal(segue_state_load(b->dev, b->stream, &op.header, image, bytes, &why),
                         SEGUE_ERROR_ARGUMENT);
        if (strncmp(why.text, "n_in: ", 6) || !strstr(why.text, words[i])) fail_msg("%s", why.text);
        assert_int_not_equal(why.field, 0);
        assert_string_equal(segue_describe(op.header.primitive)->fields[why.field - 1].name, "n_in");
        assert_memory_equal(S2, before, sizeof S2);
    }
    memset(image, 0xee, sizeof image), memcpy(untouched, image, sizeof image);
    for (int i = 0; i < 3; i++) { /* what is only read may overlap itself */
        op.n_out = bad[i];
        bytes = ROOM;
        assert_refused(SEGUE_ERROR_ARGUMENT, "n_out: ", words[i],
                       segue_state_save(b->dev, b->stream, &op.header, image, &bytes, why));
        assert_memory_equal(image, untouched, sizeof image);
        assert_int_equal(bytes, ROOM);
        assert_ok(segue_state_save(b->dev, b->stream, &op.header, NULL, &bytes, why)); /* only asked how many */
    }
    op.n_out = good;
    bytes = ROOM;
    assert_refused(
        SEGUE_ERROR_ARGUMENT, "stream is of API 2", "wanted",
        segue_state_save(b->dev, (segue_stream){ .api = SEGUE_API_CUDA }, &op.header, image, &bytes, why));
    assert_memory_equal(image, untouched, sizeof image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back), cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(other_states),   cmocka_unit_test(saving_is_refused),
        cmocka_unit_test(several),        cmocka_unit_test(all_or_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that a plugin must keep, asked for by the public interface alone: stand_in_order_test DEVICE. Under a stand-in
 * that drops a call of the driver it must fail. Exit 1: an order was not kept. First a stream that was destroyed: it is refused, and
 * the device stays. */
#include <segue/segue.h>

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 24, BYTES = 64 };

static int failed(const char *call, const segue_diag *why)
{
    fprintf(stderr, "%s: %s\n", call, why->text);
    return 2;
}

/* Host to device on one stream; an event; device to host on another, which waits for it. */
static segue_status round_trip(segue_device *dev, const segue_stream streams[2], segue_event event,
                               segue_buffer at, const unsigned char *from, unsigned char *to, segue_diag *why)
{
    const segue_buffer host_from = { .data = (void *)(uintptr_t)from, .bytes = BYTES },
                       host_to = { .data = to, .bytes = BYTES };
    segue_status s = segue_memory_copy(dev, streams[0], SEGUE_COPY_TO_DEVICE, at, host_from, BYTES, why);
    if (!s) s = segue_event_record(dev, event, streams[0], why);
    if (!s) s = segue_event_wait(dev, event, streams[1], why);
    if (!s) s = segue_memory_copy(dev, streams[1], SEGUE_COPY_FROM_DEVICE, host_to, at, BYTES, why);
    if (!s) s = segue_stream_sync(dev, streams[1], why);
    return s;
}

static int try_stale_stream(segue_device *dev)
{
    segue_diag why = { 0 };
    segue_stream stream, wrapped;
    if (segue_stream_create(dev, &stream, &why)) return failed("segue_stream_create", &why);
    segue_stream_destroy(dev, stream);
    const segue_status s = segue_stream_wrap(dev, stream.api, stream.handle, 0, &wrapped, &why);
    if (s == SEGUE_ERROR_ARGUMENT) return 0;
    fprintf(stderr, "a destroyed stream: wanted %d, answered %d (%s)\n", SEGUE_ERROR_ARGUMENT, s, why.text);
    return 2;
}

static int try_orders(segue_device *dev)
{
    segue_diag why = { 0 };
    segue_stream streams[2];
    segue_event event;
    segue_buffer at;
    int wrong = 0;
    segue_status s = segue_memory_alloc(dev, BYTES, &at, &why);
    if (!s) s = segue_stream_create(dev, &streams[0], &why);
    if (!s) s = segue_stream_create(dev, &streams[1], &why);
    if (!s) s = segue_event_create(dev, &event, &why);
    for (int i = 0; i < ROUNDS && !s; i++) {
        static unsigned char from[BYTES], to[BYTES]; /* copies that nobody waits for happen after the loop */
        memset(from, i + 1, sizeof from);
        memset(to, 0, sizeof to);
        s = round_trip(dev, streams, event, at, from, to, &why);
        wrong += memcmp(from, to, sizeof from) != 0;
    }
    if (s) return failed("a call", &why);
    segue_event_destroy(dev, event);
    segue_stream_destroy(dev, streams[0]);
    segue_stream_destroy(dev, streams[1]);
    segue_memory_free(dev, at);
    printf("%d of %d rounds in another order\n", wrong, ROUNDS);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    segue_diag why = { 0 };
    segue_context *ctx = NULL;
    segue_device *dev = NULL;
    if (argc != 2) return 2;
    if (segue_context_create(NULL, &ctx, &why)) return failed("segue_context_create", &why);
    if (segue_device_open(ctx, argv[1], NULL, &dev, &why)) return failed(argv[1], &why);
    int code = try_stale_stream(dev);
    if (!code) code = try_orders(dev);
    segue_device_close(dev);
    segue_context_destroy(ctx);
    return code;
}

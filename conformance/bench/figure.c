/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One case on one device: checked, then timed, with the probe of its bytes between its samples. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "crew.h"

enum { SAMPLES = 64, COPY_UNIT = 4096 }; /* bytes: some drivers copy an odd number a byte at a time */
static const double probe_seconds = 0.016, arithmetic_seconds = 0.002; /* beside each sample */

double time_runs(struct stage *s, int64_t times, char *why)
{
    const double start = seconds_now();
    if (stage_run(s, times, why)) return -1;
    return 1e3 * (seconds_now() - start) / (double)times;
}

int64_t runs_for(struct stage *s, double seconds, char *why)
{
    int64_t runs = 1;
    for (;;) {
        const double ms = time_runs(s, runs, why), took = 1e-3 * ms * (double)runs;
        if (ms < 0) return -1;
        if (took >= seconds) return runs;
        /* A tenth more than it seems to need, since the next ones may be faster; never more than eightfold. */
        const double factor = 1.1 * seconds / (took > 1e-9 ? took : 1e-9);
        runs = (int64_t)((double)runs * (factor > 8 ? 8 : factor)) + 1;
    }
}

/* ---- bytes of a device with memory of its own ---------------------------------------------------- */

struct copy_probe {
    const struct bench_device *device;
    segue_buffer from, to;
    uint64_t bytes; /* of each */
    int together;   /* copies before a synchronisation, as runs are timed */
    double best;    /* seconds of one */
};

static int copy_open(struct copy_probe *p, const struct bench_device *device, double bytes)
{
    *p = (struct copy_probe){ .device = device,
                              .bytes = ((uint64_t)(bytes / 2) / COPY_UNIT + 1) * COPY_UNIT,
                              .together = 1,
                              .best = INFINITY };
    if (segue_memory_alloc(device->handle, p->bytes, &p->from, NULL)) return -1;
    /* Not zeros, which some processors move faster. */
    if (!segue_memory_alloc(device->handle, p->bytes, &p->to, NULL) &&
        !segue_memory_fill(device->handle, device->stream, p->from, 0x3e, p->bytes, NULL) &&
        !segue_memory_fill(device->handle, device->stream, p->to, 0x3e, p->bytes, NULL))
        return 0;
    return -1;
}

/* Seconds of a copy, of as many back to back; negative = failed. */
static double copy_time(struct copy_probe *p, int copies)
{
    const double start = seconds_now();
    for (int i = 0; i < copies; i++)
        if (segue_memory_copy(p->device->handle, p->device->stream, SEGUE_COPY_ON_DEVICE, p->to, p->from,
                              p->bytes, NULL))
            return -1;
    if (segue_stream_sync(p->device->handle, p->device->stream, NULL)) return -1;
    return (seconds_now() - start) / copies;
}

static int copy_measure(struct copy_probe *p)
{
    const double end = seconds_now() + probe_seconds;
    for (int n = 0; n < 3 || seconds_now() < end; n++) {
        const double took = copy_time(p, p->together);
        if (took < 0) return -1;
        p->best = fmin(p->best, took);
        while (p->together < 64 && p->together * p->best < probe_seconds / 4) p->together *= 2;
    }
    return 0;
}

static void copy_close(struct copy_probe *p)
{
    if (p->from.data) segue_memory_free(p->device->handle, p->from);
    if (p->to.data) segue_memory_free(p->device->handle, p->to);
}

/* ---- a figure ------------------------------------------------------------------------------------ */

struct bytes { /* one or the other */
    const struct rates *rates;
    struct traffic traffic;
    struct copy_probe copy;
};

static int bytes_open(struct bytes *b, const struct stage *s, const struct rates *rates, const struct work *w)
{
    b->rates = rates;
    return rates ? work_traffic(s, rates, &b->traffic) : copy_open(&b->copy, s->device, work_bytes(w));
}

static int bytes_measure(struct bytes *b, double seconds)
{
    return b->rates ? traffic_measure(&b->traffic, seconds) : copy_measure(&b->copy);
}

static double bytes_rate(const struct bytes *b)
{
    return b->rates ? traffic_rate(&b->traffic) : 2.0 * (double)b->copy.bytes / b->copy.best;
}

static void bytes_close(struct bytes *b)
{
    if (b->rates) traffic_close(&b->traffic);
    else copy_close(&b->copy);
}

/* Milliseconds of a run, over a sample that takes long enough: a hiccup may have hidden how many that are. */
static double sample_once(struct stage *s, int64_t *times, double seconds, char *why)
{
    for (;;) {
        const double ms = time_runs(s, *times, why), took = 1e-3 * ms * (double)*times;
        if (ms < 0 || took >= seconds) return ms;
        *times += (int64_t)((double)*times * fmin(7, 1.1 * seconds / took - 1)) + 1;
    }
}

static int sample(struct stage *s, struct rates *rates, const struct work *w, const struct pace *pace,
                  struct figure *out, char *why)
{
    struct bytes bytes = { 0 };
    double ms[SAMPLES];
    const int samples = pace->samples < SAMPLES ? pace->samples : SAMPLES;
    int bad = bytes_open(&bytes, s, rates, w);
    if (bad) snprintf(why, DESCRIPTOR_WHY, "no memory or threads to measure the copy rate");
    int64_t times = bad ? -1 : runs_for(s, pace->sample_seconds, why);
    bad |= times < 0;
    for (int i = 0; !bad && i < samples; i++) {
        if ((bad = bytes_measure(&bytes, pace->sample_seconds / 2) ||
                   (rates && rates_again(rates, arithmetic_seconds))))
            snprintf(why, DESCRIPTOR_WHY, "the probes of what the machine allows failed");
        /* The probes have changed the outputs and the caches and let the device's threads sleep. */
        if (!bad)
            bad = stage_run(s, times / 8 + 1, why) ||
                  (ms[i] = sample_once(s, &times, pace->sample_seconds, why)) < 0;
    }
    if (!bad) {
        out->ms_median = median_of(ms, samples);
        out->ms_min = ms[0];
        out->ms_max = ms[samples - 1];
        out->runs = samples;
        out->limit = limit_of(w, rates, bytes_rate(&bytes));
    }
    bytes_close(&bytes);
    return bad ? STAGE_FAILED : STAGE_READY;
}

/* Right once more than once: after all that was timed, and more often than a kernel might skip. */
static int check_afterwards(struct stage *s, char *why)
{
    char words[DESCRIPTOR_WHY];
    int bad = stage_finite(s, words);
    for (int i = 0; !bad && i < 3; i++) bad = stage_check(s, words);
    if (bad) snprintf(why, DESCRIPTOR_WHY, "after the timed runs: %.300s", words);
    return bad;
}

int bench_measure(const struct bench_device *device, struct rates *rates, const struct bench_case *c,
                  const char *row, const struct pace *pace, struct figure *out, char *why)
{
    struct stage s;
    struct work w;
    *out = (struct figure){ .name = c->name, .device = device->name, .threads = device->facts.threads };
    int code = stage_open(&s, device, c->descriptor, c->layers, row, why);
    if (code) return code;
    out->primitive = s.d.primitive->name;
    out->dtype = dtype_name(descriptor_dtype(&s.d));
    snprintf(out->row, sizeof out->row, "%s", s.facts.row);
    const int bad = work_of(&s.d, c->layers, &w, why);
    w.by_tiles = !c->by_tiles                                     ? NO_TILES
                 : s.facts.accuracy & SEGUE_ACCURACY_BF16_PRODUCT ? TILES_BF16
                                                                  : TILES_F32;
    code = bad || stage_check(&s, why) || sample(&s, rates, &w, pace, out, why) || check_afterwards(&s, why)
               ? STAGE_FAILED
               : STAGE_READY;
    stage_close(&s);
    return code;
}

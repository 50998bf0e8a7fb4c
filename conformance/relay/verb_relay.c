/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../grammar/interruption.h"
#include "../grammar/output.h"
#include "relay.h"

struct wishes {
    char *devices; /* NULL: all that are found */
    int list, json, quiet;
    char **primitives;
    int primitive_count;
};

struct session {
    const struct wishes *w;
    FILE *out; /* the transcript only */
    struct bench_device devices[BENCH_DEVICES];
    int device_count;
    int recurrences, right, wrong, declined, stand_ins;
};

static int usage(FILE *to)
{
    fputs(
        "usage: segue relay [OPTION...] [PRIMITIVE...]\n"
        "Hands states from device to device: prefill on one, save, load on the next and continue, fork into two branches,\n"
        "rewind to what was saved and go on again, resume on a third, token by token. Every hand-over, its outputs and the\n"
        "states behind it, is judged against the uninterrupted run.\n"
        "  PRIMITIVE      which recurrences; without: all that have a state\n"
        "  --device A,B,C between which devices; without: all that are found. Each begins once, the next ones go on\n"
        "  --list         only the calls\n"
        "  --json         one object a line, a summary last\n"
        "  -q, --quiet    only what is wrong, and the last line\n"
        "Of each hand-over: bytes of the file, tokens that were run behind it, and the worst error of outputs (y) and\n"
        "states as a share of its bound: below 1 is right.\n"
        "Exit: 0 all right, 1 a hand-over is wrong, nothing was handed over or interrupted, 2 usage, 3 no device, 4 system.\n",
        to);
    return to == stdout ? RELAY_OK : RELAY_USAGE;
}

/* ---- output -------------------------------------------------------------------------------------------- */

static const char *bytes_text(uint64_t bytes, char to[32])
{
    if (!bytes) to[0] = 0;
    else if (bytes < 10240) snprintf(to, 32, "%" PRIu64 " B", bytes);
    else snprintf(to, 32, "%.1f KiB", (double)bytes / 1024);
    return to;
}

static const char *share_text(double share, char to[16])
{
    snprintf(to, 16, share < 100 ? "%.3f" : "%.1e", share);
    return to;
}

static void print_line(FILE *to, const struct relay_line *l)
{
    char way[80], bytes[32], y[16], state[16];
    if (l->from != l->to) snprintf(way, sizeof way, "%s -> %s", l->from->name, l->to->name);
    else snprintf(way, sizeof way, "%s", l->to->name);
    fprintf(to, "  %-8s  %-22s  %8s  tokens %2" PRId64 " to %3" PRId64 "  y %s  state %s  %s%s%s\n", l->step,
            way, bytes_text(l->bytes, bytes), l->low + 1, l->high, share_text(l->y, y),
            share_text(l->state, state), l->ok ? "ok" : "WRONG", l->ok ? "" : ": ", l->why);
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static void print_json(FILE *to, const char *call, const struct relay_line *l)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:[I,I], s:o, s:o, s:b, s:s}", "call", call, "step",
                          l->step, "from", l->from->name, "to", l->to->name, "bytes", (json_int_t)l->bytes,
                          "tokens", (json_int_t)l->low + 1, (json_int_t)l->high, "y", number(l->y), "state",
                          number(l->state), "ok", l->ok, "why", l->why);
    if (o) json_dumpf(o, to, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputc('\n', to);
    json_decref(o);
}

static void report(struct session *s, const char *call, const struct bench_device *const ring[3],
                   const struct relay_line *lines, int count)
{
    const int stand_in =
        (ring[0]->facts.flags | ring[1]->facts.flags | ring[2]->facts.flags) & SEGUE_DEVICE_STAND_IN;
    for (int i = 0; i < count; i++) {
        const struct relay_line *l = &lines[i];
        const int hand_over = strcmp(l->step, "prefill") != 0;
        s->right += l->ok && hand_over && !stand_in;
        s->stand_ins += l->ok && hand_over && stand_in;
        s->wrong += !l->ok;
        if (s->w->json) print_json(s->out, call, l);
        else if (!l->ok || (hand_over && !s->w->quiet)) print_line(s->out, l);
    }
    fflush(s->out);
}

/* ---- relays -------------------------------------------------------------------------------------------- */

static void broken(struct session *s, const char *call, const char *why)
{
    fprintf(stderr, "segue relay: %s: %s\n", call, why);
    s->wrong++;
}

static void decline(struct session *s, const char *call, const struct bench_device *d, const char *why)
{
    s->declined++;
    if (s->w->quiet) return;
    if (!s->w->json) {
        fprintf(s->out, "  left out: %s\n", why);
        return;
    }
    json_t *o = json_pack("{s:s, s:s, s:s}", "call", call, "declined", d->name, "why", why);
    if (o) json_dumpf(o, s->out, JSON_COMPACT);
    fputc('\n', s->out);
    json_decref(o);
}

/* Devices that have a kernel of their own for the call, with a line that names it. */
static int ring_of(struct session *s, struct relay_whole *w, const struct bench_device *ring[BENCH_DEVICES])
{
    char why[DESCRIPTOR_WHY], rows[BENCH_DEVICES * 100] = "";
    int count = 0;
    for (int i = 0; i < s->device_count; i++) {
        segue_plan_facts facts;
        const int code = relay_plan_facts(w, &s->devices[i], &facts, why);
        if (code == RELAY_DECLINED) decline(s, w->c.name, &s->devices[i], why);
        else if (code) broken(s, w->c.name, why);
        if (code) continue;
        snprintf(rows + strlen(rows), sizeof rows - strlen(rows), "%s%s by %s", count ? ", " : "",
                 s->devices[i].name, facts.row);
        ring[count++] = &s->devices[i];
    }
    if (count && !s->w->json && !s->w->quiet) fprintf(s->out, "  %s\n", rows);
    return count;
}

static void relay(struct session *s, const char *call)
{
    const struct bench_device *ring[BENCH_DEVICES];
    struct relay_whole w;
    char why[DESCRIPTOR_WHY] = "";
    if (relay_whole_make(&w, call, why)) {
        broken(s, call, why);
        relay_whole_free(&w);
        return;
    }
    if (!s->w->json && !s->w->quiet) fprintf(s->out, "\n%s\n  %s\n", w.c.primitive->title, w.c.name);
    const int count = ring_of(s, &w, ring);
    for (int i = 0; i < count && !interruption_came(); i++) {
        const struct bench_device *const three[] = { ring[i], ring[(i + 1) % count], ring[(i + 2) % count] };
        struct relay_line lines[RELAY_LINES];
        report(s, w.c.name, three, lines, relay_run(&w, three, NULL, lines));
    }
    relay_whole_free(&w);
}

static int is_wanted(const struct wishes *w, const segue_primitive_facts *p)
{
    for (int i = 0; i < w->primitive_count; i++)
        if (!strcmp(w->primitives[i], p->name)) return 1;
    return !w->primitive_count;
}

/* Every call of every recurrence that is wanted; listed only, where s has no device. */
static void relay_all(struct session *s)
{
    const segue_primitive_facts *p;
    for (uint32_t id = 1; !interruption_came() && (p = segue_describe(id)) != NULL; id++) {
        char call[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY] = "";
        int found = 1;
        if (!relay_is_recurrence(p) || !is_wanted(s->w, p)) continue;
        s->recurrences++;
        for (int nth = 0; !interruption_came() && (found = relay_call(p, nth, call, why)) > 0; nth++) {
            if (s->w->list) fprintf(s->out, "%s\n", call);
            else relay(s, call);
        }
        if (found < 0) broken(s, p->name, why);
    }
}

static int summarise(const struct session *s)
{
    const char *came = interruption_came();
    const int code = came || s->wrong || !(s->right + s->stand_ins) ? RELAY_WRONG : RELAY_OK;
    if (came) fprintf(stderr, "segue relay: interrupted by %s\n", came);
    if (s->w->json) {
        json_t *o =
            json_pack("{s:{s:i, s:i, s:i, s:i, s:i}}", "summary", "recurrences", s->recurrences, "right",
                      s->right, "wrong", s->wrong, "declined", s->declined, "stand_ins", s->stand_ins);
        if (o) json_dumpf(o, s->out, JSON_COMPACT);
        fputc('\n', s->out);
        json_decref(o);
        return code;
    }
    fprintf(s->out, "%s%d recurrences, %d hand-overs right, %d wrong, %d declined", s->w->quiet ? "" : "\n",
            s->recurrences, s->right, s->wrong, s->declined);
    if (s->stand_ins) fprintf(s->out, "; %d right on tests' stand-ins, which do not count", s->stand_ins);
    fputs("\n", s->out);
    return code;
}

/* ---- the command --------------------------------------------------------------------------------------- */

static int open_devices(struct session *s)
{
    char found[BENCH_DEVICES][32], why[DESCRIPTOR_WHY] = "";
    int count = 0;
    if (!s->w->devices) {
        const int code = bench_device_names(found, &count, why);
        if (code) fprintf(stderr, "segue relay: %s\n", why);
        if (code) return code;
    }
    char *rest = s->w->devices;
    for (char *name; rest && (name = strsep(&rest, ",")) != NULL;)
        if (count < BENCH_DEVICES) snprintf(found[count++], sizeof found[0], "%s", name);
        else return fprintf(stderr, "segue relay: --device: wanted at most %d\n", BENCH_DEVICES), RELAY_USAGE;
    for (int i = 0; i < count; i++) {
        const int code = bench_device_open_any(&s->devices[i], found[i], why);
        if (code) fprintf(stderr, "segue relay: %s\n", why);
        if (code) return code;
        s->device_count++;
    }
    if (count) return RELAY_OK;
    fputs("segue relay: no device is ready; segue devices tells why\n", stderr);
    return RELAY_NO_DEVICE;
}

static void introduce(const struct session *s)
{
    fprintf(s->out, "States that go from device to device, by way of a file: ");
    for (int i = 0; i < s->device_count; i++) fprintf(s->out, "%s%s", i ? ", " : "", s->devices[i].name);
    fprintf(
        s->out,
        ".\nOne reads a prompt of %d tokens; the next goes on with %d more (continue) and with %d others (fork), then again\n"
        "from the file (rewind); a third goes on with %d, one at a time (resume). y and state: the worst error, before the\n"
        "last rounding, as a share of its bound against the uninterrupted run; up to 1 is right.\n",
        RELAY_PROMPT, RELAY_TURN - RELAY_PROMPT, RELAY_TURN - RELAY_PROMPT, RELAY_TOKENS - RELAY_TURN);
}

static int run(const struct wishes *w)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s) {
        fputs("segue relay: no memory\n", stderr);
        return RELAY_ENVIRONMENT;
    }
    s->w = w;
    s->out = w->list ? stdout : output_keep();
    int code = w->list ? RELAY_OK : open_devices(s);
    if (!code) {
        if (!w->list && !w->json && !w->quiet) introduce(s);
        if (!w->list) interruption_watch("segue relay: ends behind this relay; once more: at once\n");
        relay_all(s);
        if (!w->list) code = summarise(s);
        else code = s->wrong ? RELAY_WRONG : RELAY_OK;
    }
    if (output_failed(s->out)) {
        fprintf(stderr, "segue relay: cannot write the output: %s\n", strerror(errno));
        code = RELAY_ENVIRONMENT;
    }
    for (int i = 0; i < s->device_count; i++) bench_device_close(&s->devices[i]);
    free(s);
    return code;
}

/* 0, or -1 with words. */
static int check_primitives(const struct wishes *w)
{
    for (int i = 0; i < w->primitive_count; i++) {
        const segue_primitive_facts *p = NULL;
        for (uint32_t id = 1; (p = segue_describe(id)) && strcmp(p->name, w->primitives[i]);) id++;
        if (p && relay_is_recurrence(p)) continue;
        fprintf(stderr, "segue relay: %s %s, wanted one of:", w->primitives[i],
                p ? "has no state" : "is no primitive");
        for (uint32_t id = 1; (p = segue_describe(id)); id++)
            if (relay_is_recurrence(p)) fprintf(stderr, " %s", p->name);
        fputs("\n", stderr);
        return -1;
    }
    return 0;
}

int verb_relay(int argc, char **argv)
{
    static const struct option options[] = {
        { "device", required_argument, NULL, 'd' }, { "list", no_argument, NULL, 'l' },
        { "json", no_argument, NULL, 'J' },         { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    struct wishes w = { .devices = NULL };
    int c;
    while ((c = getopt_long(argc, argv, "qh", options, NULL)) != -1) switch (c) {
        case 'd': w.devices = optarg; break;
        case 'l': w.list = 1; break;
        case 'J': w.json = 1; break;
        case 'q': w.quiet = 1; break;
        case 'h': return usage(stdout);
        default: return usage(stderr);
        }
    w.primitives = argv + optind;
    w.primitive_count = argc - optind;
    return check_primitives(&w) ? RELAY_USAGE : run(&w);
}

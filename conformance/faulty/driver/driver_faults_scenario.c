/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine does with a device, from counting to closing, as a table of steps. */
#include "driver_faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { /* things that steps make and need */
       CONTEXT = 1 << 0,
       DEVICE = 1 << 1,
       ARENA = 1 << 2,
       SCRATCH = 1 << 3,
       SECOND = 1 << 4,
       OWN = 1 << 5,
       ENGINES = 1 << 6,
       WRAPPED = 1 << 7,
       EVENT = 1 << 8,
       SCAN = 1 << 9,
       CONV = 1 << 10,
       CAPTURE = 1 << 11,
       GRAPH = 1 << 12,
       IN = 1 << 13, /* numbers, from here on */
       FILLED = 1 << 14,
       RUN = 1 << 15,
       OUT = 1 << 16,
       SMALL_OUT = 1 << 17,
       IN_2 = 1 << 18,
       REPLAYED = 1 << 19,
       OUT_2 = 1 << 20,
       CAPTURED = 1 << 21,
       COPIED = 1 << 22,
       WAITED = 1 << 23,
       COUNTED = 1 << 24,
       OUT_SENT = 1 << 25,
       OUT_SENT_2 = 1 << 26,
       SMALL_SENT = 1 << 27,
       RUN_2 = 1 << 28,
       RECORDED = 1 << 29,
       SYNCED = 1 << 30
};

/* ---- answers: what a refused call was given must be as it was -------------------------------------------------- */

enum { POISON = 0xa5 };

static int poisoned(const void *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)at)[i] != POISON) return 0;
    return 1;
}

/* out is poisoned before the call; afterwards, where it was refused, it must be poisoned still and is cleared. */
#define ASK(s, out, call)                                                \
    do {                                                                 \
        memset(&(out), POISON, sizeof(out));                             \
        const segue_status status_ = (call);                             \
        if (status_ && !poisoned(&(out), sizeof(out))) (s)->touched = 1; \
        if (status_) memset(&(out), 0, sizeof(out));                     \
        return status_;                                                  \
    } while (0)

/* ---- opening --------------------------------------------------------------------------------------------------- */

static segue_status context(struct scene *s, segue_diag *why)
{
    const char *const plugins[] = { s->plugin, NULL };
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .plugins = plugins };
    ASK(s, s->context, segue_context_create(&options, &s->context, why));
}

/* A plugin whose devices cannot be counted is no failure of the call: the report has the words. */
static segue_status count(struct scene *s, segue_diag *why)
{
    segue_plugin_facts facts[4] = { { .size = sizeof *facts },
                                    { .size = sizeof *facts },
                                    { .size = sizeof *facts },
                                    { .size = sizeof *facts } };
    uint32_t devices = 0, plugins = 4;
    segue_status status = segue_device_count(s->context, &devices, why);
    if (!status) status = segue_plugin_report(s->context, facts, &plugins, why);
    for (uint32_t i = 0; i < plugins && i < 4 && !status; i++) {
        if (strcmp(facts[i].id, s->engine->id) || facts[i].device_count) continue;
        status = facts[i].code ? facts[i].code : SEGUE_ERROR_NO_DEVICE;
        snprintf(why->text, sizeof why->text, "%s", facts[i].text);
    }
    return status;
}

static segue_status info(struct scene *s, segue_diag *why)
{
    segue_device_facts facts;
    memset(&facts, 0, sizeof facts);
    facts.size = sizeof facts;
    const segue_status status = segue_device_info(s->context, 0, &facts, why);
    if (!status && (strcmp(facts.backend, s->engine->id) || !(facts.flags & SEGUE_DEVICE_STAND_IN))) s->wrong++;
    if (status && facts.name[0]) s->touched = 1;
    return status;
}

static segue_status open_device(struct scene *s, segue_diag *why)
{
    segue_device_options options = { .size = sizeof options };
    if (s->way == WAY_ADOPTED) options.native_context = s->place->first;
    ASK(s, s->device, segue_device_open(s->context, s->engine->id, &options, &s->device, why));
}

static segue_status device_status(struct scene *s, segue_diag *why)
{
    return segue_device_status(s->device, why);
}

/* ---- memory, streams, events ------------------------------------------------------------------------------------ */

static segue_status alloc_arena(struct scene *s, segue_diag *why)
{
    ASK(s, s->arena, segue_memory_alloc(s->device, ARENA_BYTES, &s->arena, why));
}

static segue_status alloc_scratch(struct scene *s, segue_diag *why)
{
    ASK(s, s->scratch, segue_memory_alloc(s->device, SMALL_BYTES, &s->scratch, why));
}

static segue_status alloc_second(struct scene *s, segue_diag *why)
{
    ASK(s, s->second, segue_memory_alloc(s->device, SMALL_BYTES, &s->second, why));
}

static segue_status create_stream(struct scene *s, segue_diag *why)
{
    ASK(s, s->own, segue_stream_create(s->device, &s->own, why));
}

static segue_status engines_stream(struct scene *s, segue_diag *why)
{
    (void)why;
    engine_on(s->engine, s->place);
    const int error = s->engine->stream_create(&s->stream, 1);
    engine_off(s->engine, s->place);
    return error ? SEGUE_ERROR_INTERNAL : SEGUE_OK;
}

static segue_status wrap(struct scene *s, segue_diag *why)
{
    ASK(s, s->wrapped,
        segue_stream_wrap(s->device, s->engine->hip ? SEGUE_API_HIP : SEGUE_API_CUDA, s->stream, 0, &s->wrapped,
                          why));
}

static segue_status create_event(struct scene *s, segue_diag *why)
{
    ASK(s, s->event, segue_event_create(s->device, &s->event, why));
}

static segue_status copy_in(struct scene *s, segue_diag *why)
{
    const segue_buffer host = { s->inputs[0], 0, ARENA_BYTES };
    put_inputs(s->inputs[0], 0);
    return segue_memory_copy(s->device, s->own, SEGUE_COPY_TO_DEVICE, s->arena, host, ARENA_BYTES, why);
}

static segue_status copy_in_again(struct scene *s, segue_diag *why)
{
    const segue_buffer host = { s->inputs[1], 0, ARENA_BYTES };
    put_inputs(s->inputs[1], 1);
    return segue_memory_copy(s->device, s->wrapped, SEGUE_COPY_TO_DEVICE, s->arena, host, ARENA_BYTES, why);
}

static segue_status copy_out(struct scene *s, segue_diag *why)
{
    const segue_buffer host = { s->host, 0, ARENA_BYTES };
    memset(s->host, POISON, ARENA_BYTES);
    const segue_status status =
        segue_memory_copy(s->device, s->own, SEGUE_COPY_FROM_DEVICE, host, s->arena, ARENA_BYTES, why);
    if (status && !poisoned(s->host, ARENA_BYTES)) s->touched = 1;
    return status;
}

static segue_status sync_own(struct scene *s, segue_diag *why)
{
    return segue_stream_sync(s->device, s->own, why);
}

static segue_status sync_wrapped(struct scene *s, segue_diag *why)
{
    return segue_stream_sync(s->device, s->wrapped, why);
}

static segue_status fill(struct scene *s, segue_diag *why)
{
    return segue_memory_fill(s->device, s->own, s->second, 0x3f, SMALL_BYTES, why); /* f32: 0.747 */
}

static segue_status copy_within(struct scene *s, segue_diag *why)
{
    return segue_memory_copy(s->device, s->own, SEGUE_COPY_ON_DEVICE, s->scratch, s->second, SMALL_BYTES, why);
}

/* To bf16, which has no such number: 0x3f3f3f3f becomes 0x3f3f. */
static segue_status convert(struct scene *s, segue_diag *why)
{
    const int64_t shape[] = { SMALL / 2 };
    const segue_tensor from = segue_tensor_of(s->scratch.data, SEGUE_F32, 1, shape);
    const segue_tensor to = segue_tensor_of(s->second.data, SEGUE_BF16, 1, shape);
    return segue_state_convert(s->device, s->own, &to, &from, why);
}

static segue_status record(struct scene *s, segue_diag *why)
{
    return segue_event_record(s->device, s->event, s->own, why);
}

static segue_status wait_event(struct scene *s, segue_diag *why)
{
    return segue_event_wait(s->device, s->event, s->wrapped, why);
}

static segue_status sync_event(struct scene *s, segue_diag *why)
{
    return segue_event_sync(s->device, s->event, why);
}

static segue_status copy_small_out(struct scene *s, segue_diag *why)
{
    const segue_buffer host = { s->host, 0, SMALL_BYTES };
    return segue_memory_copy(s->device, s->wrapped, SEGUE_COPY_FROM_DEVICE, host, s->second, SMALL_BYTES, why);
}

static segue_status check_small(struct scene *s, segue_diag *why)
{
    (void)why;
    for (int i = 0; i < SMALL_BYTES; i++) s->wrong += s->host[i] != 0x3f;
    return SEGUE_OK;
}

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static segue_status plan_scan(struct scene *s, segue_diag *why)
{
    const segue_selective_scan op = scan_of(s->arena.data);
    ASK(s, s->scan, segue_plan_create(s->device, &op.header, &s->scan, why));
}

static segue_status plan_conv(struct scene *s, segue_diag *why)
{
    const segue_causal_conv1d op = conv_of(s->arena.data);
    ASK(s, s->conv, segue_plan_create(s->device, &op.header, &s->conv, why));
}

static segue_status run_on(struct scene *s, segue_stream stream, int conv, segue_diag *why)
{
    const segue_selective_scan scan = scan_of(s->arena.data);
    const segue_causal_conv1d other = conv_of(s->arena.data);
    const segue_buffer none = { 0 };
    return conv ? segue_plan_run(s->conv, &other.header, stream, none, why)
                : segue_plan_run(s->scan, &scan.header, stream, none, why);
}

static segue_status run_scan(struct scene *s, segue_diag *why)
{
    return run_on(s, s->own, 0, why);
}

static segue_status run_conv(struct scene *s, segue_diag *why)
{
    return run_on(s, s->own, 1, why);
}

static segue_status check_numbers(struct scene *s, segue_diag *why)
{
    (void)why;
    s->wrong += differs(s->host, 0, U, Z);
    return SEGUE_OK;
}

/* The short scenario has no scan. */
static segue_status check_short(struct scene *s, segue_diag *why)
{
    (void)why;
    if (s->brief) s->wrong += differs(s->host, 0, Z, Z);
    return SEGUE_OK;
}

static segue_status check_replayed(struct scene *s, segue_diag *why)
{
    (void)why;
    s->wrong += differs(s->host, 1, U, Z);
    return SEGUE_OK;
}

static segue_status run_at_once(struct scene *s, segue_diag *why)
{
    const segue_causal_conv1d op = conv_of(s->arena.data);
    return segue_run(s->device, &op.header, s->wrapped, why);
}

/* ---- captured ------------------------------------------------------------------------------------------------------ */

static segue_status begin_capture(struct scene *s, segue_diag *why)
{
    (void)why;
    engine_on(s->engine, s->place);
    const int error = s->engine->capture_begin(s->stream, 1);
    engine_off(s->engine, s->place);
    return error ? SEGUE_ERROR_INTERNAL : SEGUE_OK;
}

static segue_status run_captured(struct scene *s, segue_diag *why)
{
    const segue_status status = run_on(s, s->wrapped, 0, why);
    return status ? status : run_on(s, s->wrapped, 1, why);
}

/* Refused, and nothing of it is in the graph. */
static segue_status refuse_captured(struct scene *s, segue_diag *why)
{
    segue_diag said = { 0 };
    const segue_causal_conv1d op = conv_of(s->arena.data);
    const segue_status status = segue_run(s->device, &op.header, s->wrapped, &said);
    if (status == SEGUE_ERROR_CAPTURE && !said.native_code && said.text[0]) return SEGUE_OK;
    if (!status) s->wrong++;
    *why = said;
    return status;
}

static segue_status end_capture(struct scene *s, segue_diag *why)
{
    (void)why;
    engine_on(s->engine, s->place);
    int error = s->engine->capture_end(s->stream, &s->graph);
    if (!error) error = s->engine->graph_make(&s->exec, s->graph, 0);
    engine_off(s->engine, s->place);
    return error ? SEGUE_ERROR_INTERNAL : SEGUE_OK;
}

static segue_status replay(struct scene *s, segue_diag *why)
{
    (void)why;
    engine_on(s->engine, s->place);
    const int error = s->engine->graph_launch(s->exec, s->stream);
    engine_off(s->engine, s->place);
    return error ? SEGUE_ERROR_INTERNAL : SEGUE_OK;
}

static segue_status drop_graph(struct scene *s, segue_diag *why)
{
    (void)why;
    if (s->exec) s->engine->exec_destroy(s->exec);
    if (s->graph) s->engine->graph_destroy(s->graph);
    return SEGUE_OK;
}

/* ---- closing: in an order that engines like, objects before their device --------------------------------------------- */

static segue_status destroy_scan(struct scene *s, segue_diag *why)
{
    (void)why;
    segue_plan_destroy(s->scan);
    return SEGUE_OK;
}

static segue_status destroy_conv(struct scene *s, segue_diag *why)
{
    (void)why;
    segue_plan_destroy(s->conv);
    return SEGUE_OK;
}

static segue_status destroy_event(struct scene *s, segue_diag *why)
{
    (void)why;
    segue_event_destroy(s->device, s->event);
    return SEGUE_OK;
}

static segue_status destroy_stream(struct scene *s, segue_diag *why)
{
    (void)why;
    segue_stream_destroy(s->device, s->own);
    return SEGUE_OK;
}

static segue_status free_arena(struct scene *s, segue_diag *why)
{
    (void)why;
    segue_memory_free(s->device, s->arena);
    return SEGUE_OK;
}

static segue_status free_small(struct scene *s, segue_diag *why)
{
    (void)why;
    if (s->things & SCRATCH) segue_memory_free(s->device, s->scratch);
    if (s->things & SECOND) segue_memory_free(s->device, s->second);
    return SEGUE_OK;
}

static segue_status close_device(struct scene *s, segue_diag *why)
{
    (void)why;
    segue_device_close(s->device);
    return SEGUE_OK;
}

static segue_status drop_stream(struct scene *s, segue_diag *why)
{
    (void)why;
    engine_on(s->engine, s->place);
    s->engines_lost += s->engine->stream_destroy(s->stream) != 0;
    engine_off(s->engine, s->place);
    return SEGUE_OK;
}

static segue_status destroy_context(struct scene *s, segue_diag *why)
{
    (void)why;
    segue_context_destroy(s->context);
    return SEGUE_OK;
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

const struct step steps[] = {
    { "context_create", context, 0, CONTEXT, STEP_SHORT },
    { "device_count", count, CONTEXT, COUNTED, STEP_COUNTS },
    { "device_info", info, CONTEXT | COUNTED, 0, 0 },
    { "device_open", open_device, CONTEXT, DEVICE, STEP_SHORT },
    { "device_status", device_status, DEVICE, 0, 0 },
    { "stream_create", create_stream, DEVICE, OWN, STEP_SHORT },
    { "memory_alloc", alloc_arena, DEVICE, ARENA, STEP_SHORT },
    { "memory_alloc 2", alloc_scratch, DEVICE, SCRATCH, 0 },
    { "memory_alloc 3", alloc_second, DEVICE, SECOND, 0 },
    { "(engine's stream)", engines_stream, DEVICE, ENGINES, STEP_ENGINE },
    { "stream_wrap", wrap, DEVICE | ENGINES, WRAPPED, 0 },
    { "memory_fill", fill, OWN | SECOND, FILLED, 0 },
    { "memory_copy on", copy_within, OWN | SECOND | SCRATCH | FILLED, COPIED, 0 },
    { "state_convert", convert, OWN | SECOND | SCRATCH | COPIED, 0, STEP_HEALS },
    { "event_create", create_event, DEVICE, EVENT, 0 },
    { "event_record", record, EVENT | OWN, RECORDED, 0 },
    { "event_wait", wait_event, EVENT | WRAPPED | RECORDED, WAITED, 0 },
    { "event_sync", sync_event, EVENT, 0, 0 },
    { "memory_copy from", copy_small_out, WRAPPED | SECOND | FILLED | WAITED, SMALL_SENT, 0 },
    { "stream_sync", sync_wrapped, WRAPPED, SMALL_OUT, 0 },
    { "(numbers)", check_small, SMALL_OUT | SMALL_SENT, 0, STEP_ENGINE },
    { "plan_create scan", plan_scan, ARENA, SCAN, STEP_HEALS },
    { "plan_create conv", plan_conv, ARENA, CONV, STEP_HEALS | STEP_SHORT },
    { "memory_copy to", copy_in, OWN | ARENA, IN, STEP_SHORT },
    { "plan_run scan", run_scan, OWN | SCAN | IN, RUN, 0 },
    { "plan_run conv", run_conv, OWN | CONV | IN, RUN_2, STEP_SHORT },
    { "memory_copy from 2", copy_out, OWN | ARENA, OUT_SENT, STEP_SHORT },
    { "stream_sync 2", sync_own, OWN, OUT, STEP_SHORT },
    { "(numbers 2)", check_numbers, IN | OUT_SENT | OUT | RUN | RUN_2, 0, STEP_ENGINE },
    { "run", run_at_once, WRAPPED | ARENA, 0, 0 },
    { "(begin capture)", begin_capture, WRAPPED, CAPTURE, STEP_ENGINE },
    { "plan_run captured", run_captured, CAPTURE | SCAN | CONV, CAPTURED, 0 },
    { "run captured", refuse_captured, CAPTURE | ARENA, 0, 0 },
    { "(end capture)", end_capture, CAPTURE, GRAPH, STEP_ENGINE },
    { "memory_copy to 2", copy_in_again, WRAPPED | ARENA, IN_2, 0 },
    { "(replay)", replay, GRAPH | IN_2, REPLAYED, STEP_ENGINE },
    { "stream_sync 3", sync_wrapped, WRAPPED, SYNCED, 0 },
    { "memory_copy from 3", copy_out, OWN | ARENA | SYNCED, OUT_SENT_2, 0 },
    { "stream_sync 4", sync_own, OWN, OUT_2, 0 },
    { "(numbers 3)", check_replayed, CAPTURED | REPLAYED | OUT_SENT_2 | OUT_2, 0, STEP_ENGINE },
    { "(drop graph)", drop_graph, 0, 0, STEP_ENGINE },
    { "(numbers 4)", check_short, IN | OUT_SENT | OUT | RUN_2, 0, STEP_ENGINE | STEP_SHORT },
    { "device_status 2", device_status, DEVICE, 0, STEP_SHORT },
    { "plan_destroy", destroy_scan, SCAN, 0, STEP_VOID },
    { "plan_destroy 2", destroy_conv, CONV, 0, STEP_VOID | STEP_SHORT },
    { "event_destroy", destroy_event, EVENT, 0, STEP_VOID },
    { "stream_destroy", destroy_stream, OWN, 0, STEP_VOID | STEP_SHORT },
    { "memory_free", free_arena, ARENA, 0, STEP_VOID | STEP_SHORT },
    { "memory_free 2", free_small, DEVICE, 0, STEP_VOID },
    { "device_close", close_device, DEVICE, 0, STEP_VOID | STEP_SHORT },
    { "(drop stream)", drop_stream, ENGINES, 0, STEP_ENGINE },
    { "context_destroy", destroy_context, CONTEXT, 0, STEP_VOID | STEP_SHORT },
};
const int step_count = sizeof steps / sizeof *steps;

void scene_play(struct scene *s, const char *watch)
{
    static _Alignas(256) unsigned char host[ARENA_BYTES], inputs[SETS][ARENA_BYTES];
    s->host = host;
    for (int set = 0; set < SETS; set++) s->inputs[set] = inputs[set];
    s->things = 0;
    for (int i = 0; i < step_count; i++) {
        const struct step *step = &steps[i];
        struct told *t = &s->told[i];
        *t = (struct told){ 0 };
        if ((s->brief && !(step->flags & STEP_SHORT)) || (step->needs & ~s->things)) continue;
        t->played = 1;
        t->first = watch ? s->engine->calls(watch) : 0;
        s->touched = 0;
        t->status = step->play(s, &t->why);
        t->last = watch ? s->engine->calls(watch) : 0;
        t->touched = s->touched;
        t->after = thread_now(s->engine);
        if (!t->status) s->things |= step->makes;
    }
}

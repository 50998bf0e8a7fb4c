/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every entry point of a driver fails in turn, under the real plugin: driver_faults_test cuda|rocm|rocm_5 PLUGIN [COMPILER].
 * A clean run tells in which public calls the plugin makes which calls of the driver; then each of them fails by itself, with
 * each code, and the whole scenario is played on. Looked at: status and words of the public call that was hit, what it wrote,
 * every later call, what is current on the thread, what lives on, open files, and that the next device works. Prints the
 * table; exit 1 if anything was not as it must be. */
#include "driver_faults.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPENS = 3 }; /* the step that opens the device */
enum { FIRST_CALLS = 3, MOST_CALLS = 64, MOST_COMPLAINTS = 5 };

/* ---- codes -------------------------------------------------------------------------------------------------- */

struct fault {
    int code, breaks; /* breaks: all later calls on the context answer the code as well, as after a real one */
    segue_status status;
    const char *head;
};

static const struct fault driver_faults[] = {
    { 2, 0, SEGUE_ERROR_MEMORY, "2" },           { 200, 0, SEGUE_ERROR_INTERNAL, "200" },
    { 209, 0, SEGUE_ERROR_INTERNAL, "209" },     { 900, 0, SEGUE_ERROR_CAPTURE, "900" },
    { 999, 0, SEGUE_ERROR_INTERNAL, "999" },     { 999, 1, SEGUE_ERROR_DEVICE_LOST, "999!" },
    { 719, 0, SEGUE_ERROR_DEVICE_LOST, "719" },  { 719, 1, SEGUE_ERROR_DEVICE_LOST, "719!" },
    { 700, 1, SEGUE_ERROR_DEVICE_LOST, "700!" },
};
enum { DRIVER_FAULTS = sizeof driver_faults / sizeof *driver_faults };

/* NVRTC's and hipRTC's own codes: out of memory, invalid option, compilation, built-in operation, internal error. */
static const struct fault compiler_faults[] = {
    { 1, 0, SEGUE_ERROR_INTERNAL, "1" },   { 5, 0, SEGUE_ERROR_INTERNAL, "5" },
    { 6, 0, SEGUE_ERROR_INTERNAL, "6" },   { 7, 0, SEGUE_ERROR_INTERNAL, "7" },
    { 11, 0, SEGUE_ERROR_INTERNAL, "11" },
};
enum { COMPILER_FAULTS = sizeof compiler_faults / sizeof *compiler_faults };

/* ---- where a failure is not what the table of codes says ----------------------------------------------------- */

enum {
    PASSES = 1,       /* the public call may succeed all the same */
    STRAYS = 2,       /* it puts back what was current: then that cannot be put back */
    LEAKS = 4,        /* it releases: then that cannot be released */
    LEAKS_VOID = 8,   /* it enters the context: in a call that releases, nothing can be released */
    PASSES_OPEN = 16, /* when the device is opened it is asked once more, to make sure */
    NOT_CALLED = 32   /* looked up, or named in words; with: why not called */
};

/* Then the compiler has something to say, which is asked for. */
#define NO_COMPILER "SEGUE_FIBRE_CXX=false"

struct exception {
    const char *entry;
    uint32_t may;
    segue_status status; /* instead of the fault's; 0 = the fault's */
    const char *with;    /* a failure that has to come first, so that the entry is called at all */
};

static const struct exception exceptions[] = {
    { "cuInit", 0, SEGUE_ERROR_NO_DEVICE, NULL },
    { "cuCtxGetCurrent", LEAKS_VOID, 0, NULL },
    { "cuCtxPushCurrent_v2", LEAKS_VOID, 0, NULL },
    { "cuCtxPopCurrent_v2", PASSES | STRAYS, 0, NULL },
    { "cuThreadExchangeStreamCaptureMode", PASSES | STRAYS, 0, NULL },
    { "cuMemFree_v2", LEAKS, 0, NULL },
    { "cuStreamDestroy_v2", LEAKS, 0, NULL },
    { "cuEventDestroy_v2", LEAKS, 0, NULL },
    { "cuModuleUnload", LEAKS, 0, NULL },
    { "cuDevicePrimaryCtxRelease_v2", LEAKS, 0, NULL },
    { "nvrtcVersion", 0, SEGUE_ERROR_NO_DEVICE, NULL },
    { "nvrtcGetNumSupportedArchs", 0, SEGUE_ERROR_NO_DEVICE, NULL },
    { "nvrtcGetSupportedArchs", 0, SEGUE_ERROR_NO_DEVICE, NULL },
    { "nvrtcDestroyProgram", PASSES | LEAKS, 0, NULL },
    { "nvrtcGetProgramLog", 0, SEGUE_ERROR_INTERNAL, NO_COMPILER },
    { "nvrtcGetProgramLogSize", 0, SEGUE_ERROR_INTERNAL, NO_COMPILER },
    { "nvrtcGetPTX", NOT_CALLED, 0, NULL }, /* for devices that are newer than NVRTC */
    { "nvrtcGetPTXSize", NOT_CALLED, 0, NULL },
    { "hipInit", 0, SEGUE_ERROR_NO_DEVICE, NULL },
    { "hipRuntimeGetVersion", 0, SEGUE_ERROR_NO_DEVICE, NULL },
    { "hiprtcGetProgramLog", PASSES, SEGUE_ERROR_INTERNAL, NO_COMPILER },
    { "hiprtcGetProgramLogSize", PASSES, SEGUE_ERROR_INTERNAL, NO_COMPILER },
    { "hiprtcDestroyProgram", NOT_CALLED, 0, NULL }, /* the process ends instead */
    { "hipGetDevice", LEAKS_VOID | PASSES_OPEN, 0, NULL },
    { "hipSetDevice", PASSES | STRAYS | LEAKS_VOID, 0, NULL },
    { "hipThreadExchangeStreamCaptureMode", PASSES | STRAYS, 0, NULL },
    { "hipPeekAtLastError", PASSES | STRAYS, 0, NULL }, /* its answer is an earlier error, not its own */
    { "hipGetLastError", PASSES | STRAYS, SEGUE_ERROR_MEMORY, "hipMalloc:1=2" },
    { "hipDriverGetVersion", NOT_CALLED, 0, NULL },                         /* CUDA's is */
    { "hipGetDevicePropertiesR0600", PASSES, SEGUE_ERROR_NO_DEVICE, NULL }, /* the older layout tells as well */
    { "hipGetDeviceProperties", PASSES, SEGUE_ERROR_NO_DEVICE, "hipGetDevicePropertiesR0600:0=2" },
    { "hipFree", LEAKS, 0, NULL },
    { "hipStreamDestroy", LEAKS, 0, NULL },
    { "hipEventDestroy", LEAKS, 0, NULL },
    { "hipModuleUnload", LEAKS, 0, NULL },
    { "hipCtxPopCurrent", PASSES | STRAYS, 0, NULL },
};

static const struct exception *exception_of(const char *entry)
{
    static const struct exception none = { "", 0, 0, NULL };
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
        if (!strcmp(exceptions[i].entry, entry)) return &exceptions[i];
    return &none;
}

/* ---- the run ------------------------------------------------------------------------------------------------ */

struct sweep {
    struct engine engine;
    const char *plugin;
    int complaints, injected;
    int of_entry; /* complaints, to print the first ones only */
};

struct injection {
    const char *entry;
    int nth, way, brief;
    const struct fault *fault;
    const struct exception *except;
    int there; /* the step in which another process calls it, which nobody counts; 0 = this one does */
    int hit;   /* step; -1 = never called */
    int lost;  /* from the hit on, the device is */
};

static void complain(struct sweep *w, const struct injection *in, const char *step, const char *what,
                     const char *more)
{
    w->complaints++;
    if (++w->of_entry <= MOST_COMPLAINTS)
        printf("WRONG: %s call %d = %s, way %d, %s: %s %s\n", in->entry, in->nth,
               in->fault ? in->fault->head : "(clean)", in->way, step, what, more);
}

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static struct scene scene_of(struct sweep *w, struct place *place, int way, int brief)
{
    return (
        struct scene){ .engine = &w->engine, .place = place, .plugin = w->plugin, .way = way, .brief = brief };
}

/* ---- what is looked at --------------------------------------------------------------------------------------- */

static int is_clean(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~' || *c == '%') return 0;
    return text[0] != 0;
}

/* The name as the driver's manual has it: without the version at its end. */
static void manual_name(const char *entry, char out[NAME_ROOM])
{
    snprintf(out, NAME_ROOM, "%s", entry);
    char *version = strstr(out, "_v2");
    if (version) *version = 0;
}

static void check_words(struct sweep *w, const struct injection *in, const struct step *step,
                        const struct told *t)
{
    char name[NAME_ROOM], number[32];
    manual_name(in->entry, name);
    snprintf(number, sizeof number, " failed with %d", in->fault->code);
    if (!is_clean(t->why.text)) complain(w, in, step->name, "words:", t->why.text);
    if (in->except->with || (in->except->may & (PASSES | PASSES_OPEN) && in->fault->breaks))
        return; /* another call has told */
    if (!strstr(t->why.text, name) || !strstr(t->why.text, number))
        complain(w, in, step->name, "words name neither entry nor code:", t->why.text);
    if (!(step->flags & STEP_COUNTS) && !in->there && t->why.native_code != in->fault->code)
        complain(w, in, step->name, "native_code is another:", t->why.text);
    if (!(step->flags & STEP_COUNTS) && t->why.code != t->status)
        complain(w, in, step->name, "diag.code is another:", t->why.text);
    if (t->status == SEGUE_ERROR_DEVICE_LOST && !strstr(t->why.text, "open it again"))
        complain(w, in, step->name, "no remedy:", t->why.text);
}

/* Kept code that the driver does not take is compiled anew; so is what cannot be told from that. */
static int may_heal(const struct injection *in, const struct step *step)
{
    return step->flags & STEP_HEALS && !in->brief &&
           (in->fault->status == SEGUE_ERROR_INTERNAL || in->fault->code == 999);
}

/* A plugin that cannot count or describe its devices is refused as a whole. "Unknown" is told from a lost device by asking
 * the device's queue, which takes a device that is open and a context that is current. */
static int may_differ(const struct injection *in, const struct step *step, segue_status s)
{
    if (step->flags & STEP_COUNTS) return s == SEGUE_ERROR_PLUGIN || s == SEGUE_ERROR_NO_DEVICE;
    if (in->except->may & PASSES && in->fault->breaks && s == SEGUE_ERROR_DEVICE_LOST)
        return 1; /* another call has told */
    return in->fault->code == 999 && s == SEGUE_ERROR_INTERNAL &&
           (in->hit <= OPENS || in->except->may & LEAKS_VOID);
}

/* The public call in which the driver failed. */
static void check_hit(struct sweep *w, struct injection *in, const struct step *step, const struct told *t)
{
    const segue_status want = in->except->status ? in->except->status : in->fault->status;
    char text[600];
    if (step->flags & STEP_VOID) return;
    if (!t->status) {
        const int passes = in->except->may & PASSES || (in->except->may & PASSES_OPEN && in->hit == OPENS);
        if (!passes && !may_heal(in, step)) complain(w, in, step->name, "succeeds all the same", "");
        return;
    }
    snprintf(text, sizeof text, "is %s: %s", segue_status_name(t->status), t->why.text);
    if (t->status != want && !may_differ(in, step, t->status))
        complain(w, in, step->name, "another status", text);
    if (t->touched) complain(w, in, step->name, "has written its answer", "");
    check_words(w, in, step, t);
    if (t->status == SEGUE_ERROR_DEVICE_LOST && in->hit > OPENS) in->lost = 1;
}

/* A call after it: as if nothing had been, or on a lost device refused. */
static void check_later(struct sweep *w, struct injection *in, const struct step *step, const struct told *t)
{
    if (step->flags & STEP_VOID) return;
    if (step->flags & STEP_ENGINE) {
        if (t->status && !in->lost && !in->fault->breaks)
            complain(w, in, step->name, "fails for the engine", "");
        return;
    }
    if (t->status && t->touched) complain(w, in, step->name, "has written its answer", "");
    if (in->lost && t->status != SEGUE_ERROR_DEVICE_LOST)
        complain(w, in, step->name, "on a lost device is", segue_status_name(t->status));
    if (t->status && !is_clean(t->why.text)) complain(w, in, step->name, "words:", t->why.text);
    if (t->status && in->lost && !strstr(t->why.text, "open it again"))
        complain(w, in, step->name, "no remedy:", t->why.text);
    if (t->status && !in->lost && !in->fault->breaks && !in->except->with) {
        const int refused =
            in->hit < OPENS && step - steps == OPENS; /* a plugin that cannot count its devices */
        if (!refused) complain(w, in, step->name, "fails later on:", t->why.text);
    }
    if (t->status == SEGUE_ERROR_DEVICE_LOST && in->fault->breaks) in->lost = 1; /* found out now */
}

static void check_current(struct sweep *w, const struct injection *in, const struct step *step,
                          const struct told *t, const struct thread_state *was)
{
    const struct thread_state *now = &t->after;
    if (in->except->may & STRAYS || step->flags & STEP_ENGINE) return;
    if (now->context != was->context || now->device != was->device)
        complain(w, in, step->name, "leaves another context", "");
    if (now->mode != was->mode) complain(w, in, step->name, "leaves another capture mode", "");
    if (now->pending != was->pending) complain(w, in, step->name, "leaves or takes a last error", "");
}

static void check_scene(struct sweep *w, struct injection *in, const struct scene *s)
{
    const struct thread_state *before = &s->place->before;
    for (int i = 0; i < step_count; i++) {
        const struct told *t = &s->told[i];
        if (!t->played) continue;
        const int here =
            in->there ? i == in->there : t->first < (uint64_t)in->nth && t->last >= (uint64_t)in->nth;
        if (in->hit < 0 && here) {
            in->hit = i;
            check_hit(w, in, &steps[i], t);
        } else if (in->hit >= 0) check_later(w, in, &steps[i], t);
        else if (t->status && !in->except->with)
            complain(w, in, steps[i].name, "fails before its turn:", t->why.text);
        check_current(w, in, &steps[i], t, before);
        before = &t->after;
    }
    if (in->hit < 0) complain(w, in, "", "was never called", "");
    if (s->wrong) complain(w, in, "", "wrong numbers", "");
}

static void check_live(struct sweep *w, const struct injection *in, const struct scene *s, int files)
{
    static const char *const kinds[] = { "allocations", "streams",  "events", "modules", "graphs",
                                         "contexts",    "programs", "work",   "lost" };
    const int in_void = in->hit >= 0 && steps[in->hit].flags & STEP_VOID;
    if ((in->except->may & LEAKS) || (in->except->may & LEAKS_VOID && in_void)) return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (w->engine.live(kinds[i]) > (strcmp(kinds[i], "lost") ? 0 : (uint64_t)s->engines_lost))
            complain(w, in, "", "live on:", kinds[i]);
    if (open_files() != files) complain(w, in, "", "files stay open", "");
}

/* The same process opens the device again and gets right numbers. */
static void check_next(struct sweep *w, const struct injection *in, struct place *place)
{
    struct scene s = scene_of(w, place, in->way, 1);
    scene_play(&s, NULL);
    for (int i = 0; i < step_count; i++)
        if (s.told[i].status) complain(w, in, steps[i].name, "fails on the next device:", s.told[i].why.text);
    if (s.wrong || !(s.things & 1)) complain(w, in, "", "wrong numbers on the next device", "");
}

/* ---- one failure --------------------------------------------------------------------------------------------- */

static void set_failures(const struct injection *in)
{
    const char *with = in->except->with ? in->except->with : "";
    char text[160];
    unsetenv("SEGUE_FIBRE_CXX");
    if (!strcmp(with, NO_COMPILER)) {
        setenv("SEGUE_FIBRE_CXX", "false", 1);
        with = "";
    }
    int used = snprintf(text, sizeof text, "%s", with);
    if (in->fault)
        snprintf(text + used, sizeof text - (size_t)used, "%s%s:%d=%d%s", with[0] ? "," : "", in->entry,
                 in->nth, in->fault->code, in->fault->breaks ? "!" : "");
    setenv("SEGUE_STAND_IN_FAIL", text, 1);
}

static const char *cache; /* the test's folder of compiled kernels */

static segue_status inject(struct sweep *w, struct injection *in)
{
    struct place place;
    const int files = open_files();
    set_failures(in);
    w->engine.reset();
    if (place_make(&w->engine, in->way, &place)) complain(w, in, "", "the engine has no place", "");
    struct scene s = scene_of(w, &place, in->way, in->brief);
    setenv("SEGUE_CACHE_DIR", in->brief ? "" : cache, 1);
    scene_play(&s, in->entry);
    check_scene(w, in, &s);
    setenv("SEGUE_CACHE_DIR", cache, 1);
    if (!in->fault->breaks) check_next(w, in, &place);
    place_drop(&w->engine, in->way, &place);
    check_live(w, in, &s, files);
    if (in->fault->breaks && !place_make(&w->engine, in->way, &place)) {
        check_next(w, in, &place);
        place_drop(&w->engine, in->way, &place);
    }
    w->injected++;
    return in->hit < 0 || steps[in->hit].flags & STEP_VOID ? 1 : s.told[in->hit].status;
}

/* ---- which calls there are ----------------------------------------------------------------------------------- */

struct call {
    int nth, step;
};

/* The plugin's calls of an entry: the first ones, and the first one in every step. */
static int calls_of(struct sweep *w, const char *entry, int way, int brief, struct call out[MOST_CALLS],
                    int *all)
{
    struct injection in = { .entry = entry, .way = way, .except = exception_of(entry), .hit = -1 };
    struct place place;
    int count = 0;
    const int files = open_files();
    set_failures(&in);
    w->engine.reset();
    setenv("SEGUE_CACHE_DIR", brief ? "" : cache, 1);
    if (place_make(&w->engine, way, &place)) complain(w, &in, "", "the engine has no place", "");
    struct scene s = scene_of(w, &place, way, brief);
    scene_play(&s, entry);
    for (int i = 0, n = 0; i < step_count; i++) {
        const struct told *t = &s.told[i];
        const int left_out = !t->played && !(brief && !(steps[i].flags & STEP_SHORT));
        if (!in.except->with && (left_out || t->status || t->touched))
            complain(w, &in, steps[i].name, left_out ? "left out" : "fails:", t->why.text);
        if (t->played) check_current(w, &in, &steps[i], t, &place.before);
        if (!t->played || steps[i].flags & STEP_ENGINE) continue;
        for (uint64_t call = t->first + 1; call <= t->last; call++, n++)
            if ((n < FIRST_CALLS || call == t->first + 1) && count < MOST_CALLS)
                out[count++] = (struct call){ (int)call, i };
        *all += (int)(t->last - t->first);
    }
    if (s.wrong) complain(w, &in, "", "wrong numbers", "");
    place_drop(&w->engine, way, &place);
    check_live(w, &in, &s, files);
    return count;
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

/* By -status; 1: in a call that gives no status. */
static const char letters[] = "oAOUFMWNPBCLI";

struct tally {
    int of[sizeof letters + 1];
};

static void count_one(struct tally *t, segue_status s)
{
    t->of[s == 1 ? (int)sizeof letters : s <= 0 && s > -(int)sizeof letters ? -s : 0]++;
}

static void print_tally(const struct tally *t)
{
    char text[64];
    size_t used = 0;
    for (size_t i = 0; i <= sizeof letters; i++)
        if (t->of[i] && used < 40)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%d", used ? " " : "",
                                     i == sizeof letters ? 'v' : letters[i], t->of[i]);
    text[used] = 0;
    printf(" %-11s", text);
}

/* One code, one way: each compiles with g++. */
static int takes_long(struct call call, const struct fault *fault, int way, int brief)
{
    return !brief && steps[call.step].flags & STEP_HEALS && fault->status == SEGUE_ERROR_INTERNAL &&
           (way || fault->code != 200);
}

static void sweep_entry(struct sweep *w, const char *entry, const struct fault *faults, int count, int brief)
{
    struct tally tallies[DRIVER_FAULTS] = { 0 };
    w->of_entry = 0;
    struct call calls[MOST_CALLS];
    int all = 0;
    for (int way = 0; way < WAYS; way++) {
        const int n = calls_of(w, entry, way, brief, calls, &all);
        for (int i = 0; i < n; i++)
            for (int f = 0; f < count; f++) {
                if (takes_long(calls[i], &faults[f], way, brief)) continue;
                struct injection in = { .entry = entry,
                                        .nth = calls[i].nth,
                                        .way = way,
                                        .brief = brief,
                                        .fault = &faults[f],
                                        .except = exception_of(entry),
                                        .hit = -1 };
                count_one(&tallies[f], inject(w, &in));
            }
    }
    if (!all != !!(exception_of(entry)->may & NOT_CALLED)) {
        printf("WRONG: %s is called %d times\n", entry, all);
        w->complaints++;
    }
    printf("%-36s %4d ", entry, all);
    for (int f = 0; f < count; f++) print_tally(&tallies[f]);
    printf("\n");
    fflush(stdout);
}

/* In a process of its own: each is called once, where the one plan without kept code is made. */
static void sweep_elsewhere(struct sweep *w, const char *entry)
{
    struct tally tallies[COMPILER_FAULTS] = { 0 };
    int there = 0;
    if (exception_of(entry)->may & NOT_CALLED) return;
    w->of_entry = 0;
    while (strcmp(steps[there].name, "plan_create conv")) there++;
    for (int f = 0; f < COMPILER_FAULTS; f++) {
        struct injection in = { .entry = entry,
                                .nth = 1,
                                .brief = 1,
                                .fault = &compiler_faults[f],
                                .there = there,
                                .except = exception_of(entry),
                                .hit = -1 };
        count_one(&tallies[f], inject(w, &in));
    }
    printf("%-36s    - ", entry);
    for (int f = 0; f < COMPILER_FAULTS; f++) print_tally(&tallies[f]);
    printf("\n");
}

static void print_head(const char *what, const struct fault *faults, int count)
{
    printf("%-36s call ", what);
    for (int f = 0; f < count; f++) printf(" %-11s", faults[f].head);
    printf("\n");
}

static void sweep_driver(struct sweep *w)
{
    static const char *const prefixes[] = { "cu", "hip", NULL };
    static struct names names;
    if (names_in_use(&names, w->engine.library, w->plugin, prefixes)) w->complaints++;
    print_head("entry", driver_faults, DRIVER_FAULTS);
    for (int i = 0; i < names.count; i++)
        if (strncmp(names.at[i], "hiprtc", 6)) sweep_entry(w, names.at[i], driver_faults, DRIVER_FAULTS, 0);
}

/* binary: whoever calls the compiler: the plugin, or a program beside it. */
static void sweep_compiler(struct sweep *w, const char *binary)
{
    static const char *const prefixes[] = { "nvrtc", "hiprtc", NULL };
    static struct names names;
    if (names_in_use(&names, w->engine.library, binary, prefixes)) w->complaints++;
    print_head("compiler, nothing cached", compiler_faults, COMPILER_FAULTS);
    for (int i = 0; i < names.count; i++)
        if (w->engine.hip) sweep_elsewhere(w, names.at[i]);
        else sweep_entry(w, names.at[i], compiler_faults, COMPILER_FAULTS, 1);
}

int main(int argc, char **argv)
{
    static struct sweep w;
    if (argc < 3) return 2;
    if (engine_load(&w.engine, argv[1])) return 77;
    cache = strdup(getenv("SEGUE_CACHE_DIR") ? getenv("SEGUE_CACHE_DIR") : "");
    w.plugin = argv[2];
    if (expect_numbers(w.plugin)) return 1;
    sweep_driver(&w);
    sweep_compiler(&w, argv[argc > 3 ? 3 : 2]);
    printf("%d failures injected, %d complaints\n", w.injected, w.complaints);
    return w.complaints != 0;
}

/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Images are ELF files, as the compiler of the fibres makes them; like cuModuleLoadData() this is told no length. */
#include "stand_in.h"

#include "fibre.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_IMAGE ((uint64_t)64 << 20)

struct image {
    int users; /* the module and its kernels */
    struct fibre_module *code;
};

struct kernel {
    int users; /* its function, and stored launches */
    int dead;  /* its module is unloaded */
    struct image *image;
    struct fibre_module code; /* the image's, with this kernel chosen */
};

struct module {
    struct object object;
    struct image *image;
};

struct function {
    struct object object;
    struct module *module;
    struct kernel *kernel;
};

static struct fibre_machine *machine;

/* ---- a host for the fibres ------------------------------------------------------------------------------- */

static void *host_alloc(void *user, uint64_t bytes, uint64_t alignment)
{
    const uint64_t size = (bytes + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, size);
    (void)user;
    return p ? memset(p, 0, size) : NULL;
}

static void host_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static void host_log(void *user, int32_t level, const char *text)
{
    (void)user, (void)level, (void)text;
}

static const segue_host host = { .size = sizeof host,
                                 .epoch = SEGUE_PLUGIN_EPOCH,
                                 .alloc = host_alloc,
                                 .free = host_free,
                                 .log = host_log,
                                 .plugin_dir = "" };

static int fibre_settings_of(struct fibre_settings *out)
{
    segue_diag why = { 0 };
    if (fibre_read_settings(out, &why)) return complain(INVALID_VALUE, "%s", why.text);
    out->seed = settings()->seed;
    out->checked = settings()->checked;
    return OK;
}

static int have_machine(void)
{
    struct fibre_settings s;
    segue_diag why = { 0 };
    if (machine) return OK;
    if (fibre_settings_of(&s)) return LAUNCH_FAILED;
    machine = fibre_machine_create(&host, &s, &why);
    return machine ? OK : complain(LAUNCH_FAILED, "%s", why.text);
}

void machine_drop(void)
{
    if (machine) fibre_machine_destroy(machine);
    machine = NULL;
}

/* ---- modules --------------------------------------------------------------------------------------------- */

/* The end of what the headers of an ELF file speak of; 0 = not one. */
static uint64_t image_bytes(const unsigned char *image)
{
    Elf64_Ehdr head;
    if (memcmp(image, ELFMAG, SELFMAG) || image[EI_CLASS] != ELFCLASS64) return 0;
    memcpy(&head, image, sizeof head);
    uint64_t end = head.e_shoff + (uint64_t)head.e_shnum * head.e_shentsize;
    if (head.e_type != ET_DYN || head.e_machine != EM_X86_64 || head.e_shentsize != sizeof(Elf64_Shdr) ||
        !head.e_shnum || end > MOST_IMAGE)
        return 0;
    for (int i = 0; i < head.e_shnum; i++) {
        Elf64_Shdr section;
        memcpy(&section, image + head.e_shoff + (uint64_t)i * sizeof section, sizeof section);
        if (section.sh_type == SHT_NOBITS) continue;
        if (section.sh_offset > MOST_IMAGE || section.sh_size > MOST_IMAGE) return 0;
        if (section.sh_offset + section.sh_size > end) end = section.sh_offset + section.sh_size;
    }
    return end;
}

static void image_release(struct image *image)
{
    if (--image->users) return;
    fibre_unload(&host, image->code);
    free(image);
}

void kernel_release(struct kernel *k)
{
    if (--k->users) return;
    image_release(k->image);
    free(k);
}

int module_load(struct context *context, void **out, const void *image)
{
    segue_diag why = { 0 };
    const int unsafe = capture_unsafe();
    if (unsafe) return unsafe;
    const uint64_t bytes = image ? image_bytes(image) : 0;
    if (!bytes) return complain(INVALID_IMAGE, "not the image of a kernel for this device");
    struct module *m = make(MODULE, context, sizeof *m);
    if (m) m->image = calloc(1, sizeof *m->image);
    const int wrong = m && m->image && fibre_load(&host, image, bytes, NULL, &m->image->code, &why);
    if (m && m->image && !wrong) {
        m->image->users = 1;
        *out = handle_of(m);
        return OK;
    }
    if (m) {
        free(m->image);
        unmake(m);
    }
    return wrong ? complain(INVALID_IMAGE, "%s", why.text) : OUT_OF_MEMORY;
}

/* What was enqueued, or captured, keeps the image; a graph that is launched later finds the kernel dead. */
void module_drop(struct module *m)
{
    for (struct function *f = NULL, *then = next_of(FUNCTION, NULL, NULL); (f = then);) {
        then = next_of(FUNCTION, NULL, f);
        if (f->module != m) continue;
        f->kernel->dead = 1;
        kernel_release(f->kernel);
        unmake(f);
    }
    image_release(m->image);
    unmake(m);
}

int module_unload(struct context *context, void *handle)
{
    struct module *m = find(MODULE, context, handle);
    const int unsafe = capture_unsafe();
    if (!m) return INVALID_HANDLE;
    if (unsafe) return unsafe;
    drain_context(context);
    module_drop(m);
    return context->broken;
}

int module_function(struct context *context, void **out, void *module, const char *name)
{
    struct module *m = find(MODULE, context, module);
    segue_diag why = { 0 };
    if (!m || !out || !name) return m ? INVALID_VALUE : INVALID_HANDLE;
    struct function *f = make(FUNCTION, context, sizeof *f);
    struct kernel *k = f ? calloc(1, sizeof *k) : NULL;
    if (!k) {
        if (f) unmake(f);
        return OUT_OF_MEMORY;
    }
    k->code = *m->image->code;
    if (fibre_find(&k->code, name, &why)) {
        free(k);
        unmake(f);
        return complain(NOT_FOUND, "%s", why.text);
    }
    k->users = 1;
    k->image = m->image;
    k->image->users++;
    f->module = m;
    f->kernel = k;
    *out = handle_of(f);
    return OK;
}

int function_items(void *handle, int *items)
{
    const struct function *f = find(FUNCTION, NULL, handle);
    if (!f) return INVALID_HANDLE;
    *items = f->kernel->code.kernel->group;
    return OK;
}

/* ---- launches -------------------------------------------------------------------------------------------- */

int launch(struct context *context, void *function, const uint32_t groups[3], const uint32_t items[3],
           uint32_t local_bytes, void *stream, void **args, void **extra)
{
    struct function *f = find(FUNCTION, context, function);
    struct stream *s = stream_of(context, stream);
    if (!f || !s) return INVALID_HANDLE;
    const struct fibre_kernel *k = f->kernel->code.kernel;
    if (!groups[0] || !groups[1] || !groups[2] || groups[0] > INT32_MAX || groups[1] > MOST_GROUPS_YZ ||
        groups[2] > MOST_GROUPS_YZ || items[0] != (uint32_t)k->group || items[1] != 1 || items[2] != 1 ||
        local_bytes || extra || (k->count && !args))
        return complain(INVALID_VALUE,
                        "a launch of %u x %u x %u groups of %u x %u x %u items, wanted %d x 1 x 1", groups[0],
                        groups[1], groups[2], items[0], items[1], items[2], k->group);
    size_t bytes = 0;
    for (int i = 0; i < k->count; i++) bytes += ((size_t)k->bytes[i] + 15) / 16 * 16;
    if (bytes > ARG_BYTES) return INVALID_VALUE;
    struct work *w = work_make(LAUNCH, context, bytes + 16);
    if (!w) return OUT_OF_MEMORY;
    w->kernel = f->kernel;
    w->kernel->users++;
    w->items = items[0];
    for (int i = 0; i < 3; i++) w->groups[i] = (int32_t)groups[i];
    uint32_t at = (uint32_t)(-(uintptr_t)w->args & 15); /* a struct may want its alignment */
    for (int i = 0; i < k->count; i++) {
        w->arg_at[i] = at;
        memcpy(w->args + at, args[i], (size_t)k->bytes[i]);
        at += ((uint32_t)k->bytes[i] + 15) / 16 * 16;
    }
    return enqueue(s, w);
}

struct operands {
    struct gpu_arg args[MOST_ARGS];
    segue_buffer buffers[MOST_ARGS];
    const struct allocation *allocations[MOST_ARGS];
};

/* A pointer has the rights of all that is behind it in its allocation. */
static int bind(struct work *w, struct operands *o)
{
    const struct fibre_kernel *k = w->kernel->code.kernel;
    for (int i = 0; i < k->count; i++) {
        const void *at = w->args + w->arg_at[i];
        char *pointer;
        if (!(k->pointers >> i & 1)) {
            o->args[i] = (struct gpu_arg){ .value = at, .bytes = (uint32_t)k->bytes[i] };
            continue;
        }
        memcpy(&pointer, at, sizeof pointer);
        const struct allocation *a = pointer ? memory_of(w->context, pointer, 0) : NULL;
        if (pointer && !a)
            return complain(ILLEGAL_ADDRESS, "%s: argument %d is %p, in no live allocation of this context",
                            w->kernel->code.name, i + 1, (void *)pointer);
        o->allocations[i] = a;
        o->buffers[i] =
            (segue_buffer){ .data = pointer, .bytes = a ? (uint64_t)(a->at + a->bytes - pointer) : 0 };
        o->args[i] = (struct gpu_arg){ .memory = o->buffers + i, .writes = 1 };
    }
    return OK;
}

int run_kernel(struct work *w)
{
    struct operands o = { 0 };
    segue_diag why = { 0 };
    const uint32_t count = (uint32_t)w->kernel->code.kernel->count;
    if (w->kernel->dead) return complain(LAUNCH_FAILED, "%s: its module is unloaded", w->kernel->code.name);
    int code = have_machine();
    if (!code) code = bind(w, &o);
    if (code) return code;
    if (fibre_run(machine, &w->kernel->code, w->groups, o.args, count, &why))
        return complain(LAUNCH_FAILED, "%s", why.text);
    for (uint32_t i = 0; i < count; i++)
        if (o.allocations[i] && !guards_whole(o.allocations[i]))
            return complain(ILLEGAL_ADDRESS, "%s wrote before or behind the allocation of argument %u",
                            w->kernel->code.name, i + 1);
    return OK;
}

/* ---- compilers ------------------------------------------------------------------------------------------- */

int program_create(void **out, const char *source, int headers)
{
    if (!out || !source || headers) return NO_INPUT;
    struct program *p = make(PROGRAM, NULL, sizeof *p);
    if (p) p->source = strdup(source);
    if (p && p->source) {
        *out = handle_of(p);
        return COMPILED;
    }
    if (p) unmake(p);
    return COMPILER_OUT_OF_MEMORY;
}

struct program *program_of(void *handle)
{
    return find(PROGRAM, NULL, handle);
}

void program_drop(struct program *p)
{
    free(p->source);
    free(p->log);
    free(p->code);
    unmake(p);
}

int program_destroy(void **handle)
{
    struct program *p = handle ? program_of(*handle) : NULL;
    if (!p) return NO_PROGRAM;
    program_drop(p);
    *handle = NULL;
    return COMPILED;
}

static int say(struct program *p, int code, const char *text)
{
    free(p->log);
    p->log = strdup(text);
    return code ? complain(code, "%s", text) : code;
}

/* -DNAME=VALUE, and which architecture; what else CUDA's and HIP's compilers know means nothing here. */
static int translate(struct program *p, const char *const *options, int count, const char *architecture,
                     char *out, size_t room)
{
    size_t used = 0;
    int fits = 1, named = 0;
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        const char *equal = strchr(options[i], '='),
                   *define = strstr(options[i], "-D") == options[i] ? options[i] + 2 : NULL;
        if (strstr(options[i], "arch") && equal) {
            named = !strcmp(equal + 1, architecture);
            if (!named) break;
        }
        if (strstr(options[i], "--define-macro=") == options[i]) define = equal + 1;
        if (!define) continue;
        const int n = snprintf(out + used, room - used, " -D%s", define);
        fits = fits && n > 0 && (size_t)n < room - used;
        if (fits) used += (size_t)n;
    }
    if (named && fits) return COMPILED;
    return say(p, BAD_OPTION, named ? "the options are too long" : "this device has another architecture");
}

int program_compile(void *handle, const char *const *options, int count, const char *architecture)
{
    struct program *p = program_of(handle);
    struct fibre_settings s;
    segue_diag why = { 0 };
    char text[2048];
    if (!p) return NO_PROGRAM;
    const int code = translate(p, options, count, architecture, text, sizeof text);
    if (code) return code;
    if (fibre_settings_of(&s)) return say(p, COMPILE_FAILED, "SEGUE_FIBRE_... cannot be read");
    free(p->code);
    p->code = NULL;
    p->bytes = 0;
    if (fibre_build(&host, &s, p->source, text, &p->code, &p->bytes, &why))
        return say(p, COMPILE_FAILED, why.text);
    return say(p, COMPILED, "");
}

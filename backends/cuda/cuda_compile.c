/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* NVRTC, in this process: it neither aborts nor keeps state between programs. */
#include "cuda.h"

#include <stdio.h>

#define PLAN SEGUE_PHASE_PLAN

enum { MOST_OPTIONS = 32, OPTIONS_ROOM = 640 };
enum { NVRTC_WITH_LETTERS = 12 }; /* from this version on sm_90a and the like are known */

static const struct native_entry entries[] = {
#define ENTRY(parameters, field, name) { name, offsetof(struct cuda_compiler_api, field), 0 },
    CUDA_COMPILER_ENTRIES(ENTRY)
#undef ENTRY
};

/* 11.2 is the name of all 11.x from then on */
static const struct {
    int major;
    const char *name;
} versions[] = { { 13, "libnvrtc.so.13" }, { 12, "libnvrtc.so.12" }, { 11, "libnvrtc.so.11.2" } };
enum { VERSIONS = sizeof versions / sizeof *versions };
static const char *const folders[] = { "$CUDA_HOME/lib64", "$CUDA_HOME/lib", "/usr/local/cuda/lib64", NULL };

static const struct native_library
    form = { /* but for the names, in an order that the driver decides */
             NULL,
             "install NVRTC of the driver's CUDA version or older (in the CUDA toolkit, cuda-nvrtc-13-0 or 12-x; from PyPI "
             "nvidia-cuda-nvrtc), in a place that the loader knows or below CUDA_HOME",
             entries,
             sizeof entries / sizeof *entries,
             folders,
             0
    };

/* A driver runs what compilers of its own major version, or of an older one, make (CUDA Compatibility, minor version
 * compatibility): a newer NVRTC is the last to be taken, for kernels that load all the same. */
static segue_status load(struct cuda_compiler_api *api, int driver, segue_diag *why)
{
    const char *names[VERSIONS + 1] = { NULL };
    struct native_library library = form;
    int count = 0, stand_in;
    for (int newer = 0; newer < 2; newer++)
        for (int i = 0; i < VERSIONS; i++)
            if ((versions[i].major > driver) == newer) names[count++] = versions[i].name;
    library.names = names;
    const segue_status s = native_load(&library, api, &stand_in, PLAN, why);
    if (s) memset(api, 0, sizeof *api);
    return s;
}

/* ---- which code for which device -------------------------------------------------------------------------- */

struct cuda_target cuda_target_of(const struct cuda_compiler *compiler, int capability)
{
    struct cuda_target target = { "", 0 };
    int below = 0;
    for (int i = 0; i < compiler->arch_count; i++)
        if (compiler->archs[i] <= capability && compiler->archs[i] > below) below = compiler->archs[i];
    if (!below) return target;
    target.ptx = below != capability;
    if (target.ptx) snprintf(target.arch, sizeof target.arch, "compute_%d", below);
    else
        snprintf(target.arch, sizeof target.arch, "sm_%d%s", capability,
                 capability >= 90 && compiler->major >= NVRTC_WITH_LETTERS ? "a" : "");
    return target;
}

segue_status cuda_find_compiler(struct cuda_compiler *compiler, int capability, int driver, segue_diag *why)
{
    const struct cuda_compiler none = { .driver = driver };
    int count = 0;
    *compiler = none;
    if (load(&compiler->api, driver, NULL)) return SEGUE_OK; /* plans will say what is missing */
    const char *call = "nvrtcVersion";
    int error = compiler->api.version(&compiler->major, &compiler->minor);
    if (!error) error = compiler->api.arch_count(&count), call = "nvrtcGetNumSupportedArchs";
    const int fits = count >= 0 && count <= CUDA_MOST_ARCHS;
    if (!error && fits) error = compiler->api.archs(compiler->archs), call = "nvrtcGetSupportedArchs";
    if (error || !fits) {
        segue_kit_fail(
            why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_OPEN, 0,
            "NVRTC is there and does not say what it compiles for: %s failed with %d, %d architectures; "
            "install it anew, or another version",
            call, error, count);
        if (why) why->native_code = error;
        return SEGUE_ERROR_NO_DEVICE;
    }
    compiler->arch_count = count;
    compiler->target = cuda_target_of(compiler, capability);
    return SEGUE_OK;
}

/* The version tells no patches, so size and time of the library's file stand for these. */
void cuda_tell_compiler(const struct cuda_compiler *compiler, char *out, size_t room)
{
    char file[48];
    void *entry;
    memcpy(&entry, &compiler->api.version, sizeof entry);
    if (entry) native_tell_file(entry, file, sizeof file);
    if (entry) snprintf(out, room, "NVRTC %d.%d (%s)", compiler->major, compiler->minor, file);
    else snprintf(out, room, "no NVRTC");
}

/* ---- compiling ------------------------------------------------------------------------------------------- */

static segue_status failed(const struct cuda_device *dev, int error, const char *call, segue_diag *why)
{
    const segue_status s =
        segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0, "%s failed with %d (NVRTC %d.%d for %s)", call,
                       error, dev->compiler.major, dev->compiler.minor, dev->compiler.target.arch);
    if (why) why->native_code = error;
    return s;
}

static void add_log(const struct cuda_device *dev, void *program, segue_diag *why)
{
    const segue_host *host = dev->native.gpu.host;
    const struct cuda_compiler_api *api = &dev->compiler.api;
    size_t size = 0;
    if (!why || api->log_size(program, &size) || size < 2) return;
    char *log = host->alloc(host->user, size + 1, 64); /* zeroed */
    if (!log) return;
    if (!api->log(program, log)) {
        const size_t used = strlen(why->text);
        native_shorten(log);
        snprintf(why->text + used, sizeof why->text - used, ": %s", log);
    }
    host->free(host->user, log);
}

static segue_status compile_program(struct cuda_device *dev, void *program, const char *options,
                                    segue_diag *why)
{
    char text[OPTIONS_ROOM], arch[48];
    const char *words[MOST_OPTIONS] = { arch, "--fmad=false", "-default-device" };
    snprintf(arch, sizeof arch, "--gpu-architecture=%s", dev->compiler.target.arch);
    const int length = snprintf(text, sizeof text, "%s", options);
    const int more = length < OPTIONS_ROOM ? native_split(text, words + 3, MOST_OPTIONS - 3) : -1;
    if (more < 0)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PLAN, 0, "too many compile options: %s", options);
    const int error = dev->compiler.api.compile(program, more + 3, words);
    if (!error) return SEGUE_OK;
    const segue_status s = failed(dev, error, "nvrtcCompileProgram", why);
    add_log(dev, program, why);
    return s;
}

static segue_status take_code(struct cuda_device *dev, void *program, void **blob, uint64_t *bytes,
                              segue_diag *why)
{
    const segue_host *host = dev->native.gpu.host;
    const struct cuda_compiler_api *api = &dev->compiler.api;
    const int ptx = dev->compiler.target.ptx;
    size_t size = 0;
    int error = ptx ? api->ptx_size(program, &size) : api->cubin_size(program, &size);
    if (error || !size) return failed(dev, error, ptx ? "nvrtcGetPTXSize" : "nvrtcGetCUBINSize", why);
    char *code = host->alloc(host->user, size, 64);
    if (!code) return segue_kit_fail(why, SEGUE_ERROR_MEMORY, PLAN, 0, "no memory for %zu bytes of code", size);
    error = ptx ? api->ptx(program, code) : api->cubin(program, code);
    if (error) {
        host->free(host->user, code);
        return failed(dev, error, ptx ? "nvrtcGetPTX" : "nvrtcGetCUBIN", why);
    }
    *blob = code;
    *bytes = size;
    return SEGUE_OK;
}

/* NULL target: what is missing, and what to install. */
static segue_status check_compiler(const struct cuda_device *dev, const char *kernel, segue_diag *why)
{
    const struct cuda_compiler *compiler = &dev->compiler;
    struct cuda_compiler_api again;
    int lowest = 0;
    if (!compiler->api.compile) {
        const segue_status s = load(&again, compiler->driver, why); /* says what is missing */
        if (why) why->code = SEGUE_ERROR_UNSUPPORTED;
        if (s) return SEGUE_ERROR_UNSUPPORTED;
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, PLAN, 0,
                              "NVRTC was installed after the device was opened: close it and open it again");
    }
    if (compiler->target.arch[0]) return SEGUE_OK;
    for (int i = 0; i < compiler->arch_count; i++)
        if (!lowest || compiler->archs[i] < lowest) lowest = compiler->archs[i];
    return segue_kit_fail(
        why, SEGUE_ERROR_UNSUPPORTED, PLAN, 0,
        "%s is not compiled for compute capability %d.%d: NVRTC %d.%d begins with %d.%d, install "
        "an older one",
        kernel, dev->capability / 10, dev->capability % 10, compiler->major, compiler->minor, lowest / 10,
        lowest % 10);
}

segue_status cuda_compile(struct native_device *native, const char *kernel, const char *source,
                          const char *options, void **blob, uint64_t *bytes, segue_diag *why)
{
    struct cuda_device *dev = (struct cuda_device *)native;
    char name[96];
    void *program = NULL;
    segue_status s = check_compiler(dev, kernel, why);
    if (s) return s;
    snprintf(name, sizeof name, "%.80s.cu", kernel);
    const int error = dev->compiler.api.create(&program, source, name, 0, NULL, NULL);
    if (error) return failed(dev, error, "nvrtcCreateProgram", why);
    s = compile_program(dev, program, options, why);
    if (!s) s = take_code(dev, program, blob, bytes, why);
    dev->compiler.api.destroy(&program);
    return s;
}

/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: found over platforms, then devices; opened in a context of their own or in an engine's. */
#include "opencl.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_PLATFORMS = 32, MOST_DEVICES = 256, MOST_IN_CONTEXT = 64, WANTED_GROUP = 128 };
enum { DIVIDES_EXACTLY = 1 << 7 }; /* in CL_DEVICE_SINGLE_FP_CONFIG */

/* ---- what a device says of itself ----------------------------------------------------------------------- */

static uint64_t number(const struct opencl_api *cl, cl_device device, uint32_t what)
{
    uint64_t value = 0; /* little-endian hosts only: 32-bit answers fill the lower half */
    return cl->GetDeviceInfo(device, what, sizeof value, &value, NULL) ? 0 : value;
}

/* Drivers refuse to cut a text, so it is read whole. */
static void words(const struct opencl_api *cl, cl_device device, uint32_t what, char *out, size_t room)
{
    char text[1024] = "";
    if (cl->GetDeviceInfo(device, what, sizeof text, text, NULL)) snprintf(text, sizeof text, "?");
    snprintf(out, room, "%.*s", (int)room - 1, text);
}

static void platform_words(const struct opencl_api *cl, cl_device device, uint32_t what, char *out, size_t room)
{
    char text[1024] = "";
    cl_platform platform = NULL;
    int32_t error = cl->GetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    if (!error) error = cl->GetPlatformInfo(platform, what, sizeof text, text, NULL);
    if (error) snprintf(text, sizeof text, "?");
    snprintf(out, room, "%.*s", (int)room - 1, text);
}

static int version(const struct opencl_api *cl, cl_device device) /* 120 for OpenCL 1.2 */
{
    char text[256];
    words(cl, device, CL_DEVICE_VERSION, text, sizeof text);
    if (strncmp(text, "OpenCL ", 7)) return 0;
    char *dot;
    const long major = strtol(text + 7, &dot, 10);
    return *dot == '.' ? (int)(major * 100 + strtol(dot + 1, NULL, 10) * 10) : 0;
}

/* A whole word of the list of extensions, however long the list is. */
static int has_extension(const struct opencl_api *cl, cl_device device, const segue_host *host,
                         const char *name)
{
    const size_t length = strlen(name);
    size_t size = 0;
    int found = 0;
    if (cl->GetDeviceInfo(device, CL_DEVICE_EXTENSIONS, 0, NULL, &size) || !size) return 0;
    char *list = host->alloc(host->user, size + 1, 64); /* zeroed */
    if (!list) return 0;
    if (!cl->GetDeviceInfo(device, CL_DEVICE_EXTENSIONS, size, list, NULL))
        for (const char *at = list; (at = strstr(at, name)) && !found; at += length)
            found = (at == list || at[-1] == ' ') && (!at[length] || at[length] == ' ');
    host->free(host->user, list);
    return found;
}

/* NULL, or why the device cannot be used. */
static const char *unusable(const struct opencl_api *cl, cl_device device)
{
    if (!number(cl, device, CL_DEVICE_AVAILABLE)) return "the driver says that it is not available";
    if (!number(cl, device, CL_DEVICE_COMPILER_AVAILABLE))
        return "its driver has no compiler: install the vendor's full driver";
    if (!number(cl, device, CL_DEVICE_ENDIAN_LITTLE))
        return "it is big-endian, which the kernels are not written for";
    if (version(cl, device) < 120) return "its driver is older than OpenCL 1.2: install a newer one";
    return NULL;
}

static void describe(const struct opencl_api *cl, cl_device device, segue_device_facts *out)
{
    char platform[64], name[64], driver[64];
    const char *reason = unusable(cl, device);
    platform_words(cl, device, CL_PLATFORM_NAME, platform, sizeof platform);
    words(cl, device, CL_DEVICE_NAME, name, sizeof name);
    words(cl, device, CL_DRIVER_VERSION, driver, sizeof driver);
    snprintf(out->description, sizeof out->description, "%.48s, %.32s, driver %.24s", name, platform, driver);
    out->memory_bytes = number(cl, device, CL_DEVICE_GLOBAL_MEM_SIZE);
    out->allocation_bytes = number(cl, device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    if (reason) snprintf(out->text, sizeof out->text, "%s", reason);
    else out->flags |= SEGUE_DEVICE_READY;
}

/* ---- counting ------------------------------------------------------------------------------------------- */

/* Devices of all platforms, in the loader's order; at most MOST_DEVICES. */
static segue_status list(const struct opencl_api *cl, cl_device out[MOST_DEVICES], uint32_t *count,
                         segue_diag *why)
{
    cl_platform platforms[MOST_PLATFORMS];
    uint32_t platform_count = 0;
    int32_t without = CL_DEVICE_NOT_FOUND; /* the last platform's reason to have none */
    *count = 0;
    const int32_t error = cl->GetPlatformIDs(MOST_PLATFORMS, platforms, &platform_count);
    if (error && error != CL_PLATFORM_NOT_FOUND_KHR)
        return opencl_failed(NULL, error, SEGUE_PHASE_ENUMERATE, "clGetPlatformIDs", why);
    if (error) platform_count = 0;
    if (platform_count > MOST_PLATFORMS) platform_count = MOST_PLATFORMS;
    for (uint32_t p = 0; p < platform_count; p++) {
        uint32_t found = 0;
        const uint32_t room = MOST_DEVICES - *count;
        if (!room) break;
        const int32_t failed = cl->GetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, room, out + *count, &found);
        if (failed) without = failed;
        else *count += found < room ? found : room;
    }
    if (*count) return SEGUE_OK;
    return segue_kit_fail(why, SEGUE_OK, SEGUE_PHASE_ENUMERATE, 0,
                          platform_count
                              ? "none of OpenCL's %u platforms has a device (clGetDeviceIDs gives %d): is its "
                                "driver loaded, and may this user open the device files?"
                              : "OpenCL's loader is there but no driver is registered with it (%u "
                                "platforms, %d; /etc/OpenCL/vendors, or OCL_ICD_VENDORS where set): install "
                                "the driver of your device (for a CPU: pocl-opencl-icd)",
                          platform_count, platform_count ? without : CL_PLATFORM_NOT_FOUND_KHR);
}

segue_status opencl_count(const segue_host *host, uint32_t *count, segue_diag *diag)
{
    struct opencl_api cl;
    cl_device devices[MOST_DEVICES];
    (void)host;
    *count = 0;
    if (opencl_load(&cl, diag)) { /* no OpenCL is no error: diag says what to install */
        if (diag) diag->code = SEGUE_OK;
        return SEGUE_OK;
    }
    return list(&cl, devices, count, diag);
}

static segue_status find(const struct opencl_api *cl, uint32_t index, cl_device *out, segue_diag *why)
{
    cl_device devices[MOST_DEVICES];
    uint32_t count;
    const segue_status s = list(cl, devices, &count, why);
    if (s) return s;
    if (index >= count)
        return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_OPEN, 0,
                              "no opencl:%u, OpenCL finds %u devices", index, count);
    *out = devices[index];
    return SEGUE_OK;
}

segue_status opencl_info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    struct opencl_api cl;
    cl_device device = NULL;
    (void)host;
    segue_status s = opencl_load(&cl, diag);
    if (!s) s = find(&cl, index, &device, diag);
    if (!s) describe(&cl, device, out);
    return s;
}

void opencl_facts(void *device, segue_device_facts *facts)
{
    const struct opencl_device *dev = device; /* an engine's may be another than info() saw: a sub-device */
    describe(&dev->cl, dev->device, facts);
}

/* ---- opening -------------------------------------------------------------------------------------------- */

/* The engine's context, and which of its devices. */
static segue_status adopt(struct opencl_device *dev, uint32_t index, const segue_device_options *options,
                          segue_diag *why)
{
    cl_device devices[MOST_IN_CONTEXT];
    size_t size = 0;
    const cl_device wanted = options->native_device ? options->native_device : dev->device;
    const int32_t error =
        dev->cl.GetContextInfo(options->native_context, CL_CONTEXT_DEVICES, sizeof devices, devices, &size);
    if (error) return opencl_failed(NULL, error, SEGUE_PHASE_OPEN, "clGetContextInfo of native_context", why);
    for (size_t i = 0; i < size / sizeof *devices; i++) {
        if (devices[i] != wanted) continue;
        dev->device = wanted;
        const int32_t refused = dev->cl.RetainContext(options->native_context);
        if (refused) return opencl_failed(NULL, refused, SEGUE_PHASE_OPEN, "clRetainContext", why);
        dev->context = options->native_context;
        return SEGUE_OK;
    }
    return segue_kit_fail(
        why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
        "native_context has %zu devices and %s is none of them: open the device that the context "
        "was made for, or name one of its devices in native_device (opencl:%u was asked for)",
        size / sizeof *devices, options->native_device ? "native_device" : "this one", index);
}

static segue_status make_context(struct opencl_device *dev, uint32_t index, const segue_device_options *options,
                                 segue_diag *why)
{
    int32_t error = CL_SUCCESS;
    if (options->native_context) return adopt(dev, index, options, why);
    if (options->native_device)
        return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "native_device is given without native_context, wanted both or none");
    dev->context = dev->cl.CreateContext(NULL, 1, &dev->device, NULL, NULL, &error);
    return error ? opencl_failed(NULL, error, SEGUE_PHASE_OPEN, "clCreateContext", why) : SEGUE_OK;
}

static void find_features(struct opencl_device *dev)
{
    const struct opencl_api *cl = &dev->cl;
    if (has_extension(cl, dev->device, dev->gpu.host, "cl_khr_fp16")) dev->gpu.features |= GPU_HAS_F16;
    /* Without the option a GPU's division may be off by 2.5 ulp, and by another amount in each place. */
    const int exact = (number(cl, dev->device, CL_DEVICE_SINGLE_FP_CONFIG) & DIVIDES_EXACTLY) != 0;
    snprintf(dev->language, sizeof dev->language, "-cl-std=CL1.2%s",
             exact ? " -cl-fp32-correctly-rounded-divide-sqrt" : "");
}

static void find_limits(struct opencl_device *dev)
{
    char platform[64];
    size_t items[16] = { 0 }; /* along each axis; three of them on every device but a custom one */
    uint64_t group = number(&dev->cl, dev->device, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    const uint64_t local = number(&dev->cl, dev->device, CL_DEVICE_LOCAL_MEM_SIZE);
    if (!dev->cl.GetDeviceInfo(dev->device, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items, NULL) &&
        items[0] < group)
        group = items[0];
    dev->gpu.group = WANTED_GROUP;
    while (dev->gpu.group > 1 && (uint64_t)dev->gpu.group > group) dev->gpu.group /= 2;
    dev->gpu.local_bytes = local < INT32_MAX ? (int32_t)local : INT32_MAX;
    /* OpenCL tells no bound; NVIDIA's are those of CUDA, 65535 on the slower axes */
    dev->gpu.most_groups[0] = INT32_MAX / dev->gpu.group;
    dev->gpu.most_groups[1] = dev->gpu.most_groups[2] = 65535;
    dev->most_bytes = number(&dev->cl, dev->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    platform_words(&dev->cl, dev->device, CL_PLATFORM_NAME, platform, sizeof platform);
    dev->flushes = !strcmp(platform, "rusticl");
}

/* Compiled code is good for exactly these. The platform's version tells which LLVM PoCL was built with; the vectors'
 * width tells CPUs apart that Intel's driver calls by one name ("AMD EPYC"), and of which each loads narrower code.
 * What is cut off from the names still counts in the digest behind them. */
void opencl_identify(struct opencl_device *dev)
{
    static const uint32_t of_device[] = { CL_DEVICE_NAME, CL_DRIVER_VERSION, CL_DEVICE_VERSION };
    static const uint32_t of_platform[] = { CL_PLATFORM_NAME, CL_PLATFORM_VERSION };
    enum {
        DEVICE = sizeof of_device / sizeof *of_device,
        ALL = DEVICE + sizeof of_platform / sizeof *of_platform
    };
    char texts[ALL + 1][1024] = { { 0 } }, hex[33];
    unsigned char digest[16];
    for (int i = 0; i < ALL; i++)
        if (i < DEVICE) words(&dev->cl, dev->device, of_device[i], texts[i], sizeof texts[i]);
        else platform_words(&dev->cl, dev->device, of_platform[i - DEVICE], texts[i], sizeof texts[i]);
    snprintf(texts[ALL], sizeof texts[ALL], "%" PRIu64 "%s",
             number(&dev->cl, dev->device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT), dev->language);
    crypto_generichash(digest, sizeof digest, (const unsigned char *)texts, sizeof texts, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    snprintf(dev->gpu.identity, sizeof dev->gpu.identity, "%.63s, %.40s, %.40s, %.60s, %.5s %.16s", texts[0],
             texts[DEVICE], texts[1], texts[2], dev->language + strlen("-cl-std="), hex);
}

static segue_status start(struct opencl_device *dev, uint32_t index, const segue_device_options *options,
                          segue_diag *why)
{
    int32_t error = CL_SUCCESS;
    segue_status s = opencl_load(&dev->cl, why);
    if (!s) s = find(&dev->cl, index, &dev->device, why);
    if (!s) s = make_context(dev, index, options, why);
    if (s) return s;
    const char *reason = unusable(&dev->cl, dev->device);
    if (reason)
        return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_OPEN, 0, "opencl:%u: %s", index, reason);
    dev->queue = dev->cl.CreateCommandQueue(dev->context, dev->device, 0, &error);
    if (error) return opencl_failed(NULL, error, SEGUE_PHASE_OPEN, "clCreateCommandQueue", why);
    find_features(dev);
    find_limits(dev);
    opencl_identify(dev);
    return gpu_open(&dev->gpu, why);
}

segue_status opencl_open(const segue_host *host, uint32_t index, const segue_device_options *options,
                         void **device, segue_diag *diag)
{
    if (options->threads || options->parallel_for)
        return segue_kit_fail(
            diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
            "threads or parallel_for is given, wanted 0 and NULL: the OpenCL driver has its own");
    struct opencl_device *dev = host->alloc(host->user, sizeof *dev, 64);
    if (!dev)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for device opencl:%u",
                              index);
    dev->gpu.driver = &opencl_driver;
    dev->gpu.host = host;
    const segue_status s = start(dev, index, options, diag);
    if (s) opencl_close(dev);
    else *device = dev;
    return s;
}

void opencl_close(void *device)
{
    struct opencl_device *dev = device;
    gpu_close(&dev->gpu);
    if (dev->queue) {
        if (!atomic_load(&dev->lost)) dev->cl.Finish(dev->queue); /* of a lost device it may never come back */
        dev->cl.ReleaseCommandQueue(dev->queue);
    }
    if (dev->context) dev->cl.ReleaseContext(dev->context);
    dev->gpu.host->free(dev->gpu.host->user, dev);
}

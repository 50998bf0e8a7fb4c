/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* NVRTC, in the library that is libcuda, too: what cuda_compile.c of a plugin calls. */
#include "stand_in.h"

#include <string.h>

#pragma GCC visibility push(default)

int nvrtcVersion(int *major, int *minor)
{
    const int code = enter(__func__);
    *major = 13;
    *minor = settings()->checked; /* adapters keep compiled code apart by the version */
    return leave(code);
}

const char *nvrtcGetErrorString(int error)
{
    static const char *const names[] = { "NVRTC_SUCCESS",
                                         "NVRTC_ERROR_OUT_OF_MEMORY",
                                         "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
                                         "NVRTC_ERROR_INVALID_INPUT",
                                         "NVRTC_ERROR_INVALID_PROGRAM",
                                         "NVRTC_ERROR_INVALID_OPTION",
                                         "NVRTC_ERROR_COMPILATION" };
    return error >= 0 && error <= 6 ? names[error] : "NVRTC_ERROR unknown";
}

int nvrtcGetNumSupportedArchs(int *count)
{
    const int code = enter(__func__);
    *count = 1;
    return leave(code);
}

int nvrtcGetSupportedArchs(int *archs)
{
    const int code = enter(__func__);
    *archs = 10;
    return leave(code);
}

int nvrtcCreateProgram(void **program, const char *source, const char *name, int headers,
                       const char *const *texts, const char *const *names)
{
    const int code = enter(__func__);
    (void)name, (void)texts, (void)names;
    return leave(code ? code : program_create(program, source, headers));
}

int nvrtcCompileProgram(void *program, int count, const char *const *options)
{
    const int code = enter(__func__);
    return leave(code ? code : program_compile(program, options, count, "sm_10"));
}

int nvrtcGetCUBINSize(void *program, size_t *bytes)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !(p && p->code)) code = NO_PROGRAM;
    *bytes = code ? 0 : p->bytes;
    return leave(code);
}

int nvrtcGetCUBIN(void *program, char *out)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !(p && p->code)) code = NO_PROGRAM;
    if (!code) memcpy(out, p->code, p->bytes);
    return leave(code);
}

/* Nothing is known of PTX: the device's own architecture is what compiles. */
int nvrtcGetPTXSize(void *program, size_t *bytes)
{
    const int code = enter(__func__);
    (void)program;
    *bytes = 0;
    return leave(code ? code : NO_PROGRAM);
}

int nvrtcGetPTX(void *program, char *out)
{
    const int code = enter(__func__);
    (void)program, (void)out;
    return leave(code ? code : NO_PROGRAM);
}

int nvrtcGetProgramLogSize(void *program, size_t *bytes)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !p) code = NO_PROGRAM;
    *bytes = code ? 0 : p->log ? strlen(p->log) + 1 : 1;
    return leave(code);
}

int nvrtcGetProgramLog(void *program, char *log)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !p) code = NO_PROGRAM;
    if (!code) strcpy(log, p->log ? p->log : "");
    return leave(code);
}

int nvrtcDestroyProgram(void **program)
{
    const int code = enter(__func__);
    return leave(code ? code : program_destroy(program));
}

#pragma GCC visibility pop

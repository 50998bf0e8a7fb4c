/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* hipRTC, in the library that is libamdhip64, too: what libexec/segue/segue-compile calls. */
#include "stand_in.h"

#include <string.h>

#pragma GCC visibility push(default)

int hiprtcVersion(int *major, int *minor)
{
    const int code = enter(__func__);
    *major = HIP_MAJOR;
    *minor = settings()->checked; /* adapters keep compiled code apart by the version */
    return leave(code);
}

const char *hiprtcGetErrorString(int error)
{
    static const char *const names[] = { "HIPRTC_SUCCESS",
                                         "HIPRTC_ERROR_OUT_OF_MEMORY",
                                         "HIPRTC_ERROR_PROGRAM_CREATION_FAILURE",
                                         "HIPRTC_ERROR_INVALID_INPUT",
                                         "HIPRTC_ERROR_INVALID_PROGRAM",
                                         "HIPRTC_ERROR_INVALID_OPTION",
                                         "HIPRTC_ERROR_COMPILATION" };
    return error >= 0 && error <= 6 ? names[error] : "HIPRTC_ERROR unknown";
}

int hiprtcCreateProgram(void **program, const char *source, const char *name, int headers,
                        const char *const *texts, const char *const *names)
{
    const int code = enter(__func__);
    (void)name, (void)texts, (void)names;
    return leave(code ? code : program_create(program, source, headers));
}

int hiprtcCompileProgram(void *program, int count, const char *const *options)
{
    const int code = enter(__func__);
    return leave(code ? code : program_compile(program, options, count, "gfx000"));
}

int hiprtcGetCodeSize(void *program, size_t *bytes)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !(p && p->code)) code = NO_PROGRAM;
    *bytes = code ? 0 : p->bytes;
    return leave(code);
}

int hiprtcGetCode(void *program, char *out)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !(p && p->code)) code = NO_PROGRAM;
    if (!code) memcpy(out, p->code, p->bytes);
    return leave(code);
}

int hiprtcGetProgramLogSize(void *program, size_t *bytes)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !p) code = NO_PROGRAM;
    *bytes = code ? 0 : p->log ? strlen(p->log) + 1 : 1;
    return leave(code);
}

int hiprtcGetProgramLog(void *program, char *log)
{
    int code = enter(__func__);
    const struct program *p = program_of(program);
    if (!code && !p) code = NO_PROGRAM;
    if (!code) strcpy(log, p->log ? p->log : "");
    return leave(code);
}

int hiprtcDestroyProgram(void **program)
{
    const int code = enter(__func__);
    return leave(code ? code : program_destroy(program));
}

#pragma GCC visibility pop

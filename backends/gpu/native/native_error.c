/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A driver's failures in words, and the scopes in which it is called: a lost device is refused there. */
#include "native.h"

#define AGAIN "close the device and open it again; where that fails, start the process anew"

const struct native_error *native_error_of(const struct native_kind *kind, int error)
{
    static const struct native_error other = { 0, SEGUE_ERROR_INTERNAL, NATIVE_STAYS, "no name known",
                                               "not expected here" };
    const struct native_error *e = kind->errors;
    while (e->name && e->code != error) e++;
    return e->name ? e : &other;
}

const char *native_call(const struct native_kind *kind, size_t entry)
{
    static const char *const names[][2] = {
#define ENTRY(parameters, field, cuda, hip) { cuda, hip },
        NATIVE_ENTRIES(ENTRY)
#undef ENTRY
    };
    return names[entry / sizeof(int (*)(void))][kind->api == SEGUE_API_HIP];
}

/* ---- what a capture of anybody's allows ------------------------------------------------------------------- */

int native_relax(struct native_device *dev, int *mode)
{
    *mode = NATIVE_CAPTURE_RELAXED;
    return !dev->api.exchange_capture_mode(mode);
}

void native_strict(struct native_device *dev, int mode)
{
    dev->api.exchange_capture_mode(&mode);
}

/* ---- words ---------------------------------------------------------------------------------------------- */

static segue_status tell(const struct native_kind *kind, int error, int lost, uint32_t phase, const char *call,
                         segue_diag *why)
{
    const struct native_error *e = native_error_of(kind, error);
    const segue_status s =
        segue_kit_fail(why, lost ? SEGUE_ERROR_DEVICE_LOST : e->status, phase, 0,
                       "%s failed with %d (%s): %s%s", call, error, e->name, e->words, lost ? "; " AGAIN : "");
    if (why) why->native_code = error;
    return s;
}

segue_status native_told_of(const struct native_kind *kind, int error, uint32_t phase, const char *call,
                            segue_diag *why)
{
    if (!error) return SEGUE_OK;
    return tell(kind, error, native_error_of(kind, error)->lost == NATIVE_LOST, phase, call, why);
}

static int loses(struct native_device *dev, int error)
{
    const int lost = native_error_of(dev->kind, error)->lost;
    int mode;
    if (lost != NATIVE_LOST_IF_IT_STAYS) return lost;
    if (!dev->queue) return 0;
    const int relaxed = native_relax(dev, &mode); /* to wait for the own queue breaks nobody's capture */
    const int stays = dev->api.stream_synchronize(dev->queue) == error;
    if (relaxed) native_strict(dev, mode);
    return stays;
}

segue_status native_told(struct native_device *dev, int error, uint32_t phase, const char *call,
                         segue_diag *why)
{
    if (!error) return SEGUE_OK;
    const int lost = loses(dev, error);
    int none = 0; /* the first failure says more than what follows from it */
    if (lost) atomic_compare_exchange_strong(&dev->lost, &none, error);
    return tell(dev->kind, error, lost, phase, call, why);
}

segue_status native_status(void *device, segue_diag *diag)
{
    struct native_device *dev = device;
    const int error = atomic_load(&dev->lost);
    if (!error) return SEGUE_OK;
    const struct native_error *e = native_error_of(dev->kind, error);
    segue_kit_fail(diag, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_CALL, 0,
                   "the device was lost when the driver failed with %d (%s): %s; " AGAIN, error, e->name,
                   e->words);
    if (diag) diag->native_code = error;
    return SEGUE_ERROR_DEVICE_LOST;
}

/* ---- scopes --------------------------------------------------------------------------------------------- */

segue_status native_enter(struct native_device *dev, struct native_scope *scope, uint32_t phase,
                          segue_diag *why)
{
    *scope = (struct native_scope){ 0 };
    if (!atomic_load_explicit(&dev->lost, memory_order_relaxed))
        return dev->kind->enter(dev, scope, phase, why);
    native_status(dev, why);
    if (why) why->phase = phase;
    return SEGUE_ERROR_DEVICE_LOST;
}

segue_status native_enter_relaxed(struct native_device *dev, struct native_scope *scope, uint32_t phase,
                                  segue_diag *why)
{
    segue_status s = native_enter(dev, scope, phase, why);
    if (s) return s;
    scope->mode = NATIVE_CAPTURE_RELAXED;
    s = native_told(dev, dev->api.exchange_capture_mode(&scope->mode), phase,
                    native_call(dev->kind, offsetof(struct native_api, exchange_capture_mode)), why);
    scope->relaxed = !s;
    if (s) native_leave(dev, scope);
    return s;
}

int native_enter_to_release(struct native_device *dev, struct native_scope *scope)
{
    *scope = (struct native_scope){ 0 };
    if (dev->kind->enter(dev, scope, SEGUE_PHASE_CALL, NULL)) return 0;
    scope->relaxed = native_relax(dev, &scope->mode);
    return 1;
}

void native_leave(struct native_device *dev, const struct native_scope *scope)
{
    if (scope->relaxed) native_strict(dev, scope->mode);
    dev->kind->leave(dev, scope);
}

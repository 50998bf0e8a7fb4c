/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The inline conversions of segue/dlpack.h as functions that dlpack_test.py can call. Also built as C++. */
#include <dlpack/dlpack.h>

#include <segue/dlpack.h>

#ifdef __cplusplus
extern "C" {
#endif

SEGUE_API segue_status from_dlpack(const DLTensor *from, segue_tensor *out, segue_diag *diag);
SEGUE_API segue_status to_dlpack(const segue_tensor *from, int32_t type, int32_t id, DLTensor *out,
                                 segue_diag *diag);
SEGUE_API size_t size_of(int which);

segue_status from_dlpack(const DLTensor *from, segue_tensor *out, segue_diag *diag)
{
    return segue_tensor_from_dlpack(from, out, diag);
}

segue_status to_dlpack(const segue_tensor *from, int32_t type, int32_t id, DLTensor *out, segue_diag *diag)
{
    DLDevice device;
    device.device_type = (DLDeviceType)type;
    device.device_id = id;
    return segue_tensor_to_dlpack(from, device, out, diag);
}

/* So that the script's own idea of the structs is checked. */
size_t size_of(int which)
{
    const size_t sizes[] = { sizeof(DLTensor), sizeof(DLManagedTensor), sizeof(segue_tensor),
                             sizeof(segue_diag) };
    return sizes[which];
}

#ifdef __cplusplus
}
#endif

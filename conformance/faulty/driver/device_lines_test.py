#!/usr/bin/env -S python3 -B
# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
"""What `segue devices` says where a driver is not as it should be: device_lines_test.py DEVICES STAND_INS PLUGINS.

Folders with altered copies of the stand-ins are made up: a library without one entry point (its name is changed in the file),
one that does not load, one that fails to start. Without its mark a stand-in counts as a real driver, so that device nodes
are looked at; those of the machine are replaced by a file system in memory where the rights for that can be had.
"""
import os
import shutil
import subprocess
import sys
import tempfile

DEVICES, STAND_INS, PLUGINS = (os.path.abspath(p) for p in sys.argv[1:4])
MARK = "segue_stand_in_driver"
DRIVERS = {"cuda": ("cuda", "libcuda.so.1"), "rocm": ("rocm", "libamdhip64.so.6"), "rocm_5": ("rocm", "libamdhip64.so.5")}
NODES = {"cuda": "/dev/nvidiactl", "rocm": "/dev/kfd", "rocm_5": "/dev/kfd"}
wrong = 0


def put_library(folder, driver, without=()):
    """A copy in which names of entry points are others, as if it had none of these."""
    name = DRIVERS[driver][1]
    with open(os.path.join(STAND_INS, driver, name), "rb") as f:
        image = f.read()
    for entry in without:
        old = b"\0" + entry.encode() + b"\0"
        assert old in image, f"{name} has no {entry}"
        image = image.replace(old, old[:-2] + b"#\0")
    with open(os.path.join(folder, name), "wb") as f:
        f.write(image)


def devices(driver, folder, fail="", inside=""):
    """Lines of the driver's plugin; inside: shell commands that come first, in a namespace of their own."""
    plugin = DRIVERS[driver][0]
    environment = {**os.environ, "SEGUE_DRIVER_PATH": folder, "SEGUE_PLUGIN_PATH": PLUGINS, "SEGUE_STAND_IN_FAIL": fail,
                   "NO_COLOR": "1"}
    command = [DEVICES, "--plain"]
    if inside:
        command = ["unshare", "--mount", "sh", "-c", f'{inside} && exec "$0" "$@"', *command]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return "\n".join(line for line in (result.stdout + result.stderr).splitlines() if plugin in line)


def expect(driver, what, said, *words):
    global wrong
    missing = [w for w in words if w not in said]
    wrong += bool(missing)
    print(f"{'WRONG' if missing else 'ok   '} {driver:7} {what}: {said.strip()[:400]}" + (f"; missing {missing}" if missing else ""))


def may_unshare():
    return not os.geteuid() and not subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"],
                                                   capture_output=True, check=False).returncode


def try_driver(driver, folder):
    prefix = "cu" if driver == "cuda" else "hip"
    library, plugin = DRIVERS[driver][1], DRIVERS[driver][0]
    put_library(folder, driver)
    expect(driver, "whole", devices(driver, folder), f"{plugin}:1", "stand-in")
    put_library(folder, driver, [f"{prefix}ThreadExchangeStreamCaptureMode"])
    expect(driver, "an entry is missing", devices(driver, folder), f"{library} has no {prefix}ThreadExchangeStreamCaptureMode", "older",
           "install")
    with open(os.path.join(folder, library), "w", encoding="ascii") as f:
        f.write("this is no library\n")
    expect(driver, "no library", devices(driver, folder), f"{library} does not load", "repair or remove it")
    put_library(folder, driver)
    expect(driver, "does not start", devices(driver, folder, f"{prefix}Init:0=999"), f"{prefix}Init failed with 999")
    put_library(folder, driver, [MARK])
    if not os.path.exists(NODES[driver]):
        expect(driver, "no device node", devices(driver, folder, f"{prefix}Init:0=100"), NODES[driver] + " is missing",
               f"{prefix}Init failed with 100")
    if may_unshare():
        nodes = ("mount -t tmpfs -o mode=755 none /dev && mkdir /dev/dri && touch /dev/nvidiactl /dev/nvidia0 /dev/nvidia-uvm "
                 "/dev/kfd /dev/dri/renderD128 && chmod 600 /dev/nvidiactl /dev/kfd")
        as_user = "exec setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all"
        said = devices(driver, folder, f"{prefix}Init:0=100", f'{nodes} && {as_user} "$0" "$@"')
        if said:  # the build may lie where that user cannot read
            expect(driver, "no right to the node", said, f"this user may not open {NODES[driver]}")
        else:
            print(f"skip  {driver:7} no right to the node: another user cannot run {DEVICES}")
    else:
        print(f"skip  {driver:7} no right to the node: no mount namespace can be had")


for name, (plugin_id, _) in DRIVERS.items():
    if not os.path.exists(os.path.join(PLUGINS, f"segue_{plugin_id}.so")):
        continue
    place = tempfile.mkdtemp(prefix="segue-lines-")
    os.chmod(place, 0o755)
    try:
        try_driver(name, place)
    finally:
        shutil.rmtree(place)
sys.exit(wrong != 0)

"""The configuration of a container for runc, on standard output: config.py SECCOMP NAME ARGUMENT..."""

import json
import pathlib
import sys

MEMORY = 256 << 20
PERIOD = 100_000
QUOTA = PERIOD // 2
FILES = 4096

seccomp, name, *arguments = sys.argv[1:]
profile = json.loads(pathlib.Path("packaging/container/seccomp.json").read_text(encoding="utf-8"))
calls = profile["syscalls"]
if seccomp == "without-io-uring":
    calls = [entry for entry in calls if "io_uring_setup" not in entry["names"]]
elif seccomp != "ours":
    sys.exit(f"{seccomp}: ours or without-io-uring")

json.dump(
    {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 65532, "gid": 65532},
            "args": ["/usr/bin/proactor", *arguments],
            "env": ["PATH=/usr/bin"],
            "cwd": "/",
            "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": FILES, "soft": FILES}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "container",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "ro", "nosuid", "noexec", "nodev"]},
        ],
        "linux": {
            # The network is the machine's, so that the script reaches the server.
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "cgroupsPath": f"/{name}",
            "resources": {"memory": {"limit": MEMORY}, "cpu": {"quota": QUOTA, "period": PERIOD}},
            "seccomp": {
                "defaultAction": profile["defaultAction"],
                "defaultErrnoRet": profile["defaultErrnoRet"],
                "architectures": [entry["architecture"] for entry in profile["archMap"]],
                "syscalls": [{"names": entry["names"], "action": entry["action"]} for entry in calls],
            },
        },
    },
    sys.stdout,
)

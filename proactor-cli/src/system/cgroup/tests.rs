use super::*;

/// What a process that sees these files is allowed.
fn allowed(files: &[(&str, &str)]) -> Allowed {
    Allowed::found(|path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned())
    })
}

const MOUNT_2: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const MOUNTS_1: &str = "\
23 18 0:21 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
30 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct
31 23 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:11 - cgroup cgroup rw,memory
32 23 0:29 / /sys/fs/cgroup/systemd rw,nosuid shared:12 - cgroup cgroup rw,xattr,name=systemd
";

#[test]
fn a_container_of_version_2_sees_its_own_group_as_the_root() {
    let found = allowed(&[
        ("/proc/self/cgroup", "0::/\n"),
        ("/proc/self/mountinfo", MOUNT_2),
        ("/sys/fs/cgroup/cpu.max", "250000 100000\n"),
        ("/sys/fs/cgroup/memory.max", "536870912\n"),
    ]);
    assert_eq!(found, Allowed { milli_cpus: Some(2500), memory: Some(512 << 20) });
    assert_eq!(found.cpus(), Some(3), "half of a CPU is worth a thread");
}

#[test]
fn the_least_of_a_unit_and_of_the_slices_above_it_holds() {
    let files = [
        ("/proc/self/cgroup", "0::/system.slice/proactor.service\n"),
        ("/proc/self/mountinfo", MOUNT_2),
        ("/sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n"),
        ("/sys/fs/cgroup/system.slice/memory.max", "max\n"),
        ("/sys/fs/cgroup/system.slice/proactor.service/cpu.max", "400000 100000\n"),
        ("/sys/fs/cgroup/system.slice/proactor.service/memory.max", "1073741824\n"),
        ("/sys/fs/cgroup/system.slice/other.service/memory.max", "1\n"),
    ];
    let found = allowed(&files);
    assert_eq!(found, Allowed { milli_cpus: Some(500), memory: Some(1 << 30) });
    assert_eq!(found.cpus(), Some(1));
}

#[test]
fn version_1_has_a_hierarchy_for_each() {
    let groups = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n";
    let files = [
        ("/proc/self/cgroup", groups),
        ("/proc/self/mountinfo", MOUNTS_1),
        ("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "150000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
        ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "268435456\n"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
    ];
    let found = allowed(&files);
    assert_eq!(found, Allowed { milli_cpus: Some(1500), memory: Some(256 << 20) });
    assert_eq!(found.cpus(), Some(2));
}

#[test]
fn without_a_namespace_the_group_of_a_container_is_what_is_mounted() {
    let mounts = MOUNTS_1.replace(" / /sys/fs/cgroup/", " /docker/abc /sys/fs/cgroup/");
    for group in ["/docker/abc", "/elsewhere", "/docker/abcdef"] {
        let groups = format!("4:memory:{group}\n3:cpu,cpuacct:{group}\n");
        let found = allowed(&[
            ("/proc/self/cgroup", &groups),
            ("/proc/self/mountinfo", &mounts),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n"),
        ]);
        assert_eq!(found, Allowed { milli_cpus: None, memory: Some(4096) }, "{group}");
    }
}

#[test]
fn where_nothing_limits_there_is_no_limit() {
    let unlimited = [
        ("/proc/self/cgroup", "0::/a\n"),
        ("/proc/self/mountinfo", MOUNT_2),
        ("/sys/fs/cgroup/a/cpu.max", "max 100000\n"),
        ("/sys/fs/cgroup/a/memory.max", "max\n"),
    ];
    assert_eq!(allowed(&unlimited), Allowed::default());
    assert_eq!(allowed(&[]), Allowed::default());
    assert_eq!(allowed(&unlimited).cpus(), None);
}

#[test]
fn files_that_make_no_sense_limit_nothing() {
    for (cpu, memory, mounts, groups) in [
        ("", "", MOUNT_2, "0::/"),
        ("100000", "many", MOUNT_2, "0::/"),
        ("100000 0", "-1", MOUNT_2, "0::/"),
        ("x y", "99999999999999999999999", MOUNT_2, "0::/"),
        ("1 2", "1", "29 23 0:26 / /sys/fs/cgroup rw", "0::/"),
        ("1 2", "1", "29 - cgroup2 cgroup2 rw\n- cgroup\n -  - \n", "0::/"),
        ("1 2", "1", MOUNT_2, "::\n:\n0:/\n1:cpu:/"),
    ] {
        let files = [
            ("/proc/self/cgroup", groups),
            ("/proc/self/mountinfo", mounts),
            ("/sys/fs/cgroup/cpu.max", cpu),
            ("/sys/fs/cgroup/memory.max", memory),
        ];
        assert_eq!(allowed(&files), Allowed::default(), "{cpu:?} {memory:?} {mounts:?} {groups:?}");
    }
    let huge = allowed(&[
        ("/proc/self/cgroup", "0::/../..\n"),
        ("/proc/self/mountinfo", MOUNT_2),
        ("/sys/fs/cgroup/cpu.max", "18446744073709551615 1\n"),
    ]);
    assert_eq!(huge, Allowed { milli_cpus: Some(u64::MAX), memory: None });
    assert!(huge.cpus().is_some(), "a path that leads out of what is mounted is not followed");
}

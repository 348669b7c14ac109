//! What the gateway's process takes of the machine, as the kernel tells it. All 0 where there is no /proc.

use std::fs;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Bytes in memory.
    pub resident: usize,
    pub threads: usize,
    /// File descriptors.
    pub files: usize,
}

pub(super) fn usage() -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1));
    Usage { files, ..told(&status) }
}

/// Lines such as `VmRSS:   20480 kB` and `Threads: 9`.
fn told(status: &str) -> Usage {
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or_default()
    };
    Usage { resident: value("VmRSS").saturating_mul(1024), threads: value("Threads"), files: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        for (status, resident, threads) in
            [("VmRSSX:\t 1 kB\nVmRSS:\t   20480 kB\nThreads:\t9\n", 20480 << 10, 9), ("VmRSS:\n", 0, 0), ("", 0, 0)]
        {
            assert_eq!(told(status), Usage { resident, threads, files: 0 }, "{status}");
        }
        let own = usage();
        assert!(own.resident > 1 << 20 && own.threads > 0 && own.files > 0, "{own:?}");
    }
}

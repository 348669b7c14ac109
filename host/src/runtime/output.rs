//! The last output of a program, for people who ask why it ended.

/// Lines that go into the detail of a workload that has exited: a stack trace's head or a configuration error.
pub const LINES_OF_AN_EXIT: u32 = 20;
/// The most that is read of an output, whatever number of lines is asked for.
pub const MOST_BYTES: usize = 1024 * 1024;

/// The last `lines` lines, with what is not UTF-8 replaced.
pub fn tail(output: &[u8], lines: u32) -> String {
    let text = String::from_utf8_lossy(output);
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

/// The detail of a workload that has exited.
pub fn detail(how: &str, last_output: &str) -> String {
    match last_output.trim() {
        "" => format!("{how}; it wrote nothing"),
        output => format!("{how}; its last output:\n{output}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_gives_the_last_lines() {
        for (output, lines, expected) in [("", 3, ""), ("a\nb\nc\n", 2, "b\nc"), ("a\nb", 9, "a\nb"), ("a\nb\n", 0, "")]
        {
            assert_eq!(tail(output.as_bytes(), lines), expected, "{output:?} {lines}");
        }
        assert_eq!(tail(b"\xff\n", 1), "\u{fffd}");
    }
}

//! What the instance of one call has taken: memory over all its linear memories, tables, and how many of each.

use wasmtime::ResourceLimiter;

use super::engine::{CORE_INSTANCES_EACH, MEMORIES_EACH, TABLE_ELEMENTS, TABLES_EACH};

/// What is granted and what was refused.
#[derive(Debug)]
pub(super) struct Taken {
    /// Bytes.
    most: usize,
    memory: usize,
    memory_was_refused: bool,
    table_was_refused: bool,
}

impl Taken {
    pub(super) fn at_most(memory: usize) -> Taken {
        Taken { most: memory, memory: 0, memory_was_refused: false, table_was_refused: false }
    }

    /// Bytes of all linear memories.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn was_refused_memory(&self) -> bool {
        self.memory_was_refused
    }

    /// The most elements that a table may have, if more were wanted.
    pub(super) fn table_refused(&self) -> Option<usize> {
        self.table_was_refused.then_some(TABLE_ELEMENTS)
    }
}

impl ResourceLimiter for Taken {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let granted = more <= self.most.saturating_sub(self.memory);
        match granted {
            true => self.memory += more,
            false => self.memory_was_refused = true,
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= TABLE_ELEMENTS;
        self.table_was_refused |= !granted;
        Ok(granted)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_EACH as usize
    }

    fn tables(&self) -> usize {
        TABLES_EACH as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_EACH as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_summed_over_all_memories() {
        let mut taken = Taken::at_most(100);
        assert!(taken.memory_growing(0, 60, None).unwrap());
        // A second memory.
        assert!(!taken.memory_growing(0, 60, None).unwrap());
        assert!(taken.was_refused_memory());
        assert!(taken.memory_growing(0, 30, None).unwrap());
        assert!(!taken.memory_growing(30, 41, None).unwrap());
        assert!(taken.memory_growing(30, 40, None).unwrap());
        assert_eq!(taken.memory(), 100);
    }

    #[test]
    fn a_table_has_a_size() {
        let mut taken = Taken::at_most(0);
        assert!(taken.table_growing(0, TABLE_ELEMENTS, None).unwrap());
        assert_eq!(taken.table_refused(), None);
        assert!(!taken.table_growing(TABLE_ELEMENTS, TABLE_ELEMENTS + 1, None).unwrap());
        assert_eq!(taken.table_refused(), Some(TABLE_ELEMENTS));
    }
}

//! Grants for people: what is asked for, what is allowed, and what lacks.

use std::fmt;

use super::{Ask, Capability, Grants, NotGranted, Workloads, covers, declared, list, matches_one};

impl Grants {
    /// What is asked for and not granted, with the setting that would allow each.
    pub fn lacks(&self, asked: &Grants) -> Vec<String> {
        let lacking = |capability: &&Capability| !self.capabilities.contains(capability);
        let mut lacks: Vec<NotGranted> =
            asked.capabilities.iter().filter(lacking).filter_map(|one| self.allows(Ask::Use(*one)).err()).collect();
        let both = |capability| [self, asked].iter().all(|grants| grants.capabilities.contains(&capability));
        if both(Capability::Workloads) {
            let (ours, theirs) = (&self.workloads, &asked.workloads);
            let words = [
                ("the image", declared::IMAGES, &ours.images, &theirs.images),
                ("the program", declared::PROGRAMS, &ours.programs, &theirs.programs),
            ];
            for (what, key, ours, theirs) in words {
                let missing = theirs.iter().filter(|word| !matches_one(ours, word));
                lacks.extend(missing.map(|word| self.refused(format!("{what} '{word}'"), list(ours), key)));
            }
            if let (Some(most), Some(count)) = (ours.count, theirs.count)
                && most < count
            {
                lacks.push(self.refused(format!("a count of {count} workloads"), most.to_string(), declared::COUNT));
            }
            if let (Some(most), Some(memory)) = (ours.memory, theirs.memory)
                && most < memory
            {
                lacks.push(self.refused(
                    format!("a workload with {memory} bytes of memory"),
                    format!("{most} bytes"),
                    declared::MEMORY,
                ));
            }
        }
        if both(Capability::Ports) {
            let missing = asked.ports.iter().filter(|range| !covers(&self.ports, **range));
            lacks.extend(
                missing
                    .map(|range| self.refused(format!("a port of {range}"), list(&self.ports), declared::PORT_RANGES)),
            );
        }
        lacks.iter().map(ToString::to_string).collect()
    }

    /// For people: one line for each interface.
    pub fn lines(&self) -> Vec<String> {
        self.capabilities
            .iter()
            .map(|capability| match capability {
                Capability::Workloads => format!("workloads: {}", self.workloads),
                Capability::Ports => format!("ports: {}", list(&self.ports)),
                other => other.to_string(),
            })
            .collect()
    }
}

impl fmt::Display for Workloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "images {}; programs {}", list(&self.images), list(&self.programs))?;
        self.count.map_or(Ok(()), |count| write!(f, "; {count} at most"))?;
        self.memory.map_or(Ok(()), |bytes| write!(f, "; {bytes} bytes of memory each"))
    }
}

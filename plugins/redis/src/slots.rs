//! Which shard has which slots, and which slots have to move so that all shards have as many.

/// Of a cluster.
pub const SLOTS: usize = 16_384;

/// What is to be done; shards by number, those that stay first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Slots without an owner, as ranges with both ends, by the shard that is to have them.
    pub added: Vec<(usize, Vec<(u16, u16)>)>,
    pub moves: Vec<Move>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub slot: u16,
    pub from: usize,
    pub to: usize,
}

/// `owners` by slot. Of the shards the first `staying` are to have all slots, each as many as the others but for one.
/// Nothing moves that need not.
pub fn plan(owners: &[Option<usize>], staying: usize) -> Plan {
    if staying == 0 {
        return Plan::default();
    }
    let share = |shard: usize| owners.len() / staying + usize::from(shard < owners.len() % staying);
    let mut counts = vec![0_usize; staying];
    for owner in owners.iter().flatten() {
        if let Some(count) = counts.get_mut(*owner) {
            *count += 1;
        }
    }
    let mut plan = Plan::default();
    let take = |counts: &mut Vec<usize>| {
        let shard = counts.iter().enumerate().position(|(shard, count)| *count < share(shard))?;
        *counts.get_mut(shard)? += 1;
        Some(shard)
    };
    let slots = || owners.iter().enumerate().filter_map(|(slot, owner)| Some((u16::try_from(slot).ok()?, *owner)));
    for (slot, _) in slots().filter(|(_, owner)| owner.is_none()) {
        let Some(shard) = take(&mut counts) else { break };
        add(&mut plan.added, shard, slot);
    }
    for (slot, owner) in slots().collect::<Vec<_>>().into_iter().rev() {
        let Some(from) = owner else { continue };
        let has_too_many = counts.get(from).is_none_or(|count| *count > share(from));
        if !has_too_many {
            continue;
        }
        let Some(to) = take(&mut counts) else { break };
        if let Some(count) = counts.get_mut(from) {
            *count -= 1;
        }
        plan.moves.push(Move { slot, from, to });
    }
    plan
}

fn add(added: &mut Vec<(usize, Vec<(u16, u16)>)>, shard: usize, slot: u16) {
    let position = added.iter().position(|(known, _)| *known == shard);
    let ranges = match position.and_then(|position| added.get_mut(position)) {
        Some((_, ranges)) => ranges,
        None => {
            added.push((shard, vec![(slot, slot)]));
            return;
        }
    };
    match ranges.last_mut() {
        Some((_, last)) if last.checked_add(1) == Some(slot) => *last = slot,
        _ => ranges.push((slot, slot)),
    }
}

/// The slot of a key: CRC16 (XMODEM) of it, or of its hash tag, which stands between the first braces if it is not empty.
pub fn of(key: &[u8]) -> usize {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    };
    let crc = tag().unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    });
    usize::from(crc) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    #[test]
    fn a_new_cluster_has_one_range_in_each_shard() {
        let plan = plan(&vec![None; SLOTS], 3);
        expect!["Plan { added: [(0, [(0, 5461)]), (1, [(5462, 10922)]), (2, [(10923, 16383)])], moves: [] }"]
            .assert_eq(&format!("{plan:?}"));
    }

    #[test]
    fn slots_of_keys_are_those_that_servers_compute() {
        // `CLUSTER KEYSLOT` shows these.
        assert_eq!(
            [of(b"123456789"), of(b"foo"), of(b"{foo}bar"), of(b"a{foo}{x}"), of(b"")],
            [12739, 12182, 12182, 12182, 0]
        );
        assert_eq!(of(b"{}foo"), of(b"{}foo") % SLOTS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn afterwards_every_slot_has_a_staying_owner_and_nothing_moved_in_vain(
            owners in prop::collection::vec(prop::option::of(0_usize..5), 1..300),
            staying in 1_usize..6,
        ) {
            let plan = plan(&owners, staying);
            let mut after = owners.clone();
            for (shard, ranges) in &plan.added {
                for slot in ranges.iter().flat_map(|(first, last)| *first..=*last) {
                    prop_assert_eq!(after[usize::from(slot)], None);
                    after[usize::from(slot)] = Some(*shard);
                }
            }
            for Move { slot, from, to } in &plan.moves {
                prop_assert_eq!(after[usize::from(*slot)], Some(*from));
                after[usize::from(*slot)] = Some(*to);
            }
            let count = |shard| after.iter().filter(|owner| **owner == Some(shard)).count();
            let counts: Vec<usize> = (0..staying).map(count).collect();
            prop_assert_eq!(counts.iter().sum::<usize>(), owners.len());
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
            // Again, nothing is left to do.
            prop_assert_eq!(super::plan(&after, staying), Plan::default());
        }
    }
}

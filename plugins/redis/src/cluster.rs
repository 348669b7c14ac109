//! The nodes of a cluster: that they know each other, that every slot has an owner, that replicas replicate.
//!
//! Everything is read from the nodes themselves on each step ([`form`]), so a node that was restarted at another
//! address, a slot that was left half moved and a node that lost its data are repaired as what has never been there is made.

use std::time::{Duration, Instant};

use floci_az_sdk::{Command, Fault, Reply, Value};

use crate::access::ADMINISTRATOR;
use crate::administration::{Administration, pairs, refused, text};
use crate::nodes::{Place, Role};
use crate::slots::{self, Move, SLOTS};

/// Nodes get to know each other in some hundred milliseconds.
const GOSSIP: Duration = Duration::from_millis(50);
/// For moving data in one step; the rest of the cache waits for it.
const BUDGET: Duration = Duration::from_secs(10);
/// Slots whose state is changed in one connection.
const BATCH: usize = 500;
/// Keys that are moved by one command.
const KEYS: &str = "100";
/// Milliseconds without an answer of the other node.
const TIMEOUT: &str = "5000";
/// Keys as hexadecimal: replies of arrays are texts, and a key may be any bytes.
const KEYS_IN_SLOT: &str = "local keys = redis.call('CLUSTER', 'GETKEYSINSLOT', ARGV[1], ARGV[2]) \
    for i, key in ipairs(keys) do keys[i] = (key:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end \
    return keys";

/// A node that runs.
#[derive(Clone)]
pub struct Member<'a> {
    pub administration: Administration<'a>,
    pub place: &'a Place,
    /// Where other nodes reach it.
    pub host: String,
    /// For commands.
    pub port: u16,
    /// What it is announced as.
    pub public: u16,
    pub bus: u16,
}

/// How far a cluster has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formed {
    /// Every slot is where it should be; nodes that are leaving have none.
    Whole,
    Not(Duration, String),
}

fn not(why: impl Into<String>) -> Formed {
    Formed::Not(GOSSIP, why.into())
}

/// A node, and what it says of the cluster.
struct Seen<'m, 'a> {
    member: &'m Member<'a>,
    id: String,
    nodes: Vec<Entry>,
    is_ok: bool,
}

/// A line of `CLUSTER NODES`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: String,
    /// `ip:port`
    address: String,
    flags: Vec<String>,
    primary: Option<String>,
    is_connected: bool,
    slots: Vec<(u16, u16)>,
    /// Slots on their way, and where to.
    migrating: Vec<(u16, String)>,
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let mut words = line.split(' ');
        let (id, address, flags) = (words.next()?, words.next()?, words.next()?);
        let (primary, mut words) = (words.next()?, words.skip(3));
        let is_connected = words.next()? == "connected";
        let (mut slots, mut migrating) = (Vec::new(), Vec::new());
        for word in words {
            if let Some((slot, to)) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')?.split_once("->-"))
            {
                migrating.push((slot.parse().ok()?, to.to_owned()));
            } else if !word.starts_with('[') {
                let (first, last) = word.split_once('-').unwrap_or((word, word));
                slots.push((first.parse().ok()?, last.parse().ok()?));
            }
        }
        Some(Entry {
            id: id.to_owned(),
            address: address.split(['@', ',']).next().unwrap_or_default().to_owned(),
            flags: flags.split(',').map(str::to_owned).collect(),
            primary: (primary != "-").then(|| primary.to_owned()),
            is_connected,
            slots,
            migrating,
        })
    }

    fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}

impl Seen<'_, '_> {
    fn own(&self) -> Option<&Entry> {
        self.nodes.iter().find(|entry| entry.is("myself"))
    }

    fn entry(&self, id: &str) -> Option<&Entry> {
        self.nodes.iter().find(|entry| entry.id == id && !entry.is("handshake"))
    }

    fn run(&self, commands: &[Command]) -> Result<Vec<Reply>, Fault> {
        self.member.administration.run(commands)
    }

    fn is_primary(&self) -> bool {
        self.member.place.role == Role::Primary
    }
}

fn look<'m, 'a>(member: &'m Member<'a>) -> Result<Seen<'m, 'a>, Fault> {
    let commands = [["CLUSTER", "MYID"], ["CLUSTER", "NODES"], ["CLUSTER", "INFO"]].map(Command::new);
    let replies = member.administration.run(&commands)?;
    if let Some(error) = replies.iter().find_map(Reply::error) {
        return Err(refused("CLUSTER NODES", error));
    }
    let words: Vec<String> = replies.iter().map(text).collect();
    let [id, nodes, info] = words.as_slice() else { return Err(refused("CLUSTER NODES", "no reply")) };
    Ok(Seen {
        member,
        id: id.trim().to_owned(),
        nodes: nodes.lines().filter_map(Entry::parse).collect(),
        is_ok: pairs(info).get("cluster_state").is_some_and(|state| state == "ok"),
    })
}

/// One step of making these nodes a cluster. `leaving` are to end without slots.
pub fn form(staying: &[Member<'_>], leaving: &[Member<'_>]) -> Result<Formed, Fault> {
    let seen: Vec<Seen<'_, '_>> = staying.iter().chain(leaving).map(look).collect::<Result<_, _>>()?;
    if let Some(waiting) = acquaint(&seen)? {
        return Ok(waiting);
    }
    forget(&seen)?;
    if let Some(waiting) = distribute(&seen, staying.len())? {
        return Ok(waiting);
    }
    if let Some(waiting) = replicate(&seen)? {
        return Ok(waiting);
    }
    match seen.iter().find(|seen| !seen.is_ok) {
        Some(seen) => Ok(not(format!("the node '{}' does not see the whole cluster yet", seen.member.place.workload))),
        None => Ok(Formed::Whole),
    }
}

/// The first node meets all others; they tell each other of the rest.
fn acquaint(seen: &[Seen<'_, '_>]) -> Result<Option<Formed>, Fault> {
    let Some((first, others)) = seen.split_first() else { return Ok(None) };
    let is_known = |other: &Seen<'_, '_>| {
        let address = format!("{}:{}", other.member.host, other.member.public);
        first.entry(&other.id).is_some_and(|entry| entry.is_connected && entry.address == address)
    };
    let strangers: Vec<Command> = others
        .iter()
        .filter(|other| !is_known(other))
        .map(|Seen { member, .. }| {
            let [port, bus] = [member.public, member.bus].map(|port| port.to_string());
            Command::new(["CLUSTER", "MEET", &member.host, &port, &bus])
        })
        .collect();
    if !strangers.is_empty() {
        let replies = first.run(&strangers)?;
        if let Some(error) = replies.iter().find_map(Reply::error) {
            return Err(refused("CLUSTER MEET", error));
        }
        return Ok(Some(not("the nodes of the cluster get to know each other")));
    }
    let all_known = seen.iter().all(|one| seen.iter().all(|other| one.entry(&other.id).is_some()));
    Ok((!all_known).then(|| not("the nodes of the cluster tell each other of the others")))
}

/// Nodes that are no more. What is refused (a replica's own primary) is tried again when that has changed.
fn forget(seen: &[Seen<'_, '_>]) -> Result<(), Fault> {
    for one in seen {
        let gone =
            one.nodes.iter().filter(|entry| !entry.is("handshake") && !seen.iter().any(|other| other.id == entry.id));
        let commands: Vec<Command> = gone.map(|entry| Command::new(["CLUSTER", "FORGET", &entry.id])).collect();
        if !commands.is_empty() {
            one.run(&commands)?;
        }
    }
    Ok(())
}

/// Gives every slot to a shard, and every shard its part of them.
fn distribute(seen: &[Seen<'_, '_>], staying: usize) -> Result<Option<Formed>, Fault> {
    let (keeping, losing) = seen.split_at(staying.min(seen.len()));
    let keeping: Vec<&Seen<'_, '_>> = keeping.iter().filter(|seen| seen.is_primary()).collect();
    let primaries: Vec<&Seen<'_, '_>> =
        keeping.iter().copied().chain(losing.iter().filter(|seen| seen.is_primary())).collect();
    let mut owners: Vec<Option<usize>> = vec![None; SLOTS];
    for (number, primary) in primaries.iter().enumerate() {
        for (first, last) in primary.own().map(|own| own.slots.clone()).unwrap_or_default() {
            for owner in owners.iter_mut().take(usize::from(last) + 1).skip(usize::from(first)) {
                *owner = Some(number);
            }
        }
    }
    // What was begun is ended first: the keys of such a slot are in two places.
    let begun = primaries.iter().enumerate().flat_map(|(from, primary)| {
        let migrating = primary.own().map(|own| own.migrating.clone()).unwrap_or_default();
        let number = |id: &str| primaries.iter().position(|other| other.id == id);
        migrating.into_iter().filter_map(move |(slot, to)| Some(Move { slot, from, to: number(&to)? }))
    });
    let begun: Vec<Move> = begun.collect();
    let plan = slots::plan(&owners, keeping.len());
    if !plan.added.is_empty() {
        for (number, ranges) in plan.added {
            let Some(primary) = primaries.get(number) else { continue };
            let ranges = ranges.iter().flat_map(|(first, last)| [first.to_string(), last.to_string()]);
            let words = ["CLUSTER", "ADDSLOTSRANGE"].map(str::to_owned).into_iter().chain(ranges);
            if let Some(error) = primary.run(&[Command::new(words)])?.first().and_then(Reply::error) {
                return Ok(Some(not(format!("slots are not free yet: {error}"))));
            }
        }
        return Ok(Some(not("the slots of the cluster are given to its shards")));
    }
    let moves = if begun.is_empty() { plan.moves } else { begun };
    let Some(first) = moves.first().cloned() else { return Ok(None) };
    // One pair of nodes at a time, so that each connection carries many slots.
    let together = moves.iter().filter(|one| (one.from, one.to) == (first.from, first.to)).take(BATCH);
    let (Some(from), Some(to)) = (primaries.get(first.from), primaries.get(first.to)) else { return Ok(None) };
    // A node that does not see the whole cluster takes no keys.
    if let Some(blind) = [from, to].into_iter().find(|seen| !seen.is_ok) {
        return Ok(Some(not(format!("the node '{}' does not see the whole cluster yet", blind.member.place.workload))));
    }
    match relocate(&together.map(|one| one.slot).collect::<Vec<_>>(), from, to, &primaries) {
        Err(fault) if fault.message.contains("CLUSTERDOWN") => return Ok(Some(not(fault.message))),
        outcome => outcome?,
    }
    Ok(Some(Formed::Not(Duration::ZERO, format!("{} slots of the cluster are still to be moved", moves.len()))))
}

/// Moves slots with their keys. Clients are redirected meanwhile, key by key. What is not done within the budget is found
/// by the next step.
fn relocate(slots: &[u16], from: &Seen<'_, '_>, to: &Seen<'_, '_>, all: &[&Seen<'_, '_>]) -> Result<(), Fault> {
    let each = |words: &dyn Fn(&str) -> Vec<String>| -> Vec<Command> {
        slots.iter().map(|slot| Command::new(words(&slot.to_string()))).collect()
    };
    let set = |slot: &str, state: &str, id: &str| ["CLUSTER", "SETSLOT", slot, state, id].map(str::to_owned).to_vec();
    all_taken("CLUSTER SETSLOT IMPORTING", &to.run(&each(&|slot| set(slot, "IMPORTING", &from.id)))?)?;
    all_taken("CLUSTER SETSLOT MIGRATING", &from.run(&each(&|slot| set(slot, "MIGRATING", &to.id)))?)?;
    let count = each(&|slot| ["CLUSTER", "COUNTKEYSINSLOT", slot].map(str::to_owned).to_vec());
    let counts = from.run(&count)?;
    let until = Instant::now() + BUDGET;
    let mut empty = Vec::new();
    for (slot, count) in slots.iter().zip(counts) {
        if count == Reply::Integer(0) || move_keys(*slot, from, to, until)? {
            empty.push(*slot);
        }
    }
    let owned = |id: &str| -> Vec<Command> {
        empty.iter().map(|slot| Command::new(set(&slot.to_string(), "NODE", id))).collect()
    };
    if empty.is_empty() {
        return Ok(());
    }
    // The new owner first: were it the old one, a crash in between would leave slots that nobody has.
    all_taken("CLUSTER SETSLOT NODE", &to.run(&owned(&to.id))?)?;
    all_taken("CLUSTER SETSLOT NODE", &from.run(&owned(&to.id))?)?;
    for other in all.iter().filter(|other| other.id != to.id && other.id != from.id) {
        other.run(&owned(&to.id))?;
    }
    Ok(())
}

/// Whether nothing is left of the slot.
fn move_keys(slot: u16, from: &Seen<'_, '_>, to: &Seen<'_, '_>, until: Instant) -> Result<bool, Fault> {
    while Instant::now() < until {
        let list = Command::new(["EVAL", KEYS_IN_SLOT, "0", &slot.to_string(), KEYS]);
        let keys = hexadecimal(&from.member.administration.one(&list)?);
        if keys.is_empty() {
            return Ok(true);
        }
        // A command that ran out of time may have left a key on both: this node's is the one that clients wrote to.
        migrate(&from.member.administration, (&to.member.host, to.member.port), 0, &keys, &["REPLACE"])?;
    }
    Ok(false)
}

/// Has a server send keys to another one of the same cache.
pub fn migrate(
    from: &Administration<'_>,
    (host, port): (&str, u16),
    database: u32,
    keys: &[Vec<u8>],
    options: &[&str],
) -> Result<(), Fault> {
    let (port, database) = (port.to_string(), database.to_string());
    // The database of the other one stands in the command, that of this one is the connection's.
    let select = Command::new(["SELECT", &database]);
    let words = ["MIGRATE", host, &port, "", &database, TIMEOUT].into_iter().chain(options.iter().copied()).chain([
        "AUTH2",
        ADMINISTRATOR,
        from.password,
        "KEYS",
    ]);
    let words = words.map(|word| word.as_bytes().to_vec()).chain(keys.iter().cloned());
    match from.run(&[select, Command::new(words)])?.iter().find_map(Reply::error) {
        Some(error) => Err(refused("MIGRATE", error)),
        None => Ok(()),
    }
}

/// The keys in a reply of a script.
pub fn hexadecimal(reply: &Reply) -> Vec<Vec<u8>> {
    let Reply::Aggregate(Value::Array(texts)) = reply else { return Vec::new() };
    texts.iter().filter_map(Value::as_str).filter_map(bytes).collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn all_taken(what: &str, replies: &[Reply]) -> Result<(), Fault> {
    // The owner knows already, and the others will: gossip is faster than this step.
    let late = |error: &str| error.contains("already the owner") || error.contains("not the owner");
    match replies.iter().filter_map(Reply::error).find(|error| !late(error)) {
        Some(error) => Err(refused(what, error)),
        None => Ok(()),
    }
}

/// Each replica replicates the primary of its shard.
fn replicate(seen: &[Seen<'_, '_>]) -> Result<Option<Formed>, Fault> {
    let mut waiting = None;
    for replica in seen.iter().filter(|seen| !seen.is_primary()) {
        let place = replica.member.place;
        let Some(primary) = seen.iter().find(|other| other.is_primary() && other.member.place.shard == place.shard)
        else {
            continue;
        };
        if replica.own().and_then(|own| own.primary.as_ref()) != Some(&primary.id) {
            let order = Command::new(["CLUSTER", "REPLICATE", &primary.id]);
            let reply = replica.run(&[order])?;
            let why = reply.first().and_then(Reply::error).unwrap_or("it has just been told to");
            waiting = Some(not(format!("'{}' does not replicate its primary yet: {why}", place.workload)));
            continue;
        }
        let info = replica.member.administration.info("replication")?;
        if info.get("master_link_status").map(String::as_str) != Some("up") {
            waiting = Some(not(format!("'{}' does not have the data of its primary yet", place.workload)));
        }
    }
    Ok(waiting)
}

/// Who owns a slot: the number among `primaries`, by what each says of itself.
pub fn owners(primaries: &[Member<'_>]) -> Result<Vec<Option<usize>>, Fault> {
    let mut owners = vec![None; SLOTS];
    for (number, primary) in primaries.iter().enumerate() {
        let seen = look(primary)?;
        for (first, last) in seen.own().map(|own| own.slots.clone()).unwrap_or_default() {
            for owner in owners.iter_mut().take(usize::from(last) + 1).skip(usize::from(first)) {
                *owner = Some(number);
            }
        }
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_line_of_cluster_nodes_is_read() {
        let lines = [
            "07c3 10.0.0.2:13004@16379,localhost,shard-id=6ca1 myself,slave e7d1 0 1426238317239 4 connected",
            "67ed 127.0.0.1:13002@31002 master - 0 1426238316232 2 disconnected 5461-10922 7 [93->-292f] [77-<-e7d1]",
            "292f :0@0 master,noaddr,handshake - 1 1 0 connected",
        ];
        let entries: Vec<Option<Entry>> = lines.into_iter().map(Entry::parse).collect();
        expect![[r#"
            [Some(Entry { id: "07c3", address: "10.0.0.2:13004", flags: ["myself", "slave"], primary: Some("e7d1"), is_connected: true, slots: [], migrating: [] }), Some(Entry { id: "67ed", address: "127.0.0.1:13002", flags: ["master"], primary: None, is_connected: false, slots: [(5461, 10922), (7, 7)], migrating: [(93, "292f")] }), Some(Entry { id: "292f", address: ":0", flags: ["master", "noaddr", "handshake"], primary: None, is_connected: true, slots: [], migrating: [] })]
        "#]]
        .assert_eq(&format!("{entries:?}\n"));
        assert_eq!(Entry::parse("garbage"), None);
    }

    #[test]
    fn keys_of_any_bytes_come_back_from_a_script() {
        let reply = Reply::Aggregate(floci_az_sdk::json!(["00ff", "6b6579", ""]));
        assert_eq!(hexadecimal(&reply), [vec![0, 255], b"key".to_vec(), Vec::new()]);
    }
}

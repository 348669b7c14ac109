//! The settings by which an operator allows a plugin what it asks for: five switches, and bounds for what they allow.
//!
//! All are optional, and not set is no refusal: it is what is so by default. A switch that is `false` refuses.

use floci_az_contract::{Kind, Setting};

pub(super) const IMAGES: &str = "grants.images";
pub(super) const PROGRAMS: &str = "grants.programs";
pub(super) const COUNT: &str = "grants.count";
pub(super) const MEMORY: &str = "grants.memory";
pub(super) const PORT_RANGES: &str = "grants.port-ranges";

/// Not set is what the plugin of the gateway's own binary asks for, and nothing for any other.
const BY_DEFAULT: &str = "Not set: only the plugin that is part of the gateway may.";

/// They are every service's.
pub(in crate::plugin) fn declarations() -> Vec<Setting> {
    let switch = |key: &str, effect: &str, trade_off: &str| {
        let effect = format!("{effect} true allows what its manifest asks for. {BY_DEFAULT}");
        declared(key, Kind::Boolean, &effect, trade_off, "true")
    };
    vec![
        switch(
            "grants.workloads",
            "Whether the plugin may run containers and programs.",
            "Programs of the process runtime run as the gateway's user, with all that this user may do. A later version \
             of the plugin may ask for more; the four bounds below keep it to what you name.",
        ),
        declared(
            IMAGES,
            Kind::Patterns,
            "The images that the plugin's containers may have, in place of those that it asks for. A * at the end \
             stands for anything.",
            "An image that is not among them is refused, and the resources that need it end as Failed.",
            "contoso/widget:*",
        ),
        declared(
            PROGRAMS,
            Kind::Patterns,
            "The programs that the plugin's workloads may run, in place of those that it asks for.",
            "A program gets the arguments and the environment that the plugin chooses: an interpreter is anything.",
            "widget-server,widget-worker",
        ),
        declared(
            COUNT,
            Kind::Count,
            "The most workloads of the plugin at once, in place of what it asks for.",
            "The resources beyond it end as Failed. It costs a look at the runtime for each workload that is new.",
            "20",
        ),
        declared(
            MEMORY,
            Kind::Size,
            "The most memory of one workload, in place of what the plugin asks for. A workload without a bound of its \
             own is refused then.",
            "Containers are held to it; programs of the process runtime are not.",
            "1gb",
        ),
        switch(
            "grants.ports",
            "Whether the plugin may have ports of this machine.",
            "Whoever reaches the machine reaches what listens there.",
        ),
        declared(
            PORT_RANGES,
            Kind::Ports,
            "The ports that the plugin may have, in place of those that it asks for.",
            "A range that reaches beyond them is refused as a whole. A port that a resource has stays its own.",
            "6379-6399,13000-13999",
        ),
        switch(
            "grants.resp",
            "Whether the plugin may send commands over RESP to its own workloads.",
            "It can do with their data whatever their credentials allow.",
        ),
        switch(
            "grants.ingress",
            "Whether the plugin may publish its workloads over TLS, and have the gateway listen on its shared ports.",
            "Clients are served a certificate of the gateway for names that the plugin chooses.",
        ),
        switch(
            "grants.transfers",
            "Whether the plugin may send and fetch files: to and from URLs, and below transfers.folder.",
            "Its workloads' data can reach any server that this machine reaches.",
        ),
    ]
}

fn declared(key: &str, kind: Kind, effect: &str, trade_off: &str, example: &str) -> Setting {
    Setting {
        key: key.to_owned(),
        kind,
        default: String::new(),
        effect: effect.to_owned(),
        trade_off: trade_off.to_owned(),
        example: format!("{key}: {example}"),
    }
}

//! How clients next to the gateway reach a container.
//!
//! A gateway on the machine itself uses the published ports. One that is a container has another `localhost`, so its
//! workloads join its network. On a network of the user's the engine resolves their names; on the engine's default
//! one it does not, and the address is used, which is another after each start.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use floci_az_contract::PortSpec;

use super::super::RuntimeError;
use super::container::Found;
use super::engine::Engine;

/// What a container finds in its root that Docker or Podman started.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

#[derive(Debug, PartialEq, Eq)]
pub enum Reach {
    Localhost,
    /// A network of the user's, by name.
    Network(String),
    Bridge,
}

impl Reach {
    pub async fn discover(engine: &Engine) -> Result<Reach, RuntimeError> {
        for own in own_names() {
            let Some(container) = engine.inspect(&own).await? else { continue };
            let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
            let mut names: Vec<String> = networks.into_keys().collect();
            names.sort();
            return Ok(Reach::among(names));
        }
        Ok(Reach::Localhost)
    }

    fn among(networks: Vec<String>) -> Reach {
        let of_the_user = |name: &String| !["bridge", "host", "none"].contains(&name.as_str());
        if networks.iter().any(|name| name == "host") {
            return Reach::Localhost;
        }
        networks.into_iter().find(of_the_user).map_or(Reach::Bridge, Reach::Network)
    }

    /// The network that a workload is attached to; none for the engine's default.
    pub fn network(&self) -> Option<String> {
        match self {
            Reach::Network(name) => Some(name.clone()),
            Reach::Localhost | Reach::Bridge => None,
        }
    }

    /// Host and ports of the container `name`.
    pub fn of(
        &self,
        name: &str,
        ports: &BTreeMap<String, PortSpec>,
        found: Option<&Found>,
    ) -> (String, BTreeMap<String, u16>) {
        let by_name =
            |pick: fn(&PortSpec) -> u16| ports.iter().map(|(name, port)| (name.clone(), pick(port))).collect();
        match self {
            Reach::Localhost => ("localhost".to_owned(), by_name(|port| port.outside)),
            Reach::Network(_) => (name.to_owned(), by_name(|port| port.inside)),
            // Without an address it does not run, and cannot be reached at any.
            Reach::Bridge => (
                found.and_then(|found| found.address.clone()).unwrap_or_else(|| name.to_owned()),
                by_name(|port| port.inside),
            ),
        }
    }
}

/// Names that may be this container's, if this is one. Only the engine knows: machines are made from images, too, and
/// carry the mark of a container.
fn own_names() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_marked = MARKS.iter().any(|mark| Path::new(mark).exists());
    let hostname = if is_marked { fs::read_to_string("/etc/hostname").unwrap_or_default() } else { String::new() };
    // Parts of a URL from here on.
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    [mounted_id(&mounts), Some(hostname.trim())].into_iter().flatten().filter(is_name).map(str::to_owned).collect()
}

/// Docker mounts `…/containers/<id>/hostname` over `/etc/hostname`. Fields 4 and 5 of a line are what is mounted and where
/// (proc(5)).
fn mounted_id(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (what, place) = (fields.next()?, fields.next()?);
        let folder = what.strip_suffix("/hostname").filter(|_| place == "/etc/hostname")?;
        folder.contains("/containers/").then_some(folder.rsplit('/').next()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_network_is_taken_before_the_default_one() {
        let check = |networks: &[&str], expected| {
            assert_eq!(Reach::among(networks.iter().map(|&name| name.to_owned()).collect()), expected)
        };
        check(&["bridge", "compose_default"], Reach::Network("compose_default".to_owned()));
        check(&["bridge"], Reach::Bridge);
        check(&["host"], Reach::Localhost);
        check(&[], Reach::Bridge);
    }

    #[test]
    fn a_container_finds_its_id_in_its_mounts() {
        let line =
            "629 612 254:1 /var/lib/docker/containers/0a1b/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw";
        assert_eq!(mounted_id(&format!("1 2 3 / / rw\n{line}\n")), Some("0a1b"));
        // The engine on a machine, while it copies files into a container.
        let other = "630 612 254:1 /var/lib/docker/containers/0a1b/hostname /var/lib/docker/overlay2/2c/merged/etc/hostname rw - ext4 /dev/vda1 rw";
        assert_eq!(mounted_id(&format!("1 2 3 / / rw\n{other}\n")), None);
    }
}

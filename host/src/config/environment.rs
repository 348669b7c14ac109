//! The variables that are settings: those that begin with `FLOCI_AZ_`.

use std::ffi::OsString;

use super::declared::VARIABLE_PREFIX;

/// Variables of the project's own tests and scripts. They are nobody's setting, and a gateway that a test starts
/// inherits them.
const OF_THE_TESTS: &str = "FLOCI_AZ_TEST_";

/// Names the program that `floci-az az` starts. It belongs to the shell, not to the gateway.
const OF_AZ: &str = "FLOCI_AZ_AZ";

/// What `floci-az plugin` proves its right with. It belongs to the shell, too.
const OF_PLUGIN: &str = "FLOCI_AZ_ADMIN_TOKEN";

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variable {
    pub name: String,
    /// None if it is not UTF-8.
    pub value: Option<String>,
}

/// The settings among the variables, by name: an environment has no order of its own.
pub(super) fn settings(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Variable> {
    let named = environment.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let of_the_shell = |name: &str| name.starts_with(OF_THE_TESTS) || [OF_AZ, OF_PLUGIN].contains(&name);
    let ours = named.filter(|(name, _)| name.starts_with(VARIABLE_PREFIX) && !of_the_shell(name));
    let mut variables: Vec<Variable> =
        ours.map(|(name, value)| Variable { name, value: value.into_string().ok() }).collect();
    variables.sort();
    variables
}

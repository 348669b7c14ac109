//! Regions: compared without regard to case and spaces, shown by their display names.

use floci_az_contract::ResourceType;

/// Display names of Azure's public regions; `eastus` is `East US` in lower case without spaces.
const REGIONS: &[&str] = &[
    "Australia Central",
    "Australia Central 2",
    "Australia East",
    "Australia Southeast",
    "Austria East",
    "Belgium Central",
    "Brazil South",
    "Brazil Southeast",
    "Canada Central",
    "Canada East",
    "Central India",
    "Central US",
    "Chile Central",
    "East Asia",
    "East US",
    "East US 2",
    "France Central",
    "France South",
    "Germany North",
    "Germany West Central",
    "Indonesia Central",
    "Israel Central",
    "Italy North",
    "Japan East",
    "Japan West",
    "Jio India Central",
    "Jio India West",
    "Korea Central",
    "Korea South",
    "Malaysia West",
    "Mexico Central",
    "New Zealand North",
    "North Central US",
    "North Europe",
    "Norway East",
    "Norway West",
    "Poland Central",
    "Qatar Central",
    "South Africa North",
    "South Africa West",
    "South Central US",
    "South India",
    "Southeast Asia",
    "Spain Central",
    "Sweden Central",
    "Sweden South",
    "Switzerland North",
    "Switzerland West",
    "UAE Central",
    "UAE North",
    "UK South",
    "UK West",
    "West Central US",
    "West Europe",
    "West India",
    "West US",
    "West US 2",
    "West US 3",
];

/// The location of what has none, and no parent either.
pub const NOWHERE: &str = "Global";

/// What two spellings of one region have in common: `eastus`.
pub fn normalised(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Azure's public regions, by the names that clients write: `eastus`.
pub fn regions() -> impl Iterator<Item = String> {
    REGIONS.iter().map(|region| normalised(region))
}

/// The regions that a type is offered in.
pub fn of_type(kind: &ResourceType) -> Vec<&str> {
    match kind.locations.as_slice() {
        [] => REGIONS.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    }
}

/// The display name among `offered` that `asked` means.
pub fn display_name<'a>(asked: &str, offered: &[&'a str]) -> Option<&'a str> {
    let asked = normalised(asked);
    offered.iter().copied().find(|region| normalised(region) == asked)
}

/// The display name of any region.
pub fn any(asked: &str) -> Option<&'static str> {
    display_name(asked, REGIONS)
}

/// All regions, as an error lists them.
pub fn all() -> &'static [&'static str] {
    REGIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_region_are_one_region() {
        for spelling in ["eastus", "East US", "EASTUS", " east us ", "East Us"] {
            assert_eq!(any(spelling), Some("East US"), "{spelling}");
        }
        assert_eq!(any("eastus2"), Some("East US 2"));
        assert_eq!(any("atlantis"), None);
    }
}

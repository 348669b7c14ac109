//! Resource ids: `/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}[/{type}/{name}]...`
//!
//! Parsed once, at the edge. Equality ignores case, as ARM's does; `Display` keeps the casing.

use std::fmt;
use std::str::FromStr;

/// The id of a resource in a resource group.
#[derive(Debug, Clone)]
pub struct ResourceId {
    subscription: String,
    group: String,
    namespace: String,
    /// (type, name) of all but the last, outermost first.
    parents: Vec<(String, String)>,
    kind: String,
    name: String,
}

/// Why a text is not a resource id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId(String);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a resource id: expected \
             /subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{{namespace}}/{{type}}/{{name}}",
            self.0
        )
    }
}

impl std::error::Error for InvalidId {}

impl ResourceId {
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The resource group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The provider namespace: `Microsoft.Cache`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The last name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Namespace and types: `Microsoft.Cache/Redis/firewallRules`.
    pub fn resource_type(&self) -> String {
        let outer = self.parents.iter().map(|(kind, _)| kind.as_str());
        let words: Vec<&str> = [self.namespace.as_str()].into_iter().chain(outer).chain([self.kind.as_str()]).collect();
        words.join("/")
    }

    /// (type, name), outermost first: `[("Redis", "a"), ("firewallRules", "office")]`.
    pub fn path(&self) -> impl Iterator<Item = (&str, &str)> {
        let outer = self.parents.iter().map(|(kind, name)| (kind.as_str(), name.as_str()));
        outer.chain([(self.kind.as_str(), self.name.as_str())])
    }

    /// The resource that this one is a child of; none if it is directly in its group.
    pub fn parent(&self) -> Option<ResourceId> {
        let ((kind, name), outer) = self.parents.split_last()?;
        Some(ResourceId { parents: outer.to_vec(), kind: kind.clone(), name: name.clone(), ..self.clone() })
    }

    /// The id of a child. Fails if type or name is empty or holds a slash.
    pub fn child(&self, kind: &str, name: &str) -> Result<ResourceId, InvalidId> {
        format!("{self}/{kind}/{name}").parse().and_then(|id: ResourceId| match id.parents.len() {
            depth if depth == self.parents.len() + 1 => Ok(id),
            _ => Err(InvalidId(id.to_string())),
        })
    }
}

impl FromStr for ResourceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<ResourceId, InvalidId> {
        let invalid = || InvalidId(text.to_owned());
        let segments: Vec<&str> = text.split('/').collect();
        let [root, subscriptions, subscription, groups, group, providers, namespace, path @ ..] = segments.as_slice()
        else {
            return Err(invalid());
        };
        let words = root.is_empty()
            && subscriptions.eq_ignore_ascii_case("subscriptions")
            && groups.eq_ignore_ascii_case("resourceGroups")
            && providers.eq_ignore_ascii_case("providers");
        let (pairs, odd) = path.as_chunks::<2>();
        let filled = segments.iter().skip(1).all(|segment| !segment.is_empty());
        let Some(([kind, name], parents)) = pairs.split_last().filter(|_| words && filled && odd.is_empty()) else {
            return Err(invalid());
        };
        Ok(ResourceId {
            subscription: (*subscription).to_owned(),
            group: (*group).to_owned(),
            namespace: (*namespace).to_owned(),
            parents: parents.iter().map(|[kind, name]| ((*kind).to_owned(), (*name).to_owned())).collect(),
            kind: (*kind).to_owned(),
            name: (*name).to_owned(),
        })
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResourceId { subscription, group, namespace, .. } = self;
        write!(f, "/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}")?;
        self.path().try_for_each(|(kind, name)| write!(f, "/{kind}/{name}"))
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &ResourceId) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }
}

impl Eq for ResourceId {}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let shown = match text.parse::<ResourceId>() {
            Ok(id) => format!("{} | {} | {:?}", id.resource_type(), id.name(), id.parent().map(|id| id.to_string())),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn an_id_is_parsed_into_its_parts() {
        check(
            "/subscriptions/s/resourcegroups/g/providers/Microsoft.Cache/Redis/a",
            expect!["Microsoft.Cache/Redis | a | None"],
        );
        check(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/firewallRules/b",
            expect![[
                r#"Microsoft.Cache/Redis/firewallRules | b | Some("/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a")"#
            ]],
        );
        check(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis",
            expect![
                "'/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis' is not a resource id: expected /subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{type}/{name}"
            ],
        );
    }

    #[test]
    fn ids_compare_without_regard_to_case() {
        let id = |text: &str| text.parse::<ResourceId>().unwrap();
        let cache = id("/subscriptions/S/resourceGroups/G/providers/microsoft.cache/redis/A");
        assert_eq!(cache, id("/SUBSCRIPTIONS/s/RESOURCEGROUPS/g/providers/Microsoft.Cache/Redis/a"));
        let rule = cache.child("firewallRules", "office").unwrap();
        assert_eq!(rule.parent(), Some(cache.clone()));
        assert!(cache.child("firewallRules", "").is_err());
        assert!(cache.child("firewallRules", "a/b/c").is_err());
    }
}

//! Resource ids: `/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}[/{type}/{name}]...`
//!
//! ARM compares ids without regard to case, shows namespace and types in their canonical casing, and names as the user
//! last wrote them. So an id has two forms: [`ResourceId`] is what is shown, [`Key`] is what is compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is compared: the id in lower case. Sorted, the resources of a group are neighbours, and so are a resource's children.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What any text that is compared without regard to case is compared by.
    pub(super) fn folded(id: &str) -> Key {
        Key(id.to_lowercase())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subscription, or a resource group in it: what a list is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub subscription: String,
    pub group: Option<String>,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/subscriptions/{}", self.subscription)?;
        match &self.group {
            Some(group) => write!(f, "/resourceGroups/{group}"),
            None => Ok(()),
        }
    }
}

impl Scope {
    /// What scopes are compared by.
    pub fn key(&self) -> Key {
        Key::folded(&self.to_string())
    }
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceId {
    pub subscription: String,
    pub group: String,
    /// `Microsoft.Cache`
    pub namespace: String,
    /// (type, name), outermost first; never empty.
    path: Vec<(String, String)>,
}

/// Why a text is not a resource id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a resource id: expected /subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{{namespace}}/{{type}}/{{name}}"
)]
pub struct InvalidId(String);

impl ResourceId {
    /// An id of a group's resource. None if `path` is empty.
    pub fn new(subscription: &str, group: &str, namespace: &str, path: Vec<(String, String)>) -> Option<ResourceId> {
        if path.is_empty() {
            return None;
        }
        Some(ResourceId { subscription: subscription.into(), group: group.into(), namespace: namespace.into(), path })
    }

    pub fn parse(text: &str) -> Result<ResourceId, InvalidId> {
        let invalid = || InvalidId(text.to_owned());
        let segments: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        let [root, subscriptions, subscription, groups, group, providers, namespace, path @ ..] = segments.as_slice()
        else {
            return Err(invalid());
        };
        let words = root.is_empty()
            && subscriptions.eq_ignore_ascii_case("subscriptions")
            && groups.eq_ignore_ascii_case("resourceGroups")
            && providers.eq_ignore_ascii_case("providers");
        if !words || path.len() % 2 != 0 || segments.iter().skip(1).any(|segment| segment.is_empty()) {
            return Err(invalid());
        }
        let (pairs, _) = path.as_chunks::<2>();
        let path = pairs.iter().map(|[kind, name]| ((*kind).to_owned(), (*name).to_owned())).collect();
        ResourceId::new(subscription, group, namespace, path).ok_or_else(invalid)
    }

    pub fn key(&self) -> Key {
        Key(self.to_string().to_lowercase())
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.path.last().map(|(_, name)| name.as_str()).unwrap_or_default()
    }

    /// All names: `cache/rule`.
    pub fn names(&self) -> String {
        self.path.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("/")
    }

    /// The id of a child of this resource.
    pub fn child(&self, kind: &str, name: &str) -> ResourceId {
        let mut child = self.clone();
        child.path.push((kind.to_owned(), name.to_owned()));
        child
    }

    /// `Redis`, or `Redis/firewallRules` of a child.
    pub fn kind(&self) -> String {
        self.path.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>().join("/")
    }

    /// `Microsoft.Cache/Redis`
    pub fn full_type(&self) -> String {
        format!("{}/{}", self.namespace, self.kind())
    }

    pub fn scope(&self) -> Scope {
        Scope { subscription: self.subscription.clone(), group: Some(self.group.clone()) }
    }

    /// The key of what this resource is a child of; none if it is of a group.
    pub fn parent(&self) -> Option<Key> {
        let (_, outer) = self.path.split_last()?;
        let parent = ResourceId::new(&self.subscription, &self.group, &self.namespace, outer.to_vec())?;
        Some(parent.key())
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/subscriptions/{}/resourceGroups/{}/providers/{}", self.subscription, self.group, self.namespace)?;
        self.path.iter().try_for_each(|(kind, name)| write!(f, "/{kind}/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(text: &str, expected: Expect) {
        let actual = match ResourceId::parse(text) {
            Ok(id) => format!(
                "{id}\n{} named {} under {:?}",
                id.full_type(),
                id.name(),
                id.parent().map(|key| key.to_string())
            ),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&actual);
    }

    #[test]
    fn ids_are_parsed_without_regard_to_case_and_shown_canonically() {
        check(
            "/SUBSCRIPTIONS/S1/resourcegroups/My-RG/Providers/Microsoft.Cache/Redis/A",
            expect![[r#"
                /subscriptions/S1/resourceGroups/My-RG/providers/Microsoft.Cache/Redis/A
                Microsoft.Cache/Redis named A under None"#]],
        );
        check(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/firewallRules/office",
            expect![[r#"
                /subscriptions/s/resourceGroups/g/providers/Microsoft.Cache/Redis/a/firewallRules/office
                Microsoft.Cache/Redis/firewallRules named office under Some("/subscriptions/s/resourcegroups/g/providers/microsoft.cache/redis/a")"#]],
        );
    }

    #[test]
    fn what_is_no_resource_id_is_refused() {
        for text in [
            "",
            "/",
            "redis",
            "/subscriptions/s/resourceGroups/g",
            "/subscriptions/s/resourceGroups/g/providers/n",
            "/subscriptions/s/resourceGroups/g/providers/n/t",
            "/subscriptions//resourceGroups/g/providers/n/t/x",
            "subscriptions/s/resourceGroups/g/providers/n/t/x",
        ] {
            assert!(ResourceId::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_casing_has_one_key(flips in proptest::collection::vec(any::<bool>(), 80)) {
            let id = "/subscriptions/s1/resourceGroups/group/providers/Microsoft.Cache/Redis/name";
            let mixed: String = id.chars().zip(flips.iter().cycle())
                .map(|(c, flip)| if *flip { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
                .collect();
            prop_assert_eq!(ResourceId::parse(&mixed).unwrap().key(), ResourceId::parse(id).unwrap().key());
        }

        #[test]
        fn parsing_never_panics_and_what_is_shown_parses_again(text in "\\PC*") {
            if let Ok(id) = ResourceId::parse(&text) {
                prop_assert_eq!(ResourceId::parse(&id.to_string()).unwrap(), id);
            }
        }
    }
}

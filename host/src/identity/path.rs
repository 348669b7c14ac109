//! Which paths belong to the login.
//!
//! Clients put these together from pieces, so doubled and trailing slashes mean nothing, and neither does the case of
//! the fixed words. A tenant may stand before them; `adfs` before it is what a client adds that was told to speak to
//! AD FS.

/// What a path of the login asks for. A tenant is as it stands in the path; the usual one if none does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    /// The description of this cloud.
    Metadata,
    /// OpenID's discovery document.
    Configuration {
        tenant: &'a str,
    },
    /// Whether an authority is to be trusted, which clients ask before they use one.
    Instance,
    /// The keys that tokens are signed with.
    Keys,
    Token {
        tenant: &'a str,
        version: Version,
    },
    /// A login in a browser, or with a code that is typed into one.
    Interactive,
    /// A virtual machine's managed identity.
    Machine,
    /// A managed identity as App Service hands it to a web app.
    App,
}

/// Of the token endpoint: the first names what the token is for by `resource`, the second by `scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// Segments of the longest path below: `adfs`, a tenant and three words. One more, so that more is seen.
const MOST: usize = 6;
const USUAL: &str = "common";

impl<'a> Endpoint<'a> {
    pub(super) fn of(path: &'a str) -> Option<Endpoint<'a>> {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).take(MOST).collect();
        let words: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // How many segments stand before the fixed words is how many of them may be a tenant.
        let tenant = |before: &[&str]| match before.len() {
            0 => Some(USUAL),
            1 => segments.first().copied(),
            2 if before.first() == Some(&"adfs") => segments.get(1).copied(),
            _ => None,
        };
        match words.as_slice() {
            ["metadata", "endpoints"] => Some(Endpoint::Metadata),
            ["metadata", "identity", "oauth2", "token"] => Some(Endpoint::Machine),
            ["msi", "token"] => Some(Endpoint::App),
            [before @ .., "v2.0", ".well-known", "openid-configuration"]
            | [before @ .., ".well-known", "openid-configuration"] => {
                tenant(before).map(|tenant| Endpoint::Configuration { tenant })
            }
            [before @ .., "discovery", "instance"] => tenant(before).map(|_| Endpoint::Instance),
            [before @ .., "discovery", "v2.0", "keys"] | [before @ .., "discovery", "keys"] => {
                tenant(before).map(|_| Endpoint::Keys)
            }
            [before @ .., "oauth2", "v2.0", "token"] => {
                tenant(before).map(|tenant| Endpoint::Token { tenant, version: Version::V2 })
            }
            [before @ .., "oauth2", "token"] => {
                tenant(before).map(|tenant| Endpoint::Token { tenant, version: Version::V1 })
            }
            [before @ .., "oauth2", "v2.0", "authorize" | "devicecode"]
            | [before @ .., "oauth2", "authorize" | "devicecode"] => tenant(before).map(|_| Endpoint::Interactive),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn slashes_and_case_mean_nothing_and_other_paths_are_not_of_the_login() {
        let paths = [
            "/metadata/endpoints",
            "//Metadata//Endpoints/",
            "/metadata/identity/oauth2/token",
            "/msi/token",
            "/MSI/token/",
            "/T.onmicrosoft.com/v2.0/.well-known/openid-configuration",
            "/t/.well-known/openid-configuration",
            "/adfs/.well-known/openid-configuration",
            "/adfs/adfs/v2.0/.well-known/openid-configuration",
            "/adfs/t/.well-known/openid-configuration",
            "/common/discovery/instance",
            "/t/discovery/v2.0/keys",
            "/discovery/v2.0/keys",
            "/discovery/keys",
            "//t/oauth2/v2.0/token",
            "/t/OAuth2/token",
            "/adfs/oauth2/token",
            "/organizations/oauth2/v2.0/authorize",
            "/t/oauth2/devicecode",
            "/",
            "",
            "/t",
            "/subscriptions",
            "/subscriptions/s/oauth2/token",
            "/subscriptions/s/resourceGroups/g/oauth2/v2.0/token",
            "/a/b/c/d/e/f/oauth2/token",
            "/metadata",
            "/metadata/instance",
        ];
        let lines: Vec<String> = paths.map(|path| format!("{path:?} {:?}", Endpoint::of(path))).into();
        expect![[r#"
            "/metadata/endpoints" Some(Metadata)
            "//Metadata//Endpoints/" Some(Metadata)
            "/metadata/identity/oauth2/token" Some(Machine)
            "/msi/token" Some(App)
            "/MSI/token/" Some(App)
            "/T.onmicrosoft.com/v2.0/.well-known/openid-configuration" Some(Configuration { tenant: "T.onmicrosoft.com" })
            "/t/.well-known/openid-configuration" Some(Configuration { tenant: "t" })
            "/adfs/.well-known/openid-configuration" Some(Configuration { tenant: "adfs" })
            "/adfs/adfs/v2.0/.well-known/openid-configuration" Some(Configuration { tenant: "adfs" })
            "/adfs/t/.well-known/openid-configuration" Some(Configuration { tenant: "t" })
            "/common/discovery/instance" Some(Instance)
            "/t/discovery/v2.0/keys" Some(Keys)
            "/discovery/v2.0/keys" Some(Keys)
            "/discovery/keys" Some(Keys)
            "//t/oauth2/v2.0/token" Some(Token { tenant: "t", version: V2 })
            "/t/OAuth2/token" Some(Token { tenant: "t", version: V1 })
            "/adfs/oauth2/token" Some(Token { tenant: "adfs", version: V1 })
            "/organizations/oauth2/v2.0/authorize" Some(Interactive)
            "/t/oauth2/devicecode" Some(Interactive)
            "/" None
            "" None
            "/t" None
            "/subscriptions" None
            "/subscriptions/s/oauth2/token" None
            "/subscriptions/s/resourceGroups/g/oauth2/v2.0/token" None
            "/a/b/c/d/e/f/oauth2/token" None
            "/metadata" None
            "/metadata/instance" None
        "#]]
        .assert_eq(&(lines.join("\n") + "\n"));
    }
}

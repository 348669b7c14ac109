//! What a token is for, out of the `scope` that was asked for.

use super::refusal::Refusal;

/// Microsoft Graph, which scopes without a resource mean.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const DEFAULT: &str = "/.default";

/// Of a scope for a client by itself, which may have no permissions of a user: `<resource>/.default`.
pub(super) fn of_client(scope: &str) -> Result<&str, Refusal> {
    let mut resources = scope.split_whitespace().map(|one| one.strip_suffix(DEFAULT).filter(|left| !left.is_empty()));
    match (resources.next().flatten(), resources.next()) {
        (Some(resource), None) => Ok(resource),
        (_, Some(Some(_))) => Err(Refusal::several_resources(scope)),
        _ => Err(Refusal::not_a_default_scope(scope)),
    }
}

/// Of a scope for a user. Beside one resource's permissions it may have OpenID's words.
pub(super) fn of_user(scope: &str) -> Result<&str, Refusal> {
    let mut audience = None;
    for resource in scope.split_whitespace().filter_map(resource) {
        match audience {
            Some(before) if before != resource => return Err(Refusal::several_resources(scope)),
            _ => audience = Some(resource),
        }
    }
    Ok(audience.unwrap_or(GRAPH))
}

/// `https://host` of `https://host/user_impersonation`; none for one of OpenID's words.
fn resource(scope: &str) -> Option<&str> {
    match scope.rsplit_once('/') {
        // What comes before the last slash is the resource, which may end with a slash of its own.
        Some((resource, _)) if !resource.is_empty() && !resource.ends_with(":/") => Some(resource),
        Some(_) => Some(scope),
        None if matches!(scope, "openid" | "profile" | "email" | "offline_access") => None,
        None => Some(GRAPH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn line(scope: &str) -> String {
        let told = |audience: Result<&str, Refusal>| match audience {
            Ok(audience) => audience.to_owned(),
            Err(_) => "(refused)".to_owned(),
        };
        format!("{scope:?} client {} user {}\n", told(of_client(scope)), told(of_user(scope)))
    }

    #[test]
    fn a_scope_is_a_resource_and_a_permission() {
        let scopes = [
            "https://localhost:4577/.default",
            "https://localhost:4577//.default",
            "https://management.azure.com/user_impersonation",
            "797f4846-ba00-4fd7-ba43-dac1f8f63013/.default",
            "api://app/Read.All",
            "https://localhost:4577/.default openid profile offline_access",
            "openid profile",
            "User.Read",
            "https://a/.default https://b/.default",
            "https://a/x https://a/y",
            "https://host",
            "/.default",
            "/",
            "",
        ];
        expect![[r#"
            "https://localhost:4577/.default" client https://localhost:4577 user https://localhost:4577
            "https://localhost:4577//.default" client https://localhost:4577/ user https://localhost:4577/
            "https://management.azure.com/user_impersonation" client (refused) user https://management.azure.com
            "797f4846-ba00-4fd7-ba43-dac1f8f63013/.default" client 797f4846-ba00-4fd7-ba43-dac1f8f63013 user 797f4846-ba00-4fd7-ba43-dac1f8f63013
            "api://app/Read.All" client (refused) user api://app
            "https://localhost:4577/.default openid profile offline_access" client (refused) user https://localhost:4577
            "openid profile" client (refused) user 00000003-0000-0000-c000-000000000000
            "User.Read" client (refused) user 00000003-0000-0000-c000-000000000000
            "https://a/.default https://b/.default" client (refused) user (refused)
            "https://a/x https://a/y" client (refused) user https://a
            "https://host" client (refused) user https://host
            "/.default" client (refused) user /.default
            "/" client (refused) user /
            "" client (refused) user 00000003-0000-0000-c000-000000000000
        "#]]
        .assert_eq(&scopes.map(line).concat());
    }
}

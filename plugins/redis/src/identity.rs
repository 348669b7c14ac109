//! Managed identities of a cache. The ids that Azure would give them are made here once, and kept; nothing is done with
//! them.

use floci_az_sdk::prelude::*;
use serde_json::Map;

use crate::member::{Members, shown};

/// In the shape of its document. Ids are missing until [`Identity::issued`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    kind: &'static str,
    /// Of the identity that belongs to the cache alone.
    principal: Option<String>,
    /// By resource id, as it was sent.
    users: Vec<(String, Option<User>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    client: String,
    principal: String,
}

const KINDS: [&str; 4] = ["None", "SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned"];
/// The gateway's usual tenant.
const TENANT: &str = "00000000-0000-0000-0000-000000000002";

impl Identity {
    /// The member `identity` of a body. Ids in it are believed, which they are not worth in what a client sent: see
    /// [`Identity::issued`].
    pub fn read(body: &Members<'_>) -> Result<Option<Identity>, Rejection> {
        let Some(value) = body.get("identity") else { return Ok(None) };
        let Some(identity) = Members::of(value, "identity")? else { return Ok(None) };
        // Some clients leave the blank out.
        let sent = identity.text("type")?.map(|kind| kind.replace(' ', "").to_ascii_lowercase());
        let kind = KINDS.into_iter().find(|kind| Some(kind.replace(' ', "").to_ascii_lowercase()) == sent);
        let kind = kind.ok_or_else(|| identity.invalid("type", &format!("It has to be {}.", KINDS.join(" or "))))?;
        let users = users(&identity)?;
        if kind.contains("UserAssigned") && users.is_empty() {
            let why = "It has to name the identities by their resource ids, such as {\"/subscriptions/...\": {}}.";
            return Err(identity.invalid("userAssignedIdentities", why));
        }
        let text = |name: &str| identity.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Some(Identity {
            kind,
            principal: text("principalId").filter(|_| kind.contains("SystemAssigned")),
            users: if kind.contains("UserAssigned") { users } else { Vec::new() },
        }))
    }

    /// With the ids that it has had before, and new ones where it has had none.
    pub fn issued(self, before: Option<&Identity>) -> Result<Identity, Fault> {
        let fresh = |old: Option<String>| old.map_or_else(guid, Ok);
        let principal = match self.kind.contains("SystemAssigned") {
            true => Some(fresh(before.and_then(|before| before.principal.clone()))?),
            false => None,
        };
        let user = |(id, _): (String, Option<User>)| {
            let old = before.and_then(|before| before.users.iter().find(|(other, _)| other.eq_ignore_ascii_case(&id)));
            let user = match old.and_then(|(_, user)| user.clone()) {
                Some(user) => user,
                None => User { client: guid()?, principal: guid()? },
            };
            Ok((id, Some(user)))
        };
        let users = self.users.into_iter().map(user).collect::<Result<Vec<_>, Fault>>()?;
        Ok(Identity { principal, users, ..self })
    }

    pub fn to_json(&self) -> Value {
        let mut identity = Map::new();
        let mut set = |name: &str, value: Value| identity.insert(name.to_owned(), value);
        set("type", json!(self.kind));
        if let Some(principal) = &self.principal {
            set("principalId", json!(principal));
            set("tenantId", json!(TENANT));
        }
        if !self.users.is_empty() {
            let user = |(id, user): &(String, Option<User>)| {
                let ids = user.as_ref().map(|user| json!({ "clientId": user.client, "principalId": user.principal }));
                (id.clone(), ids.unwrap_or_else(|| json!({})))
            };
            set("userAssignedIdentities", Value::Object(self.users.iter().map(user).collect()));
        }
        Value::Object(identity)
    }
}

fn users(identity: &Members<'_>) -> Result<Vec<(String, Option<User>)>, Rejection> {
    let name = "userAssignedIdentities";
    let Some(value) = identity.get(name) else { return Ok(Vec::new()) };
    let Some(users) = value.as_object() else {
        return Err(identity.invalid(name, &format!("It has to be an object, and is {}.", shown(value))));
    };
    let user = |(id, user): (&String, &Value)| {
        let parsed: Option<ResourceId> = id.parse().ok();
        let kind = parsed.map(|id| id.resource_type());
        if kind.is_none_or(|kind| !kind.eq_ignore_ascii_case("Microsoft.ManagedIdentity/userAssignedIdentities")) {
            let why = format!("{} is not the resource id of a user-assigned identity.", shown(&id.as_str().into()));
            return Err(identity.invalid(name, &why));
        }
        let text = |name: &str| user.get(name).and_then(Value::as_str).map(str::to_owned);
        let ids = text("clientId").zip(text("principalId"));
        Ok((id.clone(), ids.map(|(client, principal)| User { client, principal })))
    };
    users.iter().filter(|(_, user)| !user.is_null()).map(user).collect()
}

/// Random, version 4.
fn guid() -> Result<String, Fault> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Fault::new("NoRandomness", format!("an id needs random bytes, and there are none: {error}"))
    })?;
    let bits = u128::from_be_bytes(bytes) & !(0xF000 << 64) | 0x4000 << 64;
    let bits = bits & !(0xC << 60) | 0x8 << 60;
    let hexadecimal = format!("{bits:032x}");
    let mut text = String::with_capacity(36);
    for (at, digit) in hexadecimal.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_random_and_of_version_4() {
        let (one, other) = (guid().unwrap(), guid().unwrap());
        assert_ne!(one, other);
        let groups: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{one}");
        assert_eq!(&one[14..15], "4", "{one}");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }
}

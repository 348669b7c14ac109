//! Which resource is meant, where it is reached, and by which key: asked from the gateway.

use serde_json::Value;

use crate::cli::CliError;
use crate::cli::local::{Answer, Local};
use crate::config::{self, AuthMode};
use crate::identity::DEFAULT_TENANT;

/// Of ARM itself; any well-formed version is one.
const SUBSCRIPTIONS: &str = "/subscriptions?api-version=2022-12-01";
/// Of resources that have a console.
const TYPE: &str = "Microsoft.Cache/redis";
const VERSION: &str = "2024-11-01";

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    /// None for any.
    pub group: Option<String>,
    pub subscription: Option<String>,
}

/// Where it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub key: String,
}

impl Found {
    pub(super) fn of(gateway: &config::Gateway, local: &Local, wanted: &Wanted) -> Result<Found, CliError> {
        let token = match gateway.auth {
            AuthMode::Strict => Some(token(local)?),
            AuthMode::Dev => None,
        };
        let ask = |method: &str, path: &str| -> Result<Value, CliError> {
            let answer = local.send(method, path, None, token.as_deref())?;
            understood(method, path, &answer)
        };
        let subscriptions = match &wanted.subscription {
            Some(subscription) => vec![subscription.clone()],
            None => texts(&ask("GET", SUBSCRIPTIONS)?, "subscriptionId"),
        };
        let mut matching = Vec::new();
        for subscription in subscriptions {
            let path = format!("/subscriptions/{subscription}/providers/{TYPE}?api-version={VERSION}");
            let listed = ask("GET", &path)?;
            let all = listed.get("value").and_then(Value::as_array).cloned().unwrap_or_default();
            matching.extend(all.into_iter().filter(|one| is_wanted(one, wanted)));
        }
        let resource = match matching.as_slice() {
            [only] => only,
            [] => {
                return Err(CliError::Console(format!(
                    "there is no {TYPE} called '{}' in this gateway{}",
                    wanted.name,
                    place(wanted)
                )));
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|one| text(one, "id")).collect();
                let message = format!(
                    "there are {} called '{}': {}. Say which by -g and --subscription",
                    several.len(),
                    wanted.name,
                    ids.join(", ")
                );
                return Err(CliError::Console(message));
            }
        };
        let properties = resource.get("properties").unwrap_or(&Value::Null);
        let port = properties.get("sslPort").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let keys = ask("POST", &format!("{}/listKeys?api-version={VERSION}", text(resource, "id")))?;
        Ok(Found {
            name: text(resource, "name").to_owned(),
            host: text(properties, "hostName").to_owned(),
            port: port.ok_or_else(|| {
                CliError::Console("the resource shows no sslPort yet. Try again when it is ready".to_owned())
            })?,
            key: text(&keys, "primaryKey").to_owned(),
        })
    }
}

fn place(wanted: &Wanted) -> String {
    let group = wanted.group.as_ref().map(|group| format!(", group '{group}'"));
    let subscription = wanted.subscription.as_ref().map(|subscription| format!(", subscription '{subscription}'"));
    format!("{}{}", group.unwrap_or_default(), subscription.unwrap_or_default())
}

/// By its name, and its group in `/subscriptions/s/resourceGroups/g/...`.
fn is_wanted(resource: &Value, wanted: &Wanted) -> bool {
    let group = text(resource, "id").split('/').nth(4).unwrap_or_default();
    text(resource, "name").eq_ignore_ascii_case(&wanted.name)
        && wanted.group.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(group))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn texts(list: &Value, member: &str) -> Vec<String> {
    let values = list.get("value").and_then(Value::as_array).into_iter().flatten();
    values.map(|one| text(one, member).to_owned()).collect()
}

/// As an app gets one, whose secret may be any.
fn token(local: &Local) -> Result<String, CliError> {
    let path = format!("/{DEFAULT_TENANT}/oauth2/v2.0/token");
    let form =
        format!("grant_type=client_credentials&client_id=floci-az&client_secret=any&scope={}/.default", local.http());
    let answer = local.send("POST", &path, Some(&form), None)?;
    Ok(text(&understood("POST", &path, &answer)?, "access_token").to_owned())
}

fn understood(method: &str, path: &str, answer: &Answer) -> Result<Value, CliError> {
    let path = path.split('?').next().unwrap_or_default();
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    if (200..300).contains(&answer.status) {
        return Ok(body);
    }
    let reason = body.get("error").and_then(|error| error.get("message")).and_then(Value::as_str);
    let reason = reason.unwrap_or(&answer.text);
    Err(CliError::Console(format!("{method} {path} was answered {}: {reason}", answer.status)))
}
